/** The traces of element-wise operators, from their expressions (ops/scalar.ts). */
import { InternalError } from '../../errors.js';
import type { BinaryAttrs } from '../../ops/arithmetic/arithmetic.js';
import type { Expression, Operation } from '../../ops/arithmetic/expression.js';
import { type ScalarOperator, scalars } from '../../ops/scalar.js';
import type { Tf, TfTensor } from '../tensorflow.js';
import { activate, operand, type Trace } from './trace.js';

type Step = (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor;

const greater: Step = (tf, a, b) => tf.step(tf.sub(a, b));
const different: Step = (tf, a, b) => tf.add(greater(tf, a, b), greater(tf, b, a));
/** Where these functions have no value, integer kernels give the last of their range. */
const positive = (tf: Tf, x: TfTensor) => tf.maximum(x, 2 ** -100);
// TensorFlow.js's own gradients of maximum and minimum have the wrong shape where one broadcasts.
const maximum: Step = (tf, a, b) => tf.add(a, tf.relu(tf.sub(b, a)));

const steps: Readonly<Record<Operation, Step>> = {
  add: (tf, a, b) => tf.add(a, b),
  sub: (tf, a, b) => tf.sub(a, b),
  mul: (tf, a, b) => tf.mul(a, b),
  div: (tf, a, b) => tf.div(a, b),
  neg: (tf, a) => tf.neg(a),
  abs: (tf, a) => tf.abs(a),
  maximum,
  minimum: (tf, a, b) => tf.sub(a, tf.relu(tf.sub(a, b))),
  // Truth is 1 and 0, and has no gradient: step(x) is 1 where x > 0.
  greater,
  less: (tf, a, b) => greater(tf, b, a),
  greater_equal: (tf, a, b) => tf.sub(1, greater(tf, b, a)),
  less_equal: (tf, a, b) => tf.sub(1, greater(tf, a, b)),
  not_equal: different,
  equal: (tf, a, b) => tf.sub(1, different(tf, a, b)),
  and: (tf, a, b) => tf.mul(a, b),
  or: maximum,
  floor_div: (tf, a, b) => tf.floor(tf.div(a, b)),
  floor_mod: (tf, a, b) => tf.mod(a, b),
  pow: (tf, a, b) => tf.pow(a, b),
  exp: (tf, a) => tf.exp(a),
  expm1: (tf, a) => tf.expm1(a),
  log: (tf, a) => tf.log(positive(tf, a)),
  sqrt: (tf, a) => tf.sqrt(positive(tf, a)),
  erfc: (tf, a) => tf.sub(1, tf.erf(a)),
  tanh: (tf, a) => tf.tanh(a),
  logistic: (tf, a) => tf.sigmoid(a),
  sin: (tf, a) => tf.sin(a),
  cos: (tf, a) => tf.cos(a),
  floor: (tf, a) => tf.floor(a),
  round: (tf, a) => tf.round(a),
};

/** The elements that an expression is of. */
interface Elements {
  readonly x: TfTensor;
  /** Absent where it is of x alone. */
  readonly y?: TfTensor;
}

function traced(tf: Tf, whole: Expression, elements: Elements): TfTensor {
  const known = new Map<string, TfTensor>();
  const of = (expression: Expression): TfTensor => {
    switch (expression.kind) {
      case 'element':
        return elements[expression.name] as TfTensor;
      case 'constant':
        return tf.scalar(expression.value);
      case 'named': {
        const value = known.get(expression.name) ?? of(expression.of);
        known.set(expression.name, value);
        return value;
      }
      case 'clamp': {
        const { low, high } = expression;
        const x = of(expression.of);
        const isRelu = low === 0 && high === Number.POSITIVE_INFINITY;
        return isRelu ? tf.relu(x) : tf.clipByValue(x, low, high);
      }
      case 'choice':
        return chosen(tf, expression.operands, elements);
      case 'operation': {
        const [a, b = a] = expression.operands.map(of) as [TfTensor, TfTensor?];
        return steps[expression.operation](tf, a, b);
      }
    }
  };
  return of(whole);
}

/**
 * A choice by the sign of x between values that are both 0 where x is: the sum of one at max(x, 0)
 * and of the other at min(x, 0). TensorFlow.js's own functions have no gradient on every backend, and
 * that of `where` multiplies what is not chosen, which may be infinite, by 0.
 */
function chosen(
  tf: Tf,
  [condition, yes, no]: readonly [Expression, Expression, Expression],
  { x, ...others }: Elements,
): TfTensor {
  const relation = condition.kind === 'operation' ? condition.operation : condition.kind;
  if (!(relation in isAbove)) throw new InternalError('compress', `a choice by ${relation}`);
  const [above, below] = isAbove[relation as keyof typeof isAbove] ? [yes, no] : [no, yes];
  return tf.add(
    traced(tf, above, { x: tf.relu(x), ...others }),
    traced(tf, below, { x: tf.neg(tf.relu(tf.neg(x))), ...others }),
  );
}

/** Of x and 0: whether the first value is that of a positive x. */
const isAbove = { greater: true, greater_equal: true, less: false, less_equal: false };

function traceOf({ functionOf, isPair }: ScalarOperator): Trace {
  return (tf, { attrs }, inputs) => {
    const x = operand(inputs, 0);
    const value = traced(tf, functionOf(attrs).f, isPair ? { x, y: operand(inputs, 1) } : { x });
    return [activate(tf, value, (attrs as Partial<BinaryAttrs>).activation ?? 'none')];
  };
}

export const scalarTraces: Readonly<Record<string, Trace>> = Object.fromEntries(
  [...scalars].map(([name, scalar]) => [name, traceOf(scalar)]),
);
