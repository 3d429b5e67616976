/**
 * Functions of one element, x, or of two, x and y, as expressions. An operator states its function
 * once: it is evaluated here, printed as C by codegen/expression.ts and traced for training by
 * compress/ops/expression.ts.
 */
import * as float32 from './float32.js';
import { clampReal } from './plain.js';

const { fround } = Math;

/** An operation on float32 elements; each one rounds its result to float32. */
const real = {
  add: (a: number, b: number) => fround(a + b),
  sub: (a: number, b: number) => fround(a - b),
  mul: (a: number, b: number) => fround(a * b),
  div: (a: number, b: number) => fround(a / b),
  neg: (a: number) => -a,
  abs: (a: number) => Math.abs(a),
  // As the runtimes compare: of NaN and a number the second operand.
  // biome-ignore lint/complexity/useMathMinMax: Math's takes NaN, and 0 from -0 and 0.
  maximum: (a: number, b: number) => (a > b ? a : b),
  // biome-ignore lint/complexity/useMathMinMax: Math's takes NaN, and 0 from -0 and 0.
  minimum: (a: number, b: number) => (a < b ? a : b),
  equal: (a: number, b: number) => Number(a === b),
  not_equal: (a: number, b: number) => Number(a !== b),
  less: (a: number, b: number) => Number(a < b),
  less_equal: (a: number, b: number) => Number(a <= b),
  greater: (a: number, b: number) => Number(a > b),
  greater_equal: (a: number, b: number) => Number(a >= b),
  and: (a: number, b: number) => Math.min(a, b),
  or: (a: number, b: number) => Math.max(a, b),
  // The runtimes, too, divide in float64.
  floor_div: (a: number, b: number) => fround(Math.floor(a / b)),
  floor_mod: (a: number, b: number) => fround(floored(a, b)),
  pow: float32.pow,
  exp: float32.exp,
  expm1: float32.expm1,
  log: float32.log,
  sqrt: float32.sqrt,
  erfc: float32.erfc,
  tanh: float32.tanh,
  logistic: float32.logistic,
  sin: float32.sin,
  cos: float32.cos,
  floor: (a: number) => Math.floor(a),
  round: float32.roundHalfToEven,
};

export type Operation = keyof typeof real;
type Function = (a: number, b: number) => number;
/** Of x, and of y where there is one. */
export type Evaluator = (x: number, y?: number) => number;

/**
 * Of integers: sums, differences and products wrap. Runtimes end with an error where an int32 is
 * divided by 0; here the quotient is 0.
 */
const whole: Readonly<Record<Operation, Function>> = {
  ...real,
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? 0 : (a / b) | 0),
  floor_div: (a, b) => (b === 0 ? 0 : Math.floor(a / b) | 0),
  floor_mod: (a, b) => (b === 0 ? 0 : floored(a, b)),
  pow: wholePower,
};

/** The exact remainder of a division towards zero first, as fmod; then the sign of b. */
function floored(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

/** a^b modulo 2^32, by squares; 0 for a negative b. */
function wholePower(a: number, b: number): number {
  let power = b < 0 ? 0 : 1;
  for (let [square, left] = [a, b]; left > 0; left >>= 1) {
    if (left % 2 === 1) power = Math.imul(power, square);
    square = Math.imul(square, square);
  }
  return power;
}

export type Expression = { readonly operands: readonly Expression[] } & (
  | { readonly kind: 'element'; readonly name: 'x' | 'y' }
  /** A float32, or an integer. */
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'operation'; readonly operation: Operation }
  /** The operand, or the bound that it exceeds; NaN stays. */
  | { readonly kind: 'clamp'; readonly low: number; readonly high: number }
  /** The second operand where the first, a relation, holds; else the third. */
  | { readonly kind: 'choice' }
  /** The operand, which is used several times. */
  | { readonly kind: 'named'; readonly name: string }
);

type Operand = Expression | number;

const expressionOf = (operand: Operand): Expression =>
  typeof operand === 'number'
    ? { kind: 'constant', value: fround(operand), operands: [] }
    : operand;

const operator =
  (operation: Operation) =>
  (...operands: readonly Operand[]): Expression => ({
    ...{ kind: 'operation', operation, operands: operands.map(expressionOf) },
  });

/** Constructors: `mul(x, add(x, 3))`. */
export const operations = Object.fromEntries(
  Object.keys(real).map((name) => [name, operator(name as Operation)]),
) as Readonly<Record<Operation, (...operands: readonly Operand[]) => Expression>>;

export const x: Expression = { kind: 'element', name: 'x', operands: [] };
export const y: Expression = { kind: 'element', name: 'y', operands: [] };

export const clamped = (of: Expression, low: number, high: number): Expression => ({
  ...{ kind: 'clamp', operands: [of], low, high },
});

export const choice = (condition: Expression, yes: Operand, no: Operand): Expression => ({
  ...{ kind: 'choice', operands: [condition, yes, no].map(expressionOf) },
});

export const named = (name: string, of: Expression): Expression => ({
  ...{ kind: 'named', name, operands: [of] },
});

/** Whether it is a function of two elements. */
export function isPair(expression: Expression): boolean {
  return expression === y || expression.operands.some(isPair);
}

/** The expression as a function of numbers: of float32, or of integers and bools. */
export function evaluator(expression: Expression, isWhole: boolean): Evaluator {
  const operands = expression.operands.map((operand) => evaluator(operand, isWhole));
  const [first, second = first, third] = operands as [Evaluator, Evaluator?, Evaluator?];
  switch (expression.kind) {
    case 'element':
      return expression.name === 'x' ? (a) => a : (_, b) => b as number;
    case 'constant':
      return () => expression.value;
    case 'operation': {
      const compute = (isWhole ? whole : real)[expression.operation] as Function;
      return (a, b) => compute(first(a, b), second(a, b));
    }
    case 'clamp': {
      const range = [expression.low, expression.high] as const;
      return (a, b) => clampReal(first(a, b), range);
    }
    case 'choice':
      return (a, b) => (first(a, b) === 0 ? (third as Evaluator) : second)(a, b);
    case 'named':
      return first;
  }
}
