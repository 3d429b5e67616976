import { expect } from 'chai';
import fc from 'fast-check';
import {
  type Factor,
  type ProductCycles,
  planProducts,
} from '../../../src/compiler/kernels/routines/products.js';
import { runs } from '../../support/runs.js';

const x = 1000003;

/** A cycle an instruction. */
const usual: ProductCycles = {
  ...{ input: 1, held: 1, near: 2, scaled: 2, shifted: 2 },
  multiplied: 3,
};

/** What the products add up to, per channel, made as they say. */
function sums(factors: readonly Factor[]): ReadonlyMap<number, number> {
  const result = new Map<number, number>();
  let held = NaN;
  for (const { channel, weight, making } of planProducts(factors, usual)) {
    if (making.kind === 'scaled') held *= 2 ** making.by;
    if (making.kind === 'shifted') held = x * 2 ** making.by;
    if (making.kind === 'multiplied') held = x * Math.abs(weight);
    let product = making.kind === 'input' ? x : held;
    if (making.kind === 'near') product += making.less ? -x : x;
    result.set(channel, Math.sign(weight) * product);
  }
  return result;
}

const kinds = (weights: readonly number[], cycles = usual) =>
  planProducts(
    weights.map((weight, channel) => ({ channel, weight })),
    cycles,
  ).map(({ channel, making }) => `${channel} ${making.kind}`);

describe('products of one input value', () => {
  it('are those of the weights without zeros', () => {
    const weights = fc.array(fc.integer({ min: -128, max: 127 }), { maxLength: 3 });
    fc.assert(
      fc.property(weights, (weights) => {
        const factors = weights.map((weight, channel) => ({ channel, weight }));
        const expected = factors.filter(({ weight }) => weight !== 0);
        expect([...sums(factors)].sort()).to.eql(
          expected.map(({ channel, weight }) => [channel, weight * x]),
        );
      }),
      { numRuns: runs(2000) },
    );
  });

  const rows: readonly [edge: string, weights: readonly number[], kinds: readonly string[]][] = [
    ['zeros', [0, 0, 0], []],
    ['±1', [1, -1, 1], ['0 input', '1 input', '2 input']],
    ['powers of two, −128 too', [-128, 64], ['0 shifted', '1 shifted']],
    ['equal magnitudes', [57, -57, 57], ['0 multiplied', '1 held', '2 held']],
    ['neighbours', [57, 58, -56], ['0 multiplied', '1 near', '2 near']],
    ['one twice the other, the smaller one first', [114, -57], ['1 multiplied', '0 scaled']],
    ['the order that shares most', [40, 100, 41], ['0 multiplied', '2 near', '1 multiplied']],
  ];
  for (const [edge, weights, expected] of rows) {
    it(`are made cheaply: ${edge}`, () => expect(kinds(weights)).to.eql(expected));
  }

  it('are in the order that is cheapest on the core: 57 first only if a shift is', () => {
    const slowShift = { ...usual, scaled: 4 };
    expect(kinds([114, -57], slowShift)).to.eql(['0 multiplied', '1 multiplied']);
  });
});
