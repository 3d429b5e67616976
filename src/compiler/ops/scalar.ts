/**
 * Element-wise operators: each states its function of real numbers, or of other elements that stand
 * for themselves, once. Evaluation, kernels and the trace for training follow from it. What
 * quantized elements become is code where runtimes have arithmetic of their own (ops/<name>.ts).
 */
import type { Attrs, DType, NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic/arithmetic.js';
import { type BinaryTraits, binary } from './arithmetic/binary.js';
import { rescaleAndClamp } from './arithmetic/clamping.js';
import {
  choice,
  clamped,
  type Expression,
  evaluator,
  isPair,
  named,
  operations,
  x,
  y,
} from './arithmetic/expression.js';
import { type Elementwise, elementwise, type Scalar } from './arithmetic/lookup.js';
import type { Clamp } from './arithmetic/quant.js';
import { tabulated } from './arithmetic/tabulated.js';
import { comparedTypes, type Relation, relations } from './compare.js';

/** A function, and what an element costs on Cortex-M0+ without a float unit, where not measured. */
export interface ElementFunction {
  readonly f: Expression;
  readonly cycles: number;
  /** The name of its measured cost. */
  readonly term: string;
}

/** The default of the term is the operator's name. */
type Stated = Omit<ElementFunction, 'term'> & Partial<ElementFunction>;

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own attributes.
type Any = any;

interface Traits {
  /** Types of elements that stand for themselves; default: float32. */
  readonly types?: readonly DType[];
  /** Whether TFLite's operator can have a fused activation. */
  readonly activation?: true;
  /**
   * What quantized elements become, where it follows from the function. tables: tabulated as by
   * desktop TFLite; stored: the function of the stored integers, whatever their scales; a list:
   * these types are rescaled and clamped; none: there is no quantized form. Without it
   * ops/<name>.ts has the operator.
   */
  readonly quantized?: 'tables' | 'stored' | 'none' | readonly DType[];
}

/** The attributes of a node choose the function. */
interface Choice {
  choose(attrs: Any): Stated;
  /** Attributes of nodes with all of them. */
  readonly examples: readonly Attrs[];
}

type Row = Traits & (Stated | Choice);

const { abs, add, and, cos, div, equal, erfc, exp, expm1, floor, floor_div, floor_mod } =
  operations;
const { greater, greater_equal, less, log, logistic, maximum, minimum, mul, neg } = operations;
const { or, pow, round, sin, sqrt, sub, tanh } = operations;

const numbers: readonly DType[] = ['float32', 'int32'];
const bools: readonly DType[] = ['bool'];
const distance = named('distance', sub(x, y));

/** ½ x · erfc(−x / √2): erfc keeps its digits where 1 + erf would lose them. */
const exactGelu = mul(mul(0.5, x), erfc(mul(x, -Math.SQRT1_2)));
/** ½ x · (1 + tanh(sqrt(2 / π) · (x + 0.044715 x³))). */
const bent = add(x, mul(mul(mul(0.044715, x), x), x));
const approximateGelu = mul(mul(0.5, x), add(1, tanh(mul(Math.sqrt(2 / Math.PI), bent))));

/** One of several functions, by the attribute `function`. */
function oneOf(functions: Readonly<Record<string, Stated>>): Choice {
  const byName = new Map(Object.entries(functions));
  return {
    choose: (attrs: { readonly function: string }) => ({
      ...(byName.get(attrs.function) as Stated),
      term: attrs.function,
    }),
    examples: [...byName.keys()].map((name) => ({ function: name })),
  };
}

const rows: Readonly<Record<string, Row>> = {
  abs: { f: abs(x), cycles: 20 },
  elu: { f: choice(less(x, 0), expm1(x), x), cycles: 2000 },
  // Beyond the output's range it saturates; TFLite's conversion to int32 is undefined above 2^31.
  exp: { f: exp(x), cycles: 3000, quantized: 'tables' },
  gelu: {
    /** approximate: whether Φ, the distribution function, is approximated by a tanh. */
    choose: ({ approximate }: { readonly approximate: boolean }) =>
      approximate
        ? { f: approximateGelu, cycles: 5500, term: 'gelu_tanh' }
        : { f: exactGelu, cycles: 6500 },
    examples: [{ approximate: false }, { approximate: true }],
    quantized: 'tables',
  },
  hard_swish: { f: div(mul(x, clamped(named('gate', add(x, 3)), 0, 6)), 6), cycles: 600 },
  leaky_relu: {
    choose: ({ alpha }: { readonly alpha: number }) => ({
      f: choice(greater(x, 0), x, mul(x, alpha)),
      cycles: 150,
    }),
    examples: [{ alpha: 0.25 }],
  },
  log: { f: log(x), cycles: 4000 },
  logical_not: { f: equal(x, 0), cycles: 10, term: 'not', types: bools, quantized: 'none' },
  logistic: { f: logistic(x), cycles: 3500 },
  neg: { f: neg(x), cycles: 20 },
  real_function: {
    ...oneOf({
      ceil: { f: neg(floor(neg(x))), cycles: 100 },
      cos: { f: cos(x), cycles: 3500 },
      floor: { f: floor(x), cycles: 100 },
      round: { f: round(x), cycles: 300 },
      sin: { f: sin(x), cycles: 3500 },
      square: { f: mul(x, x), cycles: 100 },
    }),
    quantized: 'none',
  },
  // No fused activation has an upper bound of infinity, which stays here.
  relu: {
    f: clamped(x, 0, Number.POSITIVE_INFINITY),
    cycles: 40,
    quantized: ['int8', 'int16'],
  },
  relu6: { f: clamped(x, 0, 6), cycles: 60, term: 'clamped' },
  relu_0_to_1: { f: clamped(x, 0, 1), cycles: 60, term: 'clamped', quantized: ['int8'] },
  relu_n1_to_1: { f: clamped(x, -1, 1), cycles: 60, term: 'clamped', quantized: ['int8'] },
  rsqrt: { f: div(1, sqrt(x)), cycles: 1300 },
  sqrt: { f: sqrt(x), cycles: 900 },
  tanh: { f: tanh(x), cycles: 4500 },

  add: { f: add(x, y), cycles: 80, term: 'sum', types: numbers, activation: true },
  compare: {
    choose: ({ relation }: { readonly relation: Relation }) => ({
      ...{ f: relations[relation], cycles: 40, term: relation },
    }),
    types: comparedTypes,
    examples: Object.keys(relations).map((relation) => ({ relation })),
  },
  div: { f: div(x, y), cycles: 300, term: 'quotient', types: numbers, activation: true },
  floor_div: { f: floor_div(x, y), cycles: 1000, types: numbers, quantized: 'none' },
  floor_mod: { f: floor_mod(x, y), cycles: 800, types: numbers, quantized: 'none' },
  logical: {
    ...oneOf({ and: { f: and(x, y), cycles: 15 }, or: { f: or(x, y), cycles: 15 } }),
    types: bools,
    quantized: 'none',
  },
  maximum: {
    f: maximum(x, y),
    cycles: 50,
    types: [...numbers, 'int16'],
    quantized: 'stored',
  },
  minimum: {
    f: minimum(x, y),
    cycles: 50,
    types: [...numbers, 'int16'],
    quantized: 'stored',
  },
  mul: { f: mul(x, y), cycles: 80, term: 'product', types: numbers, activation: true },
  pow: { f: pow(x, y), cycles: 8000, types: numbers, quantized: 'none' },
  prelu: { f: choice(greater_equal(x, 0), x, mul(x, y)), cycles: 100 },
  squared_difference: { f: mul(distance, distance), cycles: 160, types: numbers },
  sub: { f: sub(x, y), cycles: 80, term: 'difference', types: numbers, activation: true },
};

/** What a row says of an operator. */
export interface ScalarOperator {
  readonly name: string;
  /** Of a node with these attributes. */
  functionOf(attrs: object): ElementFunction;
  readonly isPair: boolean;
  readonly types: readonly DType[];
  readonly hasActivation: boolean;
  readonly examples: readonly Attrs[];
}

/** All element-wise operators, by name. */
export const scalars: ReadonlyMap<string, ScalarOperator> = new Map(
  Object.entries(rows).map(([name, row]) => [name, scalarOf(name, row)]),
);

function scalarOf(name: string, row: Row): ScalarOperator {
  const functionOf = (attrs: object) => {
    const { f, cycles, term = name } = 'choose' in row ? row.choose(attrs) : row;
    return { f, cycles, term };
  };
  const examples = 'choose' in row ? row.examples : [{}];
  return {
    ...{ name, functionOf, examples, types: row.types ?? ['float32'] },
    hasActivation: row.activation === true,
    isPair: isPair(functionOf(examples[0] as Attrs).f),
  };
}

/** The function of a node's elements that stand for themselves. */
export function plainFunction(view: NodeView<object>) {
  return functionOf(view, view.inputs[0]?.dtype !== 'float32');
}

/** The function of real numbers. */
export function realFunction(view: NodeView<object>) {
  return functionOf(view, false);
}

function functionOf({ node, attrs }: NodeView<object>, isWhole: boolean) {
  return evaluator((scalars.get(node.op) as ScalarOperator).functionOf(attrs).f, isWhole);
}

/**
 * The operator of one element.
 *
 * @param scalarOf, types as in `elementwise`, of quantized elements
 */
export function unary<A extends object>(
  name: string,
  scalarOf: (view: NodeView<A>) => Scalar,
  types: readonly DType[],
): Elementwise<A> {
  return elementwise<A>(name, scalarOf, types, realFunction);
}

/**
 * The operator of two elements.
 *
 * @param arithmeticOf, traits as in `binary`, of quantized elements
 */
export function pair<A extends BinaryAttrs>(
  name: string,
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
  traits: Omit<BinaryTraits, 'plain' | 'hasActivation'> = {},
): OpDef<A> {
  const { types, hasActivation } = scalars.get(name) as ScalarOperator;
  return binary(name, arithmeticOf, {
    ...traits,
    hasActivation,
    plain: { types, of: plainFunction },
  });
}

/** The operators whose rows say what quantized elements become. */
export const scalarOperators: readonly OpDef<Any>[] = Object.entries(rows).flatMap(
  ([name, { quantized }]) => (quantized === undefined ? [] : [operatorOf(name, quantized)]),
);

function operatorOf(name: string, quantized: NonNullable<Row['quantized']>): OpDef<Any> {
  const { isPair, types } = scalars.get(name) as ScalarOperator;
  if (quantized === 'tables') return tabulated(name, realFunction);
  if (isPair) {
    const arithmetic = (view: NodeView<object>) => ({ combine: plainFunction(view), numbers: {} });
    return pair(name, arithmetic, quantized === 'none' ? { quantized: [] } : {});
  }
  if (quantized === 'none') return elementwise(name, realFunction, types);
  return unary(name, (view) => rescaleAndClamp(view, name as Clamp), quantized as readonly DType[]);
}
