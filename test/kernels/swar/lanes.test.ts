/** Weights in lanes: the table read back in 32-bit arithmetic, with inputs that fill the lanes. */
import { expect } from 'chai';
import fc from 'fast-check';
import { longestRun } from '../../../src/compiler/kernels/layout/pixel-tiles.js';
import {
  channelsPerUnit,
  type LaneTable,
  laneTable,
} from '../../../src/compiler/kernels/swar/lanes.js';
import type { Range } from '../../../src/compiler/ops/arithmetic/bounds.js';
import { runs } from '../../support/runs.js';

/** Sums of all channels of a table over one row, as the kernel computes them. */
function sumsOf({ format, wide, narrow, data }: LaneTable, x: readonly number[]): number[] {
  const sums: number[] = [];
  let at = 0;
  const next = () => data[at++] as number;
  for (let unit = 0; unit < wide + narrow; unit += 1) {
    const words = unit < wide ? 6 : 5;
    const count = channelsPerUnit(format)[unit < wide ? 'wide' : 'narrow'];
    let starts: number[] | null = null;
    let tap = 0;
    for (let head = 1 << 30; (head >> 30) & 1; ) {
      head = next();
      expect(head < 0, 'a run that comes after another says so').to.equal(starts !== null);
      const acc = new Int32Array(words);
      for (let taps = (head >> 8) & 0x3fffff; taps > 0; taps -= 1, tap += 1) {
        for (let i = 0; i < words; i += 1)
          acc[i] = (acc[i] as number) + Math.imul(next(), x[tap] as number);
      }
      starts ??= Array.from({ length: count }, next);
      lanesOf(format, acc).forEach((lane, i) => {
        (starts as number[])[i] = ((starts?.[i] as number) + lane) | 0;
      });
    }
    expect(tap, 'every tap is in one run').to.equal(x.length);
    sums.push(...(starts as unknown as number[]));
  }
  expect(at, 'all of the table is read').to.equal(data.length);
  return sums;
}

function lanesOf(format: LaneTable['format'], acc: Int32Array): readonly number[] {
  const lanes: number[] = [];
  for (let i = 0; i < acc.length; i += 1) {
    const word = acc[i] as number;
    if (format === 'pairs') {
      const a = (word << 16) >> 16;
      lanes.push(a, (word - a) >> 16);
    } else if (i + 1 < acc.length) {
      const a = (word << 11) >> 11;
      const low = (word - a) >>> 21;
      i += 1;
      const rest = ((acc[i] as number) - (low << 11)) | 0;
      const c = (rest << 10) >> 10;
      lanes.push(a, low + ((rest - c) >> 11), c);
    } else {
      lanes.push(word);
    }
  }
  return lanes;
}

function exactSums(channels: readonly Channel[], x: readonly number[]): number[] {
  return channels.map(({ weights, start }) =>
    weights.reduce((sum, weight, i) => sum + weight * (x[i] as number), start),
  );
}

interface Channel {
  readonly weights: readonly number[];
  readonly start: number;
}

/** For each channel the inputs that make its sum largest, and those that make it smallest. */
function extremes(channels: readonly Channel[], inputs: readonly Range[]): number[][] {
  return channels.flatMap(({ weights }) =>
    [1, -1].map((sign) =>
      weights.map((weight, i) => (inputs[i] as Range)[weight * sign > 0 ? 1 : 0] as number),
    ),
  );
}

const whole: Range = [-128, 127];

const weight = fc.oneof(
  fc.integer({ min: -128, max: 127 }),
  fc.constantFrom(-128, 127, 0, 1, -1),
  fc.integer({ min: -3, max: 3 }),
);
const layer = fc
  .record({ depth: fc.integer({ min: 1, max: 150 }), channels: fc.integer({ min: 1, max: 30 }) })
  .chain(({ depth, channels }) =>
    fc.record({
      channels: fc.array(
        fc.record({
          weights: fc.oneof(
            fc.array(weight, { minLength: depth, maxLength: depth }),
            fc.array(fc.integer({ min: -2, max: 2 }), { minLength: depth, maxLength: depth }),
          ),
          start: fc.integer({ min: -(2 ** 20), max: 2 ** 20 }),
        }),
        { minLength: channels, maxLength: channels },
      ),
      inputs: fc.array(
        fc
          .tuple(fc.integer({ min: -128, max: 127 }), fc.integer({ min: -128, max: 127 }))
          .map(([a, b]): Range => [Math.min(a, b), Math.max(a, b)]),
        { minLength: depth, maxLength: depth },
      ),
    }),
  );

function filled(count: number, depth: number, each: number): Channel[] {
  return Array.from({ length: count }, () => ({
    weights: new Array<number>(depth).fill(each),
    start: 0,
  }));
}

describe('channels that share words', () => {
  it('give every sum, whatever inputs within the bounds fill their lanes', () =>
    fc.assert(
      fc.property(layer, ({ channels, inputs }) => {
        const table = laneTable(channels, inputs);
        if (table === null) throw new Error('no table');
        for (const x of extremes(channels, inputs)) {
          expect(sumsOf(table, x).slice(0, channels.length)).to.deep.equal(exactSums(channels, x));
        }
      }),
      { numRuns: runs(60) },
    ));

  // Lanes hold 2^15 − 1 = 64 · 4 · 128 − 1 or 2^20 − 1 = 128 · 64 · 128 − 1.
  const rows = [
    { edge: 'pairs that are just full', format: 'pairs', depth: 4, each: 64, runs: 1 },
    { edge: 'pairs, a tap more than they hold', format: 'pairs', depth: 64, each: 16, runs: 4 },
    { edge: 'triples that are nearly full', format: 'triples', depth: 64, each: 127, runs: 1 },
    { edge: 'triples in two runs', format: 'triples', depth: 65, each: -128, runs: 2 },
  ] as const;
  for (const { edge, format, depth, each, runs } of rows) {
    it(`are exact at both ends: ${edge}`, () => {
      const channels = filled(format === 'pairs' ? 12 : 9, depth, each);
      const inputs = new Array<Range>(depth).fill(whole);
      const table = laneTable(channels, inputs) as LaneTable;
      for (const x of extremes(channels, inputs)) {
        expect(sumsOf(table, x)).to.deep.equal(exactSums(channels, x));
      }
      expect([table.format, table.runs]).to.deep.equal([format, runs]);
    });
  }

  it('are wrong under bounds that are one too narrow: the bounds are needed', () => {
    // A sum of 2^15 − 4 by these bounds, of 2^15 by what x then is.
    const channels = filled(12, 4, -64);
    const table = laneTable(channels, new Array<Range>(4).fill([-127, 127])) as LaneTable;
    expect(table.format).to.equal('pairs');
    const x = new Array<number>(4).fill(-128);
    expect(sumsOf(table, x)).to.not.deep.equal(exactSums(channels, x));
  });
});

describe('pixels that share words', () => {
  const rows = [
    { edge: 'a lane that is just full', taps: 64, weight: -127, low: -128, run: 64 },
    { edge: '2^20 itself, which no lane holds', taps: 64, weight: -128, low: -128, run: 32 },
    { edge: '2^20 below zero, which a lane holds', taps: 64, weight: 127, low: -128, run: 64 },
  ];
  for (const { edge, taps, weight, low, run } of rows) {
    it(`have runs as long as the sums allow: ${edge}`, () => {
      const weights = new Int8Array(taps).fill(weight);
      const inputs = new Array<Range>(taps).fill([low, 127]);
      expect(longestRun(weights, taps, inputs)).to.equal(run);
    });
  }
});
