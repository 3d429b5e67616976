import { expect } from 'chai';
import fc from 'fast-check';
import {
  applyHighMultiply,
  highMultiply,
} from '../../../src/compiler/kernels/layout/high-multiply.js';
import { finish } from '../../../src/compiler/ops/arithmetic/accumulation.js';
import { runs } from '../../support/runs.js';

const stages = fc
  .record({
    multiplier: fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }),
    shift: fc.integer({ min: -10, max: 1 }),
    rounding: fc.constantFrom('double' as const, 'single' as const),
    zeroPoint: fc.integer({ min: -128, max: 127 }),
    min: fc.integer({ min: -128, max: 0 }),
    max: fc.integer({ min: 1, max: 127 }),
  })
  .map(({ multiplier, shift, ...stage }) => ({
    ...stage,
    biases: new Int32Array(1),
    multipliers: [{ multiplier, shift }],
  }));
const bounds = fc.tuple(fc.integer({ min: -9000, max: 9000 }), fc.integer({ min: 0, max: 9000 }));

describe('requantization by the upper half of a product', () => {
  it('gives every output of every accumulator within the bounds, and is nearly always found', () => {
    let [found, lifted, all] = [0, 0, 0];
    fc.assert(
      fc.property(stages, bounds, (stage, [min, extent]) => {
        all += 1;
        const form = highMultiply(stage, 0, min, min + extent);
        if (form === null) return;
        found += 1;
        if (form.lifted !== null) lifted += 1;
        for (let x = min; x <= min + extent; x += x % 7 === 0 ? 29 : 1) {
          expect(applyHighMultiply(form, x)).to.equal(finish(stage, x, 0));
        }
        expect(applyHighMultiply(form, min + extent)).to.equal(finish(stage, min + extent, 0));
      }),
      { numRuns: runs(150) },
    );
    expect(found / all).to.be.greaterThan(0.9);
    // Rare: a share of the cases may have none.
    if (all >= 150) expect(lifted).to.be.greaterThan(0);
  });

  it('holds where accumulators are large', () => {
    const stage = {
      ...{ biases: new Int32Array(1), multipliers: [{ multiplier: 0x5a82_799a, shift: -13 }] },
      ...{ rounding: 'double' as const, zeroPoint: 3, min: -128, max: 127 },
    };
    const [min, max] = [-(2 ** 29), 2 ** 29];
    const form = highMultiply(stage, 0, min, max);
    expect(form?.lifted).to.not.equal(null);
    if (form === null) return;
    for (let x = min; x <= max; x += 9973 * 127) {
      expect(applyHighMultiply(form, x)).to.equal(finish(stage, x, 0));
    }
  });

  it('finds a slope some dozens away from the multiplier, as a layer of ResNet-8 needs it', () => {
    const stage = {
      ...{ biases: new Int32Array(1), multipliers: [{ multiplier: 1973682628, shift: -9 }] },
      ...{ rounding: 'double' as const, zeroPoint: -128, min: -128, max: 127 },
    };
    const [min, max] = [-1253575, 930500];
    const form = highMultiply(stage, 0, min, max);
    expect(form).to.not.equal(null);
    if (form === null) return;
    for (let x = min; x <= max; x += 1 + (x & 7)) {
      expect(applyHighMultiply(form, x)).to.equal(finish(stage, x, 0));
    }
  });

  it('finds the slope with most room, and a bit more of its start, for accumulators of 22 bits', () => {
    for (const [edge, multiplier, shift, zeroPoint, most] of [
      ['on both sides of zero', 1858851306, -10, -20, 3154505],
      ['on both sides of zero, steeper', 1843787736, -8, -20, 2481995],
      ['of a ReLU', 1433523480, -8, -128, 2876778],
    ] as const) {
      const stage = {
        ...{ biases: new Int32Array(1), multipliers: [{ multiplier, shift }] },
        ...{ rounding: 'double' as const, zeroPoint, min: -128, max: 127 },
      };
      const form = highMultiply(stage, 0, -most, most);
      expect(form, edge).to.not.equal(null);
      if (form === null) return;
      for (let x = -most; x <= most; x += 1 + (x & 7)) {
        if (applyHighMultiply(form, x) !== finish(stage, x, 0)) expect.fail(`${edge}: ${x}`);
      }
    }
  });
});
