import { expect } from 'chai';
import fc from 'fast-check';
import {
  type FloatChannel,
  floatScale,
  requantizer,
} from '../../../src/compiler/ops/arithmetic/float-scale.js';
import {
  clamp,
  multiplyByQuantizedMultiplier,
  type Rounding,
  roundHalfToEven,
} from '../../../src/compiler/ops/arithmetic/quant.js';
import { runs } from '../../support/runs.js';

const { fround } = Math;

/** XNNPACK's output in its own words: lrintf((float) acc * scale), plus the zero point, clamped. */
const wanted = ({ scale, zeroPoint, min, max }: FloatChannel, acc: number) =>
  clamp(roundHalfToEven(fround(fround(acc) * scale)) + zeroPoint, min, max);

function expectSame(channel: FloatChannel, accumulators: Iterable<number>): Rounding {
  const { multiplier, rounding } = requantizer(channel);
  const { zeroPoint, min, max } = channel;
  for (const acc of accumulators) {
    const scaled = multiplyByQuantizedMultiplier(acc, multiplier, rounding);
    expect(clamp(scaled + zeroPoint, min, max), `${rounding}, ${acc}`).to.equal(
      wanted(channel, acc),
    );
  }
  return rounding;
}

const full = { min: -128, max: 127 };

function* range(least: number, most: number, stride = 1) {
  for (let acc = least; acc <= most; acc += stride) yield acc;
  yield most;
}

describe('requantization in float32', () => {
  const rows: readonly [edge: string, rounding: Rounding, channel: FloatChannel][] = [
    ['a half at every other one', 'nudged', of(0.5, 0, -300, 300)],
    ['halves at odd multiples of 4', 'nudged', of(1 / 8, -3, -2100, 2100)],
    ['near halves at odd multiples of 15405', 'nudged', of(29.5 / 15405, -128, -2e5, 2e5)],
    ['a scale of 1', 'nudged', of(1, 0, -300, 300)],
    ['a scale above 1', 'nudged', of(1.7, 5, -300, 300)],
    ['one output', 'double', of(2 ** -20, 7, -1000, 1000)],
    ['clamped to one output', 'double', { ...of(0.01, 0, -9999, 9999), min: 3, max: 3 }],
    ['a scale too small for a shift', 'float', of(2 ** -40, 1, -1000, 1000)],
    ['outputs that saturate from 0 on', 'nudged', { ...of(0.013, -128, -30000, 30000), max: 0 }],
  ];
  for (const [edge, rounding, channel] of rows) {
    it(`is done in integers: ${edge}`, () => {
      expect(expectSame(channel, range(channel.least, channel.most))).to.equal(rounding);
    });
  }

  it("is XNNPACK's beyond 2^24, where a float loses bits of the accumulator", () => {
    const channel = of(2 ** -23.3, 11, -(2 ** 31), 2 ** 31 - 1);
    expectSame(channel, range(channel.least, channel.most, 999983));
    const near = Math.round(1.5 / channel.scale);
    expectSame(channel, range(near - 2000, near + 2000));
  });

  it("is XNNPACK's for random scales, by every accumulator", () => {
    const counts = new Map<Rounding, number>();
    const scales = fc.oneof(
      fc.double({ min: 2 ** -12, max: 0.4, noNaN: true }),
      // (2i + 1) / 2j: halves at all odd multiples of j.
      fc
        .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 100, max: 20000 }))
        .map(([i, j]) => (2 * i + 1) / (2 * j)),
    );
    fc.assert(
      fc.property(
        scales,
        fc.integer(full),
        fc.nat(40000),
        fc.nat(40000),
        (scale, zp, below, above) => {
          const channel = of(floatScale(scale, 1, 1), zp, -below, above);
          const rounding = expectSame(channel, range(-below, above));
          counts.set(rounding, (counts.get(rounding) ?? 0) + 1);
        },
      ),
      { numRuns: runs(150) },
    );
    expect(counts.get('float') ?? 0, `${[...counts]}`).to.be.below(15);
  });
});

function of(scale: number, zeroPoint: number, least: number, most: number): FloatChannel {
  return { scale: fround(scale), zeroPoint, ...full, least, most };
}
