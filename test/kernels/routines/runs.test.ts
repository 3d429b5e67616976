import { expect } from 'chai';
import fc from 'fast-check';
import { cutRuns, type LaneRange } from '../../../src/compiler/kernels/routines/runs.js';
import { runs } from '../../support/runs.js';

/** The fewest runs over all ways to cut; Infinity where there is none. */
function fewestRuns(products: readonly LaneRange[]): number {
  let fewest = products.length === 0 ? 0 : Infinity;
  for (let ways = 0; ways < 2 ** Math.max(0, products.length - 1); ways += 1) {
    const sums = [{ min: 0, max: 0 }];
    products.forEach(({ min, max }, i) => {
      if (i > 0 && ((ways >> (i - 1)) & 1) === 1) sums.push({ min: 0, max: 0 });
      const sum = sums.at(-1) as { min: number; max: number };
      sum.min += min;
      sum.max += max;
    });
    const fits = sums.every(({ min, max }) => min >= -32768 && max <= 32767);
    if (fits) fewest = Math.min(fewest, products.length === 0 ? 0 : sums.length);
  }
  return fewest;
}

const anyInput = (weight: number): LaneRange => {
  const ends = [-128 * weight, 127 * weight];
  return { min: Math.min(...ends), max: Math.max(...ends) };
};
const ranges = fc
  .tuple(fc.integer({ min: -16384, max: 16384 }), fc.integer({ min: 0, max: 20000 }))
  .map(([min, extent]) => ({ min, max: min + extent }));

describe('runs of products in a lane', () => {
  it('are the fewest that fit, for products that cannot be zero too', () => {
    fc.assert(
      fc.property(fc.array(ranges, { maxLength: 9 }), (products) => {
        const cuts = cutRuns(products);
        expect(cuts?.length ?? Infinity).to.equal(fewestRuns(products));
        cuts?.forEach((start, run) => {
          const of = products.slice(start, cuts[run + 1]);
          expect(of.reduce((sum, { min }) => sum + min, 0)).to.be.at.least(-32768);
          expect(of.reduce((sum, { max }) => sum + max, 0)).to.be.at.most(32767);
        });
      }),
      { numRuns: runs(300) },
    );
  });

  const rows: readonly [edge: string, products: readonly LaneRange[], cuts: readonly number[]][] = [
    ['no products', [], []],
    ['a lane that is just full', [-127, -128].map(anyInput), [0]],
    ['a lane that would be one weight too full', [-128, -128].map(anyInput), [0, 1]],
    ['just full below zero', [{ min: -32768, max: 0 }], [0]],
    [
      'one too full below zero',
      [
        { min: -32768, max: 0 },
        { min: -1, max: 0 },
      ],
      [0, 1],
    ],
    ['just full above zero', [{ min: 0, max: 32767 }], [0]],
    [
      'one too full above zero',
      [
        { min: 0, max: 32767 },
        { min: 0, max: 1 },
      ],
      [0, 1],
    ],
    ['weights of both signs count alike', [100, -100, 55, -2].map(anyInput), [0, 3]],
    [
      'a later product makes room',
      [
        { min: 9000, max: 30000 },
        { min: 1, max: 4000 },
        { min: -5000, max: -4000 },
      ],
      [0],
    ],
  ];
  for (const [edge, products, cuts] of rows) {
    it(`are cut for ${edge}`, () => expect(cutRuns(products)).to.eql(cuts));
  }

  it('are refused where one product overflows', () => {
    expect(cutRuns([{ min: 0, max: 32768 }])).to.equal(null);
  });
});
