/**
 * Tables of 513 values of a function, between which int16 inputs are interpolated (LUTPopulateInt16
 * and LUTLookup of kernels/internal/common.h). All arithmetic is that of float32.
 */
import { clamp, roundHalfAwayFromZero } from './quant.js';

const { fround } = Math;
const [lowest, highest] = [-32768, 32767];
const steps = 512;

interface Scale {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * @param transform the function, of float32 to float32. The values are shifted by half the error of
 *   the line in the middle between two
 */
export function lineTable(
  input: Scale,
  output: Scale,
  transform: (x: number) => number,
): Int16Array {
  const at = ({ scale, zeroPoint }: Scale, q: number) => fround(fround(scale) * (q - zeroPoint));
  const [inputMin, inputMax] = [at(input, lowest), at(input, highest)];
  const step = fround(fround(inputMax - inputMin) / steps);
  const half = fround(step / 2);
  const inverse = fround(65536 / fround(at(output, highest) - at(output, lowest)));
  const rounded = (value: number) => roundHalfAwayFromZero(fround(value * inverse));
  const place = (i: number) => fround(inputMin + fround(i * step));
  return Int16Array.from({ length: steps + 1 }, (_, i) => {
    if (i === steps) return clamp(rounded(transform(inputMax)), lowest, highest);
    const value = rounded(transform(place(i)));
    const next = fround(transform(place(i + 1)) * inverse);
    const line = roundHalfAwayFromZero(fround(fround(next + value) / 2));
    const error = line - rounded(transform(fround(place(i) + half)));
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
