/** Weights as code, run on the simulated core, against the definition. */
import { expect } from 'chai';
import { twoMultiply } from '../../../src/compiler/kernels/layout/two-multiply.js';
import type { CodedTap } from '../../../src/compiler/kernels/routines/coded.js';
import { codeConvolution } from '../../../src/compiler/kernels/thumb1/convolution.js';
import { finish, type OutputStage } from '../../../src/compiler/ops/arithmetic/accumulation.js';
import { Random } from '../../support/module.js';
import { assemble } from '../../support/thumb.js';

/** A layer of `weights.length` channels. */
interface Layer {
  readonly weights: readonly Int8Array[];
  readonly biases: readonly number[];
  readonly taps: readonly CodedTap[];
  readonly stage: OutputStage;
}

const any = { min: -128, max: 127 };

function layerOf(
  weights: readonly Int8Array[],
  part: Partial<Layer> & { readonly output?: Partial<OutputStage> } = {},
): Layer {
  const random = new Random(weights.length);
  const biases = part.biases ?? weights.map(() => random.integer(-20000, 20000));
  const depth = weights[0]?.length ?? 0;
  return {
    weights,
    biases,
    taps: part.taps ?? Array.from({ length: depth }, (_, tap) => ({ tap, word: tap, ...any })),
    stage: {
      biases: Int32Array.from(biases),
      multipliers: weights.map((row) => {
        // Outputs of about ±300: some saturate.
        const reach = row.reduce((sum, weight) => sum + Math.abs(weight), 1) * 128;
        const shift = Math.floor(Math.log2(600 / reach));
        return { multiplier: random.integer(2 ** 30, 2 ** 31 - 1), shift: Math.min(-2, shift) };
      }),
      ...{ rounding: 'double', zeroPoint: -128, min: -128, max: 127, ...part.output },
    },
  };
}

const rowOf = (
  weights: Int8Array,
  taps: readonly CodedTap[],
  pick: (w: number, i: CodedTap) => number,
) => taps.reduce((sum, tap) => sum + pick(weights[tap.tap] as number, tap), 0);

function codeOf({ weights, biases, taps, stage }: Layer) {
  const channels = weights.map((row, channel) => {
    const bias = biases[channel] as number;
    const least = rowOf(row, taps, (w, { min, max }) => Math.min(w * min, w * max));
    const most = rowOf(row, taps, (w, { min, max }) => Math.max(w * min, w * max));
    const requantization = twoMultiply(stage, channel, bias + least, bias + most);
    if (requantization === null) throw new Error(`channel ${channel} has no requantization`);
    return { weights: row, bias, requantization };
  });
  return codeConvolution(channels, taps);
}

/** Inputs by tap: the ends, those that drive a channel to an end, and random ones. */
function inputsOf({ weights, taps }: Layer): readonly (readonly number[])[] {
  const random = new Random(7);
  const ends = (pick: (tap: CodedTap) => number) => {
    const x: number[] = [];
    for (const tap of taps) x[tap.tap] = pick(tap);
    return x;
  };
  return [
    ends(({ min }) => min),
    ends(({ max }) => max),
    ...weights.flatMap((row) => [
      ends(({ tap, min, max }) => ((row[tap] as number) > 0 ? max : min)),
      ends(({ tap, min, max }) => ((row[tap] as number) > 0 ? min : max)),
    ]),
    ...Array.from({ length: 6 }, () => ends(({ min, max }) => random.integer(min, max))),
  ];
}

/** Of pairs of inputs in turn, the lanes whose outputs are not those of the definition. */
async function wrongOutputs(layer: Layer, coded = layer): Promise<number> {
  const { weights, biases, taps, stage } = layer;
  const routine = codeOf(coded);
  const code = await assemble(routine);
  expect(code.bytes).to.be.within(routine.bytes, routine.bytes + 3);
  const words = Math.max(0, ...taps.map(({ word }) => word + 1));
  const all = inputsOf(layer);
  let wrong = 0;
  all.forEach((first, i) => {
    const lanes = [first, all[(i + 1) % all.length] as readonly number[]];
    const packed = new Int32Array(words).fill(0x5a5a5a5a);
    for (const { tap, word } of taps) {
      packed[word] = (lanes[0]?.[tap] as number) + (lanes[1]?.[tap] as number) * 65536;
    }
    const outputs = [0, 1].map(() => new Uint8Array(weights.length));
    const { memory } = code.call([new Uint8Array(packed.buffer), ...outputs], (at) => at);
    lanes.forEach((x, lane) => {
      weights.forEach((row, channel) => {
        const sum = rowOf(row, taps, (w, { tap }) => w * (x[tap] as number));
        const expected = finish(stage, (biases[channel] as number) + sum, channel);
        const actual = ((memory[1 + lane]?.[channel] as number) << 24) >> 24;
        if (actual !== expected) wrong += 1;
      });
    });
  });
  return wrong;
}

const rows = (channels: number, depth: number, weight: (random: Random) => number) => {
  const random = new Random(channels * 1000 + depth);
  return Array.from({ length: channels }, () =>
    Int8Array.from({ length: depth }, () => weight(random)),
  );
};
const full = (random: Random) => random.integer(-128, 127);
const signed = { zeroPoint: 9 } as const;
const ranged = (taps: number, range: (i: number) => { min: number; max: number }) =>
  Array.from({ length: taps }, (_, tap) => ({ tap, word: tap, ...range(tap) }));

const layers: readonly [edge: string, layer: Layer][] = [
  ['one channel, one tap', layerOf(rows(1, 1, full))],
  ['two channels left over', layerOf(rows(5, 7, full))],
  ['one channel left over', layerOf(rows(7, 33, full))],
  ['more channels than a byte store reaches', layerOf(rows(70, 5, full))],
  ['words beyond the reach of a load', layerOf(rows(3, 600, full))],
  ['long sums on both sides of zero', layerOf(rows(5, 400, full), { output: signed })],
  ['all weights −128', layerOf(rows(4, 20, () => -128))],
  ['all weights 127', layerOf(rows(4, 20, () => 127))],
  ['all weights zero', layerOf(rows(4, 20, () => 0))],
  [
    'some channels without weights',
    layerOf(rows(6, 9, full).map((row, i) => (i % 2 ? row : row.fill(0)))),
  ],
  ['weights of ±1', layerOf(rows(6, 300, (random) => random.pick([1, -1])))],
  ['powers of two', layerOf(rows(6, 60, (random) => random.pick([1, 2, 4, 8, 16, 32, 64, -128])))],
  [
    'neighbours and doubles',
    layerOf(rows(6, 60, (random) => random.pick([50, 51, -49, 100, -25]))),
  ],
  [
    'nine of ten weights zero',
    layerOf(rows(6, 250, (random) => (random.integer(0, 9) ? 0 : full(random)))),
  ],
  ['outputs on both sides of zero', layerOf(rows(7, 40, full), { output: signed })],
  ['single rounding', layerOf(rows(7, 40, full), { output: { ...signed, rounding: 'single' } })],
  ['a narrow activation', layerOf(rows(7, 40, full), { output: { zeroPoint: 3, min: 3, max: 4 } })],
  [
    'inputs that are hardly ever negative',
    layerOf(rows(5, 80, full), { taps: ranged(80, () => ({ min: -3, max: 127 })) }),
  ],
  [
    'inputs that differ in range',
    layerOf(rows(5, 80, full), { taps: ranged(80, (i) => ({ min: -i, max: i % 7 })) }),
  ],
  [
    'inputs of one sign',
    layerOf(rows(5, 80, full), { taps: ranged(80, (i) => ({ min: 100 - i, max: 120 })) }),
  ],
  [
    'taps in another order than words, words that are no tap',
    layerOf(rows(4, 20, full), {
      taps: Array.from({ length: 20 }, (_, tap) => ({ tap, word: ((tap * 7) % 20) * 3, ...any })),
    }),
  ],
];

describe('a convolution as Thumb code', () => {
  for (const [edge, layer] of layers) {
    it(`gives the bits of the definition: ${edge}`, async () => {
      expect(await wrongOutputs(layer)).to.equal(0);
    });
  }

  it('overflows a lane where the bounds of the inputs are not true', async () => {
    const layer = layerOf(rows(3, 40, full));
    const taps = layer.taps.map((tap) => ({ ...tap, min: -64, max: 63 }));
    expect(await wrongOutputs(layer, { ...layer, taps })).to.be.greaterThan(0);
  });

  it('takes about three cycles for two products and less for cheap ones', () => {
    const perMac = (weights: readonly Int8Array[]) =>
      codeOf(layerOf(weights)).cycles / (2 * weights.length * (weights[0]?.length ?? 0));
    const gaussian = (random: Random) =>
      Math.round([1, 2, 3, 4].reduce((sum) => sum + random.integer(-40, 40), 0) / 2);
    expect(perMac(rows(63, 64, gaussian))).to.be.lessThan(2.3);
    expect(
      perMac(rows(63, 64, (random) => (random.integer(0, 4) ? 0 : full(random)))),
    ).to.be.lessThan(1);
  });
});
