/** Kernels that skip weights at 0 without SIMD: their streams, their C, their assembly. */
import { expect } from 'chai';
import fc from 'fast-check';
import { type SparseChannel, streamWords } from '../../../src/ops/swar/sparse-row.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { expectSameBits } from '../../support/native.js';
import { prunedLayer } from '../../support/pruned.js';

const weight = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: -128, max: 127 }) },
);
const constants = 3;
const channels = fc.integer({ min: 1, max: 600 }).chain((depth) =>
  fc.array(
    fc
      .record({
        weights: fc.array(weight, { minLength: depth, maxLength: depth }),
        start: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      })
      .map((one): SparseChannel => ({ ...one, constants: [one.start ^ 1, 7, -8] })),
    { minLength: 1, maxLength: 20 },
  ),
);

/** As the kernel reads it, channels of `depth` weights in blocks of eight. */
function decode(words: Int32Array, count: number, depth: number): SparseChannel[] {
  let at = 0;
  const next = () => words[at++] as number;
  const found: SparseChannel[] = [];
  for (let left = count; left > 0; left -= 8) {
    const block = Array.from({ length: Math.min(8, left) }, () => {
      const start = next();
      const weights = new Array<number>(depth).fill(0);
      for (let begin = 0; begin < depth; begin += 256) {
        for (let inputs = 4 * next(); inputs > 0; inputs -= 2) {
          const word = next();
          const add = (place: number, by: number) => {
            weights[begin + place] = (weights[begin + place] as number) + by;
          };
          add(word & 255, (word << 16) >> 24);
          add(word >>> 24, (word << 8) >> 24);
        }
      }
      return { weights, start };
    });
    found.push(...block.map((one) => ({ ...one, constants: [next(), next(), next()] })));
  }
  expect(at, 'all of the stream is read').to.equal(words.length);
  return found;
}

describe('streams of positions and weights', () => {
  it('have the weights that went in', () => {
    fc.assert(
      fc.property(channels, (all) => {
        const depth = all[0]?.weights.length ?? 0;
        const words = streamWords(all);
        expect(decode(words, all.length, depth)).to.deep.equal(all);
        // Two bytes a weight, and fewer than four of them to fill up each window.
        const windows = Math.ceil(depth / 256) * all.length;
        const kept = all.flatMap(({ weights }) =>
          Array.from(weights).filter((one) => one !== 0),
        ).length;
        const entries = words.length - windows - (1 + constants) * all.length;
        expect(2 * entries).to.be.within(kept, kept + 3 * windows);
      }),
      { numRuns: 200 },
    );
  });
});

const seeds = Array.from({ length: 56 }, (_, seed) => seed);
const rows = [{ op: 'fully_connected', kernel: 'swar/sparse_fully_connected' }] as const;

describe('kernels that skip weights at 0 without SIMD', function () {
  this.timeout(120_000);
  for (const { op, kernel } of rows) {
    it(`${op} by ${kernel}, in C`, () =>
      expectSameBits(
        seeds.map((seed) => prunedLayer(op, seed)),
        { kernel, overlap: true },
      ));
    for (const optimize of ['balanced', 'size'] as const) {
      it(`${op} by ${kernel}, on the simulated RP2040, compiled for ${optimize}`, async () => {
        const modules = seeds.map((seed) => prunedLayer(op, seed));
        const options = { kernel, overlap: true, optimize };
        const kernels = await expectSameBitsOnBoard(modules, 'rp2040', options);
        const own = kernels.filter((other) => other === kernel).length;
        expect(own / kernels.length).to.be.greaterThan(0.3);
      });
    }
  }
});
