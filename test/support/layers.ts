/** Random convolutions, for kernels that are tested in firmware. */
import type { Module } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perChannelQuant, Random } from './module.js';
import { randomAccumulation, randomWindow } from './operands.js';

const pointwise = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};

/** Random windows, every third one pointwise; random channels; weights of several kinds. */
export function randomLayer(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const [h, w, inC] = [random.integer(1, 8), random.integer(1, 8), random.integer(1, 13)];
  const shape = [random.integer(1, 2), h, w, inC];
  const window = randomWindow(random, shape);
  const isPointwise = seed % 3 === 0;
  const [kernelH, kernelW] = isPointwise ? [1, 1] : [window.kernelH, window.kernelW];
  const outC = random.integer(1, 40);
  const count = outC * kernelH * kernelW * inC;
  const weight = random.pick([
    () => random.integer(-128, 127),
    () => random.pick([-128, 127, 1, -1, 0]),
    () => (random.integer(0, 4) === 0 ? random.integer(-128, 127) : 0),
  ]);
  const weights = b.constant(
    Int8Array.from({ length: count }, weight),
    [outC, kernelH, kernelW, inC],
    perChannelQuant(
      Array.from({ length: outC }, () => random.integer(1, 400) / 10000),
      0,
    ),
  );
  const bias = b.constant(random.int32(outC, -30000, 30000));
  const x = b.input(shape, input);
  const all = { ...(isPointwise ? pointwise : window.attrs), ...attrs };
  const y = b.node('conv2d', [x, weights, bias], all, { quant: output, name: `seed ${seed}` });
  return b.module([y]);
}
