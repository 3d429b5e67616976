/** Where the packed sums of a dot product must be taken apart before a lane can overflow. */

/** The values that one product adds to a lane. */
export interface LaneRange {
  readonly min: number;
  readonly max: number;
}

/** A lane holds its sum with 2^15 added to it in 16 bits. */
const laneMin = -(2 ** 15);
const laneMax = 2 ** 15 - 1;

/**
 * Cuts a sequence of products into runs whose sums are proved to fit a lane: the fewest runs, found
 * over all cuts. Only a run's whole sum counts: before it, lanes may wrap, as all arithmetic is
 * modulo 2^32.
 *
 * @returns the first product of each run, ascending; [] for no products; null if a single
 *     product does not fit
 */
export function cutRuns(products: readonly LaneRange[]): readonly number[] | null {
  /** For the first i products: the fewest runs, and the first product of the last run. */
  const runs = [0];
  const begins = [0];
  for (let end = 1; end <= products.length; end += 1) {
    let [best, begin] = [Infinity, end];
    let [min, max] = [0, 0];
    for (let i = end - 1; i >= 0; i -= 1) {
      const product = products[i] as LaneRange;
      min += product.min;
      max += product.max;
      // If the range of the sum is wider than a lane, no longer run fits.
      if (max - min > laneMax - laneMin) break;
      const count = (runs[i] as number) + 1;
      if (min >= laneMin && max <= laneMax && count < best) [best, begin] = [count, i];
    }
    runs.push(best);
    begins.push(begin);
  }
  if (runs.at(-1) === Infinity) return null;
  const cuts: number[] = [];
  for (let end = products.length; end > 0; end = begins[end] as number) {
    cuts.push(begins[end] as number);
  }
  return cuts.reverse();
}
