/** The constants of output channels that are requantized by the upper half of a product. */
import type { HighMultiply } from '../layout/high-multiply.js';
import type { Table } from '../variant.js';

export const isLifted = ({ lifted }: HighMultiply) => lifted !== null;

/**
 * A row for each channel: start, with the bias; multiplier; first, last, scale and shift in a word.
 * If a channel is lifted, also its addend for values above zero and the index of its zero point.
 */
export function highStages(multiplies: readonly HighMultiply[], biases: ArrayLike<number>): Table {
  const hasLift = multiplies.some(isLifted);
  const rows = multiplies.flatMap((multiply, channel) => {
    const { start, multiplier, first, last, scale, shift, lifted } = multiply;
    return [
      (start + Math.imul(biases[channel] as number, 2 ** scale)) | 0,
      multiplier,
      (first & 255) | (last << 8) | (scale << 16) | (shift << 24),
      ...(hasLift ? [lifted?.lift ?? 0, lifted?.zero ?? 0] : []),
    ];
  });
  return { data: Int32Array.from(rows), role: 'weights' };
}
