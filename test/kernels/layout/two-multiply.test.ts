import { expect } from 'chai';
import fc from 'fast-check';
import {
  applyTwoMultiply,
  twoMultiply,
} from '../../../src/compiler/kernels/layout/two-multiply.js';
import { finish, type OutputStage } from '../../../src/compiler/ops/arithmetic/accumulation.js';
import { floatMultiplier } from '../../../src/compiler/ops/arithmetic/float-scale.js';
import { Random } from '../../support/module.js';
import { tyingScale } from '../../support/operands.js';
import { runs } from '../../support/runs.js';

const stages = fc
  .record({
    multiplier: fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }),
    shift: fc.integer({ min: -11, max: -2 }),
    rounding: fc.constantFrom('double' as const, 'single' as const),
    zeroPoint: fc.integer({ min: -128, max: 127 }),
    min: fc.integer({ min: -128, max: 0 }),
    max: fc.integer({ min: 1, max: 127 }),
  })
  .map(
    ({ multiplier, shift, ...rest }): OutputStage => ({
      biases: new Int32Array(1),
      multipliers: [{ multiplier, shift }],
      ...rest,
    }),
  );
const bounds = fc.tuple(
  fc.integer({ min: -(2 ** 19), max: 2 ** 18 }),
  fc.integer({ min: 0, max: 2 ** 20 }),
);

describe('requantization by two multiplications', () => {
  it('gives the bits of the definition, by every accumulator within the bounds', () => {
    let found = 0;
    let all = 0;
    fc.assert(
      fc.property(stages, bounds, fc.nat(), (stage, [min, extent], offset) => {
        const form = twoMultiply(stage, 0, min, min + extent);
        all += 1;
        if (form === null) return;
        found += 1;
        const stride = Math.max(1, Math.floor(extent / 3000));
        const ends = [min, min + extent].filter((x) => x <= min + extent);
        for (let x = min + (offset % stride); x <= min + extent; x += stride) ends.push(x);
        for (const x of ends)
          expect(applyTwoMultiply(form, x), `${x}`).to.equal(finish(stage, x, 0));
      }),
      { numRuns: runs(200) },
    );
    expect(found / all).to.be.greaterThan(0.95);
  });

  it('is found for outputs on both sides of zero, by the slope with most room', () => {
    for (const [multiplier, most] of [
      [1458370772, 2674208],
      [1240523222, 1165169],
      [1251497384, 1468169],
    ] as const) {
      const stage: OutputStage = {
        ...{ biases: new Int32Array(1), multipliers: [{ multiplier, shift: -11 }] },
        ...{ rounding: 'double', zeroPoint: -20, min: -128, max: 127 },
      };
      const form = twoMultiply(stage, 0, -most, most);
      expect(form, `${multiplier}`).to.not.equal(null);
      if (form === null) return;
      for (let x = -most; x <= most; x += 1 + (x & 7)) {
        if (applyTwoMultiply(form, x) !== finish(stage, x, 0)) expect.fail(`${multiplier}: ${x}`);
      }
    }
  });

  it('decides ties of a float32 product, by every accumulator near one', () => {
    let [found, all, tying] = [0, 0, 0];
    for (let seed = 0; seed < 150; seed += 1) {
      const random = new Random(seed);
      const scale = random.pick([tyingScale(random), 2 ** (random.integer(-120, -10) / 10)]);
      const zeroPoint = random.integer(-128, 127);
      const stage: OutputStage = {
        ...{ biases: new Int32Array(1), multipliers: [floatMultiplier(Math.fround(scale))] },
        ...{ rounding: 'float', scales: [Math.fround(scale)], zeroPoint, min: -128, max: 127 },
      };
      const extent = Math.round(random.integer(1, 300) / scale);
      const [min, max] = [-random.integer(0, extent), random.integer(0, extent)];
      const form = twoMultiply(stage, 0, min, max, null, true);
      all += 1;
      if (form === null) continue;
      found += 1;
      if (form.ties !== null) tying += 1;
      const stride = Math.max(1, Math.floor((max - min) / 3000));
      const steps = Array.from({ length: 256 }, (_, i) => Math.round((i - 128.5) / scale));
      const near = steps.flatMap((x) => [x - 1, x, x + 1]).filter((x) => x >= min && x <= max);
      for (let x = min; x <= max; x += stride) near.push(x);
      for (const x of near) {
        const expected = finish(stage, x, 0);
        expect(applyTwoMultiply(form, x), `seed ${seed}, ${x}`).to.equal(expected);
      }
    }
    expect(found / all).to.be.greaterThan(0.95);
    expect(tying).to.be.greaterThan(30);
  });

  const exact = (multiplier: number, shift: number, part: Partial<OutputStage> = {}) => ({
    ...{ biases: new Int32Array(1), multipliers: [{ multiplier, shift }] },
    ...{ rounding: 'double' as const, zeroPoint: -128, min: -128, max: 127, ...part },
  });
  const rows: readonly [edge: string, stage: OutputStage, min: number, max: number][] = [
    ['a power of two', exact(2 ** 30, -9), -(2 ** 18), 2 ** 18],
    ['ties on both sides of zero', exact(2 ** 30, -9, { zeroPoint: 0 }), -(2 ** 18), 2 ** 18],
    ['a zero point at the upper end', exact(2 ** 30 + 1, -8, { zeroPoint: 127 }), -99999, 99999],
    ['one output', exact(2 ** 31 - 1, -9), -5000, -1000],
    ['nothing saturates', exact(1234567890, -9, { zeroPoint: 3 }), -20000, 20000],
    ['a multiplier of 0', exact(0, 0, { zeroPoint: 7 }), -20000, 20000],
    ['two outputs', exact(1500000000, -4, { min: 5, max: 6 }), -20000, 20000],
    ['outputs that are skipped', exact(2 ** 31 - 1, 2, { zeroPoint: 0 }), -40, 40],
  ];
  for (const [edge, stage, min, max] of rows) {
    it(`gives the bits of the definition: ${edge}`, () => {
      const form = twoMultiply(stage, 0, min, max);
      if (form === null) return expect.fail('none was found');
      for (let x = min; x <= max; x += 1) {
        if (applyTwoMultiply(form, x) !== finish(stage, x, 0)) expect.fail(`differs at ${x}`);
      }
    });
  }

  it('is refused where differences of accumulators leave int32', () => {
    const stage = exact(2 ** 30, -22, { zeroPoint: 0 });
    expect(twoMultiply(stage, 0, -(2 ** 31), 2 ** 31 - 1)).to.equal(null);
  });
});
