/**
 * Layers of int16 inputs and int8 weights: a word holds the weights of four channels.
 *
 * Its bytes are b0 + 128, b1 + 128, b2 + 128 and b3, so its shifts by 24, 16, 8 and 0 are the
 * integers b3, 2^8 b3 + (b2 + 128), and so on: one instruction each, where bytes with signs of their
 * own take two. With sums S3 to S0 of x times these, and X the sum of x, the sums of x times the
 * weights are S3, S2 − 2^8 S3 − 128 X, S1 − 2^8 S2 − 128 X and S0 − 2^8 S1 − 128 X. All of this holds
 * modulo 2^32, and the four results fit 32 bits.
 */
import type { DotRow, WideDots } from '../layout/wide-rows.js';

export const byteDots: WideDots = {
  traits: { template: 'thumb1/conv2d_16x8', needs: ['mul32', 'thumb1'] },
  hasSmlad: false,
  table: tableOf,
  cycles: {
    ...{ steps: 60, groups: 48, reduced: 22, wide: 80, whole: 40 },
    ...{ copied: 5, lines: 110, pixels: 130 },
  },
};

const noRow: DotRow = { start: 0, weight: () => 0 };

/** For each group of four rows the starts of S0 to S3, then a word for each weight. */
function tableOf(rows: readonly DotRow[], depth: number): Int32Array {
  const words: number[] = [];
  for (let first = 0; first < rows.length; first += 4) {
    const row = (lane: number) => rows[first + lane] ?? noRow;
    const [a, b, c, d] = [row(0), row(1), row(2), row(3)] as const;
    const start3 = d.start;
    const start2 = (c.start + 2 ** 8 * start3) | 0;
    const start1 = (b.start + 2 ** 8 * start2) | 0;
    words.push((a.start + 2 ** 8 * start1) | 0, start1, start2, start3);
    for (let i = 0; i < Math.ceil(depth / 4) * 4; i += 1) {
      const weight = (of: DotRow) => (i < depth ? of.weight(i) : 0);
      const [u0, u1, u2] = [weight(a) + 128, weight(b) + 128, weight(c) + 128];
      words.push(u0 + 2 ** 8 * u1 + 2 ** 16 * u2 + 2 ** 24 * weight(d));
    }
  }
  return Int32Array.from(words);
}
