/** softmax of int16 (SoftmaxInt16 of kernels/internal/reference/softmax.h of both runtimes). */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import { inputOf, outputOf } from '../shape/operands.js';
import { lineAt, lineTable } from './line-table.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './quant.js';
import { badRatio } from './rescale.js';

const { fround } = Math;
const range = 65535;

/** What a row's outputs are made of, in 15 fractional bits. */
interface WideTables {
  /** exp(x) for −10 to 0, which are −32768 to 32767. */
  readonly exponentials: Int16Array;
  /** 1 / (1 + x) for 0 to 1, which are −32768 to 32767. */
  readonly reciprocals: Int16Array;
}

function tablesIn(round: (value: number) => number): WideTables {
  const unit = { scale: round(2 / range), zeroPoint: 0 };
  const arguments_ = { scale: round(10 / range), zeroPoint: 32767 };
  const shares = { scale: round(1 / range), zeroPoint: -32768 };
  return {
    exponentials: lineTable(arguments_, unit, (x) => round(Math.exp(x)), round),
    reciprocals: lineTable(shares, unit, (x) => round(1 / round(1 + x)), round),
  };
}

/** TFLM computes its tables in float32, desktop TFLite in double. */
export const wideTables: Readonly<Record<'fixed' | 'table', WideTables>> = {
  fixed: tablesIn(fround),
  table: tablesIn((value) => value),
};

/** What takes a difference of inputs to the argument of `exponentials`, less 32767. */
export function differenceMultiplier(view: NodeView<object>, beta: number): Multiplier {
  const { scale } = perTensor(inputOf(view, 0), at(view.node));
  const multiplier = quantizeMultiplier((fround(scale) * fround(beta)) / (10 / range));
  // |difference| < 2^16 stays an int32 after the left shift.
  if (multiplier.shift <= 15) return multiplier;
  throw badRatio(view, `the step of its input, beta · scale, is ${fround(scale) * fround(beta)}`);
}

export function checkWideSoftmax(view: NodeView<object>, beta: number, depth: number): void {
  const [input, output] = [inputOf(view, 0), outputOf(view)].map((t) =>
    perTensor(t, at(view.node)),
  );
  const isUnit = Math.abs((output?.scale ?? 0) * 32768 - 1) <= 0.001;
  if (input?.zeroPoint !== 0 || output?.zeroPoint !== 0 || !isUnit) {
    throw badRatio(view, 'int16 of a softmax need zero points 0, and the output the scale 1/32768');
  }
  if (depth >= 2 ** 15) {
    const message = `rows of ${depth} elements overflow the sum of exponentials`;
    throw new BonsaiError('too-large', at(view.node), message, 'use shorter rows');
  }
  differenceMultiplier(view, beta);
}

/** The outputs of a row. */
export function wideSoftmaxRow(
  elements: Int16Array,
  multiplier: Multiplier,
  { exponentials, reciprocals }: WideTables,
): Int16Array {
  const largest = elements.reduce((most, x) => Math.max(most, x), -32768);
  const exps = elements.map((x) => {
    const scaled = multiplyByQuantizedMultiplier(x - largest, multiplier, 'double');
    return lineAt(clamp(scaled + 32767, -32768, 32767), exponentials);
  });
  const sum = exps.reduce((total, exp) => total + exp, 0);
  const zeros = Math.clz32(sum);
  const share = Math.floor((sum * 2 ** (zeros - 1) + 2 ** 13) / 2 ** 14) - 2 ** 15 - 2 ** 16;
  const reciprocal = lineAt(clamp(share, -32768, 32767), reciprocals);
  const shift = 31 - zeros;
  return exps.map((exp) =>
    clamp(Math.floor((exp * reciprocal + 2 ** (shift - 1)) / 2 ** shift), 0, 32767),
  );
}
