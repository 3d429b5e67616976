/** Convolutions and fully connected layers with a sum fused into them. */
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { dropUnusedTensors } from '../../src/compiler/passes/drop-unused-tensors.js';
import { fuseResiduals } from '../../src/compiler/passes/fuse-residuals.js';
import { eachGraph } from '../../src/compiler/passes/rewrite.js';
import { growths } from './graphs.js';
import { GraphBuilder, perTensorQuant, type Random } from './module.js';

/**
 * A node of `op` and an add of its result and a second input of the model. Scales are close or
 * powers of two, which cause ties when the sum is rounded; zero points are random.
 */
export function randomSum(
  random: Random,
  op: 'conv2d' | 'fully_connected',
  shape?: number[],
): Module {
  const b = new GraphBuilder();
  const extent = () => random.integer(1, 6);
  const inputShape = shape ?? [1, extent(), extent(), random.integer(1, 9)];
  const scale = () => random.pick([0.25, 0.5, 1, 2 ** (random.integer(-20, 20) / 10)]) as number;
  const quant = () =>
    perTensorQuant(scale(), random.pick([-128, 127, 0, random.integer(-128, 127)]));
  const x = b.input(inputShape, quant());
  const grow = growths[op];
  if (grow === undefined) throw new RangeError(`nothing grows ${op}`);
  const y = grow({ b, random, x, shape: b.shape(x), peers: [x] });
  const skip = b.input(b.shape(y), quant());
  const activation = random.pick(['none', 'relu', 'relu6']);
  const operands = random.pick([
    [y, skip],
    [skip, y],
  ]);
  return b.module([b.node('add', operands, { activation }, { quant: quant() })]);
}

/** The same module with the sum fused into the node, if possible. */
export function fused(module: Module): Module {
  return eachGraph((graph) => dropUnusedTensors(fuseResiduals(graph)))(module);
}

export function isFused(module: Module): boolean {
  return mainGraph(module).nodes.length === 1;
}
