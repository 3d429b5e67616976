/**
 * logistic and tanh of int16: a table of 256 values of the logistic function, and a straight line
 * between two of them (kernels/internal/reference/integer_ops/logistic.h and tanh.h of both runtimes).
 */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import type { Scalar } from './lookup.js';
import { roundHalfAwayFromZero } from './quant.js';
import { badRatio, elementQuant } from './rescale.js';

/** unsigned: 0 to 1; signed: −1 to 1. */
export type Curve = 'unsigned' | 'signed';

/** An input becomes (x · multiplier + half) >> shift, in units of 2^-12 / 3. */
export interface CurveScaling {
  readonly multiplier: number;
  readonly shift: number;
}

const logistic = (x: number) => 65536 / (1 + Math.exp(-x / 24));

/**
 * The logistic function at i / 24, in 16 fractional bits, raised by half the distance of the line to
 * the next value from the function in their middle. The last value saturates.
 */
export const curveTable: Uint16Array = Uint16Array.from({ length: 256 }, (_, i) => {
  const gap = logistic(i + 0.5) - (logistic(i) + logistic(i + 1)) / 2;
  return i === 255 ? 65535 : roundHalfAwayFromZero(logistic(i) + gap / 2);
});

/** @throws BonsaiError for scales and zero points that TFLM refuses or cannot compute */
export function curveScaling(view: NodeView<object>, curve: Curve): CurveScaling {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  if (inputZeroPoint !== 0 || outputZeroPoint !== 0 || powerOf(outputScale) !== -15) {
    throw badRatio(view, 'int16 need zero points 0 here, and the output the scale 2^-15');
  }
  const power = (powerOf(inputScale) ?? Infinity) + 12;
  if (power === 0 || (curve === 'signed' && power === 1)) {
    // Desktop TFLite's vector code has another algorithm for these, gemmlowp's.
    if ((view.node.attrs as { algorithm?: string }).algorithm === 'float')
      throw notOfDesktop(view, inputScale);
    return { multiplier: 3 << power, shift: 0 };
  }
  let multiplier = inputScale * 4096 * 3;
  let shift = 0;
  for (; multiplier <= 32767 / 2 && shift <= 30; shift += 1) multiplier *= 2;
  if (multiplier >= 32768) throw badRatio(view, `its input's scale is ${inputScale}, above 2.6`);
  return { multiplier: Math.trunc(multiplier), shift };
}

function notOfDesktop(view: NodeView<object>, scale: number): BonsaiError {
  const message = `its int16 input has the scale ${scale}, for which desktop TFLite has its own code`;
  return new BonsaiError('unsupported-attribute', at(view.node), message, "use '--rounding tflm'");
}

/** The power of two that a scale is, within a thousandth as in CheckedLog2; null for others. */
function powerOf(scale: number): number | null {
  const log = Math.fround(Math.log(scale) * (1 / Math.log(2)));
  const rounded = roundHalfAwayFromZero(log);
  return Math.abs(log - rounded) < 1e-3 ? rounded : null;
}

export function curveScalar(view: NodeView<object>, curve: Curve): Scalar {
  const { multiplier, shift } = curveScaling(view, curve);
  const half = shift > 0 ? 2 ** (shift - 1) : 0;
  const bits = curve === 'unsigned' ? 9 : 8;
  return (q) => {
    const x = Math.floor((q * multiplier + half) / 2 ** shift);
    const line = lineAt(Math.abs(x), bits);
    if (curve === 'unsigned') return (x >= 0 ? line + 512 : 2 ** 25 - line + 511) >> 10;
    return (x >= 0 ? line - 2 ** 23 + 128 : 2 ** 23 - line + 127) >> 8;
  };
}

/** The table's value at x / 2^bits, in 16 + bits fractional bits. */
function lineAt(x: number, bits: number): number {
  const index = x >> bits;
  if (index >= 255) return (bits === 9 ? 0xfffe : 0xffff) * 2 ** bits;
  const [from, to] = [curveTable[index] as number, curveTable[index + 1] as number];
  return from * 2 ** bits + (x & (2 ** bits - 1)) * (to - from);
}
