/** Kernels that skip weights at 0 without SIMD: their streams, their C, their assembly. */
import { expect } from 'chai';
import fc from 'fast-check';
import { sparsePixelStream } from '../../../src/compiler/kernels/swar/sparse-pixels.js';
import { type SparseChannel, streamWords } from '../../../src/compiler/kernels/swar/sparse-row.js';
import type { Range } from '../../../src/compiler/ops/arithmetic/bounds.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { prunedLayer } from '../../support/pruned.js';
import { fused, randomSum } from '../../support/residual.js';
import { runs } from '../../support/runs.js';

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
      { numRuns: runs(200) },
    );
  });
});

/** Taps and weights of each channel's runs; those of 0, which fill up words, are left out. */
function runsOf(data: Int32Array, channels: number, unit: number) {
  let at = 0;
  const next = () => data[at++] as number;
  const found = Array.from({ length: channels }, () => {
    let tap = 0;
    return Array.from({ length: next() }, () => {
      const run: { tap: number; weight: number }[] = [];
      for (let word = 1 << 23; (word >> 23) & 1; ) {
        word = next();
        const halves = [
          [(word >> 8) & 255, (word << 24) >> 24],
          [(word >> 16) & 127, word >> 24],
        ] as const;
        for (const [skipped, weight] of halves) {
          expect(skipped % unit, 'whole taps are skipped').to.equal(0);
          tap += skipped / unit;
          if (weight !== 0) run.push({ tap, weight });
          tap += 1;
        }
      }
      return run;
    });
  });
  expect(at, 'all of the stream is read').to.equal(data.length);
  return found;
}

const sparseRows = fc
  .record({ depth: fc.integer({ min: 1, max: 400 }), zeros: fc.integer({ min: 0, max: 300 }) })
  .chain(({ depth, zeros }) => {
    const often = fc.oneof(
      { weight: zeros, arbitrary: fc.constant(0) },
      { weight: 3, arbitrary: fc.integer({ min: -128, max: 127 }) },
    );
    return fc.array(fc.array(often, { minLength: depth, maxLength: depth }), {
      minLength: 1,
      maxLength: 4,
    });
  });
const lane = 2 ** 16;

describe('streams for pixels that share words', () => {
  it('have the weights that went in, in runs that fit a lane', () => {
    fc.assert(
      fc.property(sparseRows, fc.constantFrom(2, 3), (rows, unit) => {
        const depth = rows[0]?.length ?? 0;
        const inputs = Array.from({ length: depth }, (_, i): Range => [-128, i % 128]);
        const { data, pairs, runs } = sparsePixelStream(rows, inputs, unit, lane);
        const found = runsOf(data, rows.length, unit);
        rows.forEach((weights, channel) => {
          const kept = weights.flatMap((weight, tap) => (weight === 0 ? [] : [{ tap, weight }]));
          expect(found[channel]?.flat()).to.deep.equal(kept);
        });
        for (const run of found.flat()) {
          const sum = (of: (...values: number[]) => number) =>
            run.reduce((all, { tap, weight }) => {
              return all + of(...(inputs[tap] as Range).map((value) => value * weight));
            }, 0);
          expect(sum(Math.min)).to.be.at.least(-lane);
          expect(sum(Math.max)).to.be.below(lane);
        }
        expect(runs).to.equal(found.flat().length);
        expect(pairs).to.equal(data.length - rows.length);
      }),
      { numRuns: runs(200) },
    );
  });
});

const seeds = Array.from({ length: 56 }, (_, seed) => seed);
const rows = [
  { op: 'fully_connected', kernel: 'swar/sparse_fully_connected' },
  { op: 'conv2d', kernel: 'swar/sparse_conv2d_pixels' },
] as const;

describe('kernels that skip weights at 0 without SIMD', () => {
  for (const { op, kernel } of rows) {
    it(`${op} by ${kernel}, in C`, () =>
      expectSameBits(
        seeds.map((seed) => prunedLayer(op, seed)),
        { kernel, overlap: true },
      ));
    for (const optimize of ['balanced', 'size'] as const) {
      it(`${op} by ${kernel}, on the simulated RP2040, compiled for ${optimize}`, async () => {
        const some = seeds.filter((seed) => (seed % 2 === 0) === (optimize === 'size'));
        const modules = some.map((seed) => prunedLayer(op, seed, 24));
        const options = { kernel, overlap: true, optimize };
        const kernels = await expectSameBitsOnBoard(modules, 'rp2040', options);
        const own = kernels.filter((other) => other === kernel).length;
        expect(own / kernels.length).to.be.greaterThan(0.3);
      });
    }
  }

  it('residual sums by swar/sparse_conv2d_pixels, in C', () => {
    const sums = seeds.slice(0, 20).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
    return expectSameBits(sums, { kernel: 'swar/sparse_conv2d_pixels', overlap: true });
  });
});
