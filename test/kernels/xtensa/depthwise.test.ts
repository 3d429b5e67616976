/** Depthwise 3×3 windows that slide down a plane: in C on this machine. */
import fc from 'fast-check';
import type { Module } from '../../../src/compiler/ir/graph.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';

const kernel = 'xtensa/depthwise_conv2d_3x3';

interface Layer {
  readonly input: readonly [batches: number, height: number, width: number, channels: number];
  readonly strides?: readonly [height: number, width: number];
  /** Top, bottom, left, right. */
  readonly pads?: readonly [number, number, number, number];
  readonly zeroPoint?: number;
  readonly activation?: string;
  readonly rounding?: 'single' | 'double';
  readonly outputZero?: number;
  readonly outputScale?: number;
}

const layers: readonly (readonly [edge: string, layer: Layer])[] = [
  ['padding all around', { input: [1, 25, 5, 4] }],
  ['no padding, an image of one window', { input: [1, 3, 3, 2], pads: [0, 0, 0, 0] }],
  ['an image of one pixel', { input: [1, 1, 1, 5] }],
  [
    'stride 2, padding below and right',
    { input: [1, 8, 8, 3], strides: [2, 2], pads: [0, 1, 0, 1] },
  ],
  [
    'stride 2, rows and columns under no window',
    { input: [1, 8, 8, 3], strides: [2, 2], pads: [0, 0, 0, 0] },
  ],
  ['stride 1 down, 3 across', { input: [1, 6, 11, 2], strides: [1, 3] }],
  ['more rows than a block', { input: [1, 70, 2, 1] }],
  ['as many rows as two blocks, stride 2', { input: [1, 128, 1, 1], strides: [2, 1] }],
  ['batches', { input: [3, 5, 4, 2] }],
  [
    'zero point 127, two rows of padding',
    { input: [1, 5, 6, 3], pads: [2, 0, 0, 2], zeroPoint: 127 },
  ],
  ['both sides of zero: a lift', { input: [1, 9, 6, 4], activation: 'none', outputZero: 5 }],
  ['saturation', { input: [1, 6, 6, 4], activation: 'none', outputZero: 0, outputScale: 0.001 }],
  [
    'single rounding',
    { input: [1, 6, 6, 4], activation: 'none', outputZero: -3, rounding: 'single' },
  ],
];

function layerOf(layer: Layer, seed: number): Module {
  const { input, strides = [1, 1], pads = [1, 1, 1, 1], zeroPoint = -128 } = layer;
  const { activation = 'relu', rounding = 'double', outputZero = -128, outputScale = 0.09 } = layer;
  const channels = input[3];
  const random = new Random(seed);
  const b = new GraphBuilder();
  const x = b.input(input, perTensorQuant(0.05, zeroPoint));
  const scales = Array.from({ length: channels }, () => random.integer(1, 9) / 500);
  const weights = b.constant(
    random.int8(9 * channels, -127, 127),
    [1, 3, 3, channels],
    perChannelQuant(scales, 3),
  );
  const bias = b.constant(random.int32(channels, -3000, 3000));
  const attrs = {
    ...{ depthMultiplier: 1, activation, rounding, dilationH: 1, dilationW: 1 },
    ...{ strideH: strides[0], strideW: strides[1] },
    ...{ padTop: pads[0], padBottom: pads[1], padLeft: pads[2], padRight: pads[3] },
  };
  const quant = perTensorQuant(outputScale, outputZero);
  return b.module([b.node('depthwise_conv2d', [x, weights, bias], attrs, { quant })]);
}

describe('xtensa/depthwise_conv2d_3x3', () => {
  const edges = () => layers.map(([, layer], i) => layerOf(layer, i + 1));

  it('gives the bits of evaluate on every edge', () => expectSameBits(edges(), { kernel }));

  it('and in the memory of its input', () => expectSameBits(edges(), { kernel, overlap: true }));

  it('and for any shape, stride and padding', async () => {
    const size = fc.integer({ min: 1, max: 12 });
    const pad = fc.integer({ min: 0, max: 2 });
    const layer: fc.Arbitrary<Layer> = fc
      .record({
        input: fc.tuple(fc.integer({ min: 1, max: 2 }), size, size, fc.integer({ min: 1, max: 5 })),
        strides: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
        pads: fc.tuple(pad, pad, pad, pad),
        zeroPoint: fc.integer({ min: -128, max: 127 }),
        activation: fc.constantFrom('none', 'relu', 'relu6'),
        outputZero: fc.integer({ min: -128, max: 127 }),
      })
      .filter(({ input: [, h, w], pads: [t, b, l, r] }) => h + t + b >= 3 && w + l + r >= 3);
    const sample = fc.sample(layer, { numRuns: 24, seed: 5 });
    await expectSameBits(
      sample.map((drawn, i) => layerOf(drawn, i)),
      { kernel },
    );
  });
});
