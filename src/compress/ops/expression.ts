/** Functions of elements (ops/arithmetic/expression.ts) in TensorFlow.js, which knows their gradients. */

import type { Expression, Operation } from '../../compiler/ops/arithmetic/expression.js';
import { InternalError } from '../../errors.js';
import type { Tf, TfTensor } from '../tensorflow.js';

type Step = (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor;

const greater: Step = (tf, a, b) => tf.step(tf.sub(a, b));
const different: Step = (tf, a, b) => tf.add(greater(tf, a, b), greater(tf, b, a));
/** Where these functions have no value, integer kernels give the last of their range. */
const positive = (tf: Tf, x: TfTensor) => tf.maximum(x, 2 ** -100);
// TensorFlow.js's own gradients of maximum and minimum have the wrong shape where one broadcasts.
const maximum: Step = (tf, a, b) => tf.add(a, tf.relu(tf.sub(b, a)));

/** Operations that TensorFlow.js has by another name, or not as they should be. */
const steps = {
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
  log: (tf, a) => tf.log(positive(tf, a)),
  sqrt: (tf, a) => tf.sqrt(positive(tf, a)),
  erfc: (tf, a) => tf.sub(1, tf.erf(a)),
  logistic: (tf, a) => tf.sigmoid(a),
} satisfies Partial<Record<Operation, Step>>;
type Known = Exclude<Operation, keyof typeof steps>;

/** The elements that an expression is of. */
interface Elements {
  readonly x: TfTensor;
  /** Absent where it is of x alone. */
  readonly y?: TfTensor;
}

export function traced(tf: Tf, expression: Expression, elements: Elements): TfTensor {
  const { kind, operands } = expression;
  if (kind === 'choice') return chosen(tf, operands, elements);
  const values = operands.map((operand) => traced(tf, operand, elements));
  const [a, b] = values as [TfTensor, TfTensor];
  switch (kind) {
    case 'element':
      return elements[expression.name] as TfTensor;
    case 'constant':
      return tf.scalar(expression.value);
    case 'named':
      return a;
    case 'clamp': {
      const { low, high } = expression;
      const isRelu = low === 0 && high === Number.POSITIVE_INFINITY;
      return isRelu ? tf.relu(a) : tf.clipByValue(a, low, high);
    }
    case 'operation': {
      const { operation } = expression;
      if (operation in steps) return steps[operation as keyof typeof steps](tf, a, b);
      return (tf[operation as Known] as (...all: readonly TfTensor[]) => TfTensor)(...values);
    }
  }
}

/**
 * A choice by the sign of x between values that are both 0 where x is: the sum of one at max(x, 0)
 * and of the other at min(x, 0). TensorFlow.js's own functions have no gradient on every backend, and
 * that of `where` multiplies what is not chosen, which may be infinite, by 0.
 */
function chosen(tf: Tf, operands: readonly Expression[], { x, ...others }: Elements): TfTensor {
  const [condition, yes, no] = operands as [Expression, Expression, Expression];
  const relation = condition.kind === 'operation' ? condition.operation : condition.kind;
  if (!(relation in isAbove)) throw new InternalError('compress', `a choice by ${relation}`);
  const [above, below] = isAbove[relation as keyof typeof isAbove] ? [yes, no] : [no, yes];
  const positive = tf.relu(x);
  return tf.add(
    traced(tf, above, { x: positive, ...others }),
    // So that at 0 the gradient is that below it.
    traced(tf, below, { x: tf.sub(x, positive), ...others }),
  );
}

/** Of x and 0: whether the first value is that of a positive x. */
const isAbove = { greater: true, greater_equal: true, less: false, less_equal: false };
