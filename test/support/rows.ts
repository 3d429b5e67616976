/** Random depthwise convolutions and layers of one output pixel, for the kernels of several instruction sets. */
import type { Attrs, Module } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perChannelQuant, Random } from './module.js';
import { randomAccumulation } from './operands.js';

export const unit = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
export const pads = (top: number, bottom: number, left: number, right: number) => ({
  ...{ padTop: top, padBottom: bottom, padLeft: left, padRight: right },
});

export interface Depthwise {
  readonly edge: string;
  readonly input: readonly [number, number, number, number];
  readonly filter: readonly [number, number];
  readonly window: Attrs;
  readonly multiplier?: number;
}

export function depthwiseLayer({ input, filter, window, multiplier = 1 }: Depthwise, seed: number) {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input: quant, output, attrs } = randomAccumulation(random);
  const outC = input[3] * multiplier;
  const scales = Array.from({ length: outC }, () => random.integer(1, 400) / 10000);
  const weights = b.constant(
    Int8Array.from({ length: filter[0] * filter[1] * outC }, () => random.integer(-128, 127)),
    [1, ...filter, outC],
    perChannelQuant(scales, 3),
  );
  const bias = b.constant(random.int32(outC, -30000, 30000));
  const all = { depthMultiplier: multiplier, ...window, ...attrs };
  return b.module([
    b.node('depthwise_conv2d', [b.input([...input], quant), weights, bias], all, { quant: output }),
  ]);
}

export function dense(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const [depth, channels] = [random.integer(1, 90), random.integer(1, 20)];
  const weights = b.constant(
    Int8Array.from({ length: depth * channels }, () =>
      seed % 2 === 0 ? random.pick([-128, 127]) : random.integer(-30, 30),
    ),
    [channels, depth],
    perChannelQuant([random.integer(1, 400) / 10000], 0),
  );
  const bias = b.constant(random.int32(channels, -30000, 30000));
  const x = b.input([1, depth], input);
  return b.module([b.node('fully_connected', [x, weights, bias], attrs, { quant: output })]);
}

/** Windows as large as the image: each channel has a row of weights, zero for the others. */
export const wholeImages = [1, 2, 3].flatMap((multiplier): readonly Depthwise[] => {
  const window = { ...unit, ...pads(0, 0, 0, 0) };
  return [
    { edge: 'a column', input: [1, 5, 1, 30], filter: [5, 1], window, multiplier },
    { edge: 'an image', input: [1, 3, 2, 7], filter: [3, 2], window, multiplier },
  ];
});

/** One routine or two, inputs within reach of one pointer or not; a channel of zeros. */
export function prunedRow(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const [depth, channels] = [[5000, 30] as const, [40, 75] as const][seed % 2] ?? [1, 1];
  // Of few magnitudes, so that products are shared, scaled, or one input more or less.
  const kept = () => random.pick([-128, 127, -1, 1, 3, -4, 6, 7, random.integer(-20, 20)]);
  const weights = b.constant(
    Int8Array.from({ length: depth * channels }, (_, i) =>
      i < depth || random.integer(1, 5) > 1 ? 0 : kept(),
    ),
    [channels, depth],
    perChannelQuant([random.integer(1, 400) / 10000], 0),
  );
  const bias = b.constant(random.int32(channels, -30000, 30000));
  const x = b.input([1, depth], input);
  return b.module([b.node('fully_connected', [x, weights, bias], attrs, { quant: output })]);
}
