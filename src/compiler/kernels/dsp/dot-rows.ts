/** Rows of weights by one vector, four rows at a time: the helper dsp/dot_rows. */
import type { DotRow } from '../layout/wide-rows.js';
import type { TapPair } from './multiply.js';
import { word } from './words.js';

/** The pairs of a vector of `depth` elements in their order. */
export const pairsInOrder = (depth: number): readonly TapPair[] =>
  Array.from({ length: Math.ceil(depth / 2) }, (_, i) => [
    2 * i,
    2 * i + 1 < depth ? 2 * i + 1 : -1,
  ]);

/** Steps of four elements. */
export function dotSteps(pairs: readonly TapPair[]): number {
  return Math.ceil(pairs.length / 2);
}

/**
 * The words of all groups of four rows; the last one is filled up with rows of zeros.
 *
 * @param pairs positions of the two elements in each word of the vector, −1 for none
 */
export function dotTable(rows: readonly DotRow[], pairs: readonly TapPair[]): Int32Array {
  const none: DotRow = { start: 0, weight: () => 0 };
  const words: number[] = [];
  for (let first = 0; first < rows.length; first += 4) {
    const four = [0, 1, 2, 3].map((i) => rows[first + i] ?? none);
    words.push(...four.map(({ start }) => start));
    for (let i = 0; i < 2 * dotSteps(pairs); i += 1) {
      const [low, high] = pairs[i] ?? [-1, -1];
      const at = (row: DotRow, position: number) => (position < 0 ? 0 : row.weight(position));
      for (const row of four) words.push(word(at(row, low), at(row, high)));
    }
  }
  return Int32Array.from(words);
}
