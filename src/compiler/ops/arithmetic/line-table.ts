/**
 * Tables of 513 values of a function, between which int16 inputs are interpolated (LUTPopulateInt16
 * and LUTLookup of kernels/internal/common.h). All arithmetic is that of float32, or of double.
 */
import { clamp, roundHalfAwayFromZero } from './quant.js';

const [lowest, highest] = [-32768, 32767];
const steps = 512;

interface Scale {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * @param transform the function, of float32 to float32. The values are shifted by half the error of
 *   the line in the middle between two
 * @param round what a sum or product is rounded to: the nearest float32
 */
export function lineTable(
  input: Scale,
  output: Scale,
  transform: (x: number) => number,
  round: (value: number) => number = Math.fround,
): Int16Array {
  const at = ({ scale, zeroPoint }: Scale, q: number) => round(round(scale) * (q - zeroPoint));
  const [inputMin, inputMax] = [at(input, lowest), at(input, highest)];
  const step = round(round(inputMax - inputMin) / steps);
  const half = round(step / 2);
  const inverse = round(65536 / round(at(output, highest) - at(output, lowest)));
  const rounded = (value: number) => roundHalfAwayFromZero(round(value * inverse));
  const place = (i: number) => round(inputMin + round(i * step));
  return Int16Array.from({ length: steps + 1 }, (_, i) => {
    if (i === steps) return clamp(rounded(transform(inputMax)), lowest, highest);
    const value = rounded(transform(place(i)));
    const next = round(transform(place(i + 1)) * inverse);
    const line = roundHalfAwayFromZero(round(round(next + value) / 2));
    const error = line - rounded(transform(round(place(i) + half)));
    return clamp(value - roundHalfAwayFromZero(error / 2), lowest, highest);
  });
}

/** The line's value at an int16. */
export function lineAt(q: number, table: Int16Array): number {
  const index = 256 + (q >> 7);
  const base = table[index] as number;
  const slope = (((table[index + 1] as number) - base) << 16) >> 16;
  return ((base + ((slope * (q & 127) + 64) >> 7)) << 16) >> 16;
}
