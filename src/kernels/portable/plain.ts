/** Functions of elements that stand for themselves: of float32, int32 and bool. */
import { rangeOfType } from '../../ir/dtypes.js';
import { type DType, elementCount, isInteger, type NodeView } from '../../ir/graph.js';
import { type AddNAttrs, addNTypes, sumScalingOf } from '../../ops/add_n.js';
import type { RealClamp } from '../../ops/arithmetic/clamping.js';
import { realRange } from '../../ops/arithmetic/plain.js';
import type { Activation } from '../../ops/arithmetic/quant.js';
import type { Scaling } from '../../ops/compare.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { operandWalk, runsOf } from '../layout/walk.js';
import type { KernelVariant, Table } from '../variant.js';

/** Each is a flag of the text; estimated cycles an element, on Cortex-M0+ without a float unit. */
const functions = {
  ...{ abs: 20, neg: 20, square: 100, sqrt: 900, rsqrt: 1300, exp: 3000, log: 4000, sin: 3500 },
  ...{ gelu: 6500, gelu_tanh: 5500 },
  ...{ cos: 3500, tanh: 4500, logistic: 3500, elu: 2000, floor: 100, ceil: 100, round: 300 },
  ...{ relu: 40, clamped: 60, leaky_relu: 150, hard_swish: 600 },
  ...{ not: 10, truth: 20, cast: 40 },
};

/** The functions of two elements, the same way. */
const pairs = {
  ...{ sum: 80, difference: 80, product: 80, quotient: 300, squared_difference: 160, prelu: 100 },
  ...{ maximum: 50, minimum: 50, floor_div: 1000, floor_mod: 800, pow: 8000, and: 15, or: 15 },
  ...{ equal: 40, not_equal: 40, less: 40, less_equal: 40, greater: 40, greater_equal: 40 },
};

type PlainFunction = keyof typeof functions;
type PlainPair = keyof typeof pairs;

const chosenFlag = (all: object, chosen: string) =>
  Object.fromEntries(Object.keys(all).map((name) => [name, name === chosen]));

const reals = (values: readonly number[]): Table => ({
  data: Float32Array.from(values),
  role: 'table',
});

/** @param tables constants of the function, from the node's attributes */
export function plainVariant<A extends object>(
  chosenOf: PlainFunction | ((attrs: A, to: DType) => PlainFunction),
  tables: (attrs: A) => Readonly<Record<string, readonly number[]>> = () => ({}),
  types: readonly DType[] = ['float32'],
): KernelVariant<A> {
  return {
    template: 'portable/plain',
    needs: [],
    types,
    match(view) {
      const count = elementCount(outputOf(view).shape);
      const [from, to] = [inputOf(view, 0).dtype, outputOf(view).dtype];
      const chosen = typeof chosenOf === 'string' ? chosenOf : chosenOf(view.attrs, to);
      const whole = from === 'float32' && isInteger(to) && to !== 'bool';
      const [low, high] = whole ? rangeOfType(to) : [0, 0];
      const constants = Object.entries(tables(view.attrs));
      return {
        scratchBytes: 0,
        // A term for each function, since they share a template.
        work: () => ({ [chosen]: { count, cycles: functions[chosen] } }),
        calls: () => [
          {
            ...{ inputs: [0], outputs: [0], numbers: { count, ...(whole ? { low, high } : {}) } },
            types: { from, to },
            flags: {
              ...chosenFlag(functions, chosen),
              whole,
            },
            tables: Object.fromEntries(constants.map(([name, values]) => [name, reals(values)])),
          },
        ],
      };
    },
  };
}

/** x clamped to a range of its own. */
export const clampedVariant = (activation: RealClamp) =>
  plainVariant<object>('clamped', () => ({ bounds: realRange(activation) }));

interface PairTraits<A extends object> {
  readonly hasActivation?: boolean;
  /** null where elements stand for themselves. */
  scalingsOf?(view: NodeView<A>): readonly [Scaling, Scaling] | null;
}

/** @param taken of a node all elements have one of these types */
export function plainPairVariant<A extends object>(
  chosenOf: PlainPair | ((attrs: A) => PlainPair),
  taken: readonly DType[],
  { hasActivation = false, scalingsOf = () => null }: PairTraits<A> = {},
): KernelVariant<A> {
  return {
    template: 'portable/plain_pairs',
    needs: [],
    types: taken,
    match(view) {
      const chosen = typeof chosenOf === 'string' ? chosenOf : chosenOf(view.attrs);
      const [element, result] = [inputOf(view, 0).dtype, outputOf(view).dtype];
      const clamped = hasActivation && result === 'float32';
      const { activation = 'none' } = view.attrs as { readonly activation?: Activation };
      const scalings = scalingsOf(view);
      const count = elementCount(outputOf(view).shape);
      return {
        scratchBytes: 0,
        work: () => ({
          [chosen]: { count, cycles: pairs[chosen] },
          ...(scalings === null ? {} : { scaled: { count, cycles: scaledCycles } }),
          ...runsOf(view),
        }),
        calls() {
          const walk = operandWalk(view);
          return [
            {
              ...{ inputs: walk.inputs, outputs: [0], types: { element, result } },
              flags: {
                ...{ ...chosenFlag(pairs, chosen), ...walk.flags, clamped },
                ...{ whole: isInteger(element), scaled: scalings !== null },
              },
              numbers: { ...walk.numbers, ...(scalings === null ? {} : scalingNumbers(scalings)) },
              tables: {
                ...walk.tables,
                ...(clamped ? { bounds: reals(realRange(activation)) } : {}),
              },
            },
          ];
        },
      };
    },
  };
}

/** Of two operands in a common scale. */
const scaledCycles = 100;

const scalingNumbers = ([a, b]: readonly [Scaling, Scaling]) => ({
  ...{ a_zero_point: a.zeroPoint, a_multiplier: a.multiplier, a_shift: a.shift },
  ...{ b_zero_point: b.zeroPoint, b_multiplier: b.multiplier, b_shift: b.shift },
});

/** A sum of many: one operand after the other, in the scratch memory. */
export const addNVariant: KernelVariant<AddNAttrs> = {
  template: 'portable/add_n',
  needs: [],
  types: addNTypes,
  match(view) {
    const { shape, dtype } = outputOf(view);
    const count = elementCount(shape);
    const scaling = dtype === 'int8' ? sumScalingOf(view) : null;
    const numbers: Record<string, number> =
      scaling === null
        ? { count }
        : {
            ...{ count, in_zero_point: scaling.inputZeroPoint },
            ...{ out_zero_point: scaling.outputZeroPoint, ...scaling.multiplier },
          };
    const last = view.inputs.length - 1;
    return {
      scratchBytes: 4 * count,
      work: () => ({ outputs: { count: count * view.inputs.length, cycles: 60 } }),
      calls: () =>
        view.inputs.map((input, i) => ({
          inputs: input?.data == null ? [i] : [],
          outputs: i === last ? [0] : [],
          types: { element: dtype, sum: dtype === 'float32' ? 'float32' : 'int32' },
          flags: {
            ...{ first: i === 0, last: i === last, constant: input?.data != null },
            ...{ scaled: scaling !== null, whole: dtype === 'int32' },
          },
          numbers,
          tables:
            input?.data == null
              ? {}
              : { data: { data: input.data as Table['data'], role: 'table' } },
        })),
    };
  },
};
