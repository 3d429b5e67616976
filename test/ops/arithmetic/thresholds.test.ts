import { expect } from 'chai';
import fc from 'fast-check';
import { finish, type OutputStage } from '../../../src/compiler/ops/arithmetic/accumulation.js';
import {
  agrees,
  isTieFree,
  thresholdsOf,
} from '../../../src/compiler/ops/arithmetic/thresholds.js';
import { runs } from '../../support/runs.js';

const stageOf = (part: Partial<OutputStage> & { multiplier: number; shift: number }) => ({
  biases: new Int32Array(1),
  multipliers: [{ multiplier: part.multiplier, shift: part.shift }],
  rounding: part.rounding ?? 'double',
  zeroPoint: part.zeroPoint ?? 0,
  min: part.min ?? -128,
  max: part.max ?? 127,
});

const stages = fc
  .record({
    multiplier: fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }),
    shift: fc.integer({ min: -8, max: 3 }),
    rounding: fc.constantFrom('double' as const, 'single' as const),
    zeroPoint: fc.integer({ min: -128, max: 127 }),
    min: fc.integer({ min: -128, max: 0 }),
    max: fc.integer({ min: 1, max: 127 }),
  })
  .map(stageOf);
const bounds = fc.tuple(fc.integer({ min: -3000, max: 3000 }), fc.integer({ min: 0, max: 3000 }));

describe('thresholds', () => {
  it('tell the output of every accumulator within the bounds', () => {
    fc.assert(
      fc.property(stages, bounds, (stage, [min, extent]) => {
        const thresholds = thresholdsOf(stage, 0, min, min + extent);
        if (thresholds === null) return expect.fail('nothing wraps here');
        for (let x = min; x <= min + extent; x += 1) {
          const reached = thresholds.least.filter((least) => least <= x).length;
          expect(thresholds.first + reached).to.equal(finish(stage, x, 0));
        }
        expect(agrees(thresholds, (x) => finish(stage, x, 0))).to.equal(true);
      }),
      { numRuns: runs(100) },
    );
  });

  it('are found over all of int32', () => {
    const stage = stageOf({ multiplier: 2 ** 30 + 12345, shift: -20 });
    const thresholds = thresholdsOf(stage, 0, -(2 ** 31), 2 ** 31 - 1);
    expect(thresholds?.first).to.equal(-128);
    expect(thresholds?.least).to.have.length(255);
    for (const [i, least] of thresholds?.least.entries() ?? []) {
      expect([finish(stage, least - 1, 0), finish(stage, least, 0)]).to.eql([i - 128, i - 127]);
    }
  });

  it('see one accumulator that differs, at either end and inside', () => {
    const stage = stageOf({ multiplier: 2 ** 30 + 99, shift: -3 });
    const thresholds = thresholdsOf(stage, 0, -1000, 1000);
    if (thresholds === null) return expect.fail('nothing wraps here');
    const inside = thresholds.least[100] as number;
    const off = (at: (x: number) => boolean, by: number) =>
      agrees(thresholds, (x) => finish(stage, x, 0) + (at(x) ? by : 0));
    expect(off((x) => x === -1000, -1)).to.equal(false);
    expect(off((x) => x === 1000, 1)).to.equal(false);
    expect(off((x) => x === inside, -1)).to.equal(false);
    expect(off((x) => x === inside - 1, 1)).to.equal(false);
  });

  it('tell where halves below zero go away from it: in exact integers, over all accumulators', () => {
    let ties = 0;
    fc.assert(
      fc.property(stages, bounds, (stage, [min, extent]) => {
        const { multiplier = 0, shift = 0 } = stage.multipliers[0] ?? {};
        const e = BigInt(Math.max(-shift, 0));
        const left = BigInt(Math.max(shift, 0));
        const nudge = 2n ** 30n + (e > 0n ? 2n ** (30n + e) : 0n);
        const halvesUp = (x: number) => {
          const rounded = ((BigInt(x) << left) * BigInt(multiplier) + nudge) >> (31n + e);
          const output = Number(rounded) + stage.zeroPoint;
          return Math.min(stage.max, Math.max(stage.min, output));
        };
        if (stage.rounding === 'single') return;
        let same = true;
        for (let x = min; x <= min + extent; x += 1) same &&= halvesUp(x) === finish(stage, x, 0);
        if (!same) ties += 1;
        expect(isTieFree(stage, 0, min, min + extent)).to.equal(same);
      }),
      { numRuns: runs(400) },
    );
    expect(ties).to.be.greaterThan(0);
  });

  it('are refused if a left shift wraps; one that saturates is allowed', () => {
    const wrapping = { multiplier: 2 ** 30, shift: 10 };
    expect(thresholdsOf(stageOf(wrapping), 0, 0, 2 ** 21)).to.equal(null);
    expect(thresholdsOf(stageOf(wrapping), 0, 0, 2 ** 21 - 1)).to.not.equal(null);
    expect(thresholdsOf(stageOf(wrapping), 0, -(2 ** 21) - 1, 0)).to.equal(null);
    const saturating = stageOf({ ...wrapping, rounding: 'single' });
    expect(thresholdsOf(saturating, 0, 0, 2 ** 21)).to.not.equal(null);
  });
});
