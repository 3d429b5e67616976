/** Layers that two cores can share. */
import type { Module } from '../../src/compiler/ir/graph.js';
import { growths } from './graphs.js';
import { GraphBuilder, perTensorQuant, Random } from './module.js';
import { NetworkBuilder } from './networks.js';
import { fused, randomSum } from './residual.js';

export const sharedOps = ['conv2d', 'depthwise_conv2d', 'fully_connected'] as const;

/** One node with a random window; every second seed fuses a sum, if the operator can. */
export function sharedLayer(op: (typeof sharedOps)[number], seed: number): Module {
  const random = new Random(seed);
  const channels = random.pick([1, 3, 4, 8, 12, random.integer(1, 9)]) as number;
  const rows = random.integer(1, 12);
  const shape =
    op === 'fully_connected' ? [1, rows * channels] : [1, rows, random.integer(1, 8), channels];
  if (op !== 'depthwise_conv2d' && seed % 2 === 0) return fused(randomSum(random, op, shape));
  const b = new GraphBuilder();
  const x = b.input(shape, perTensorQuant(0.05, random.integer(-128, 127)));
  const grow = growths[op];
  if (grow === undefined) throw new RangeError(`nothing grows ${op}`);
  return b.module([grow({ b, random, x, shape, peers: [x] })]);
}

/** A network of layers that two cores can share. */
export function sharedNetwork(seed: number): Module {
  const random = new Random(seed);
  const b = new NetworkBuilder(random);
  const channels = 4 * random.integer(1, 3);
  let x = b.input([1, 8, 4 * random.integer(1, 2), channels]);
  for (let i = 0; i < 2; i++) {
    const y = b.conv2d(b.depthwise(x, { pad: 1 }), channels);
    x = b.add(x, b.conv2d(y, channels, { kernel: 3, pad: 1 }), 'relu');
  }
  return b.module([b.dense(x, 16)]);
}
