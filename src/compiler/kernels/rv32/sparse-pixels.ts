/** The nonzero weights of a convolution, for the helper rv32/multiply_sparse_outputs. */
import type { Range } from '../../ops/arithmetic/bounds.js';
import { boundsOf, cut, entriesOf, inPairs, noEntry } from '../swar/sparse-pixels.js';

export interface SparseRuns {
  /** int16[]: for each run its head, then its entries. */
  readonly data: Int16Array;
  /** Of all channels, with the zero weights that fill pairs. */
  readonly entries: number;
  readonly runs: number;
}

/** Taps from one entry to the next that a byte holds; the first one's are counted from tap 0. */
const mostTaps = 255;
/** Bytes of a pair of entries. */
const pairBytes = 4;
/** A run of more taps could need a larger head than an int16. */
export const mostDepth = 2 ** 14;

/**
 * @param channels weights of each, one per tap, at most `mostDepth`
 * @param inputs bounds of each tap's value
 * @param limit lanes hold −limit … limit − 1: at least two products
 */
export function sparseRuns(
  channels: readonly ArrayLike<number>[],
  inputs: readonly Range[],
  limit: number,
): SparseRuns {
  const data: number[] = [];
  let [entries, runs] = [0, 0];
  for (const weights of channels) {
    const list = entriesOf(weights, inputs, (entry) => (entry === 0 ? mostTaps : mostTaps - 1));
    const pairs = inPairs(list).map((pair, i) => ({
      ...{ pair, isFirst: i === 0 },
      ...boundsOf(...pair),
    }));
    const channel = cut(pairs, limit);
    channel.forEach((run, i) => {
      data.push(run.length * pairBytes + (i + 1 < channel.length ? 1 : 0));
      for (const { pair, isFirst } of run) {
        pair.forEach((entry, place) => {
          // An entry that only fills its pair stays at the tap before.
          const step = entry === noEntry || (isFirst && place === 0) ? 0 : 1;
          data.push(((entry.gap + step) & 255) | (entry.weight << 8));
        });
      }
      entries += 2 * run.length;
    });
    runs += channel.length;
  }
  return { data: Int16Array.from(data), entries, runs };
}
