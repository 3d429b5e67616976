/** Facts proved about a graph before planning. */
import { InternalError } from '../../errors.js';
import {
  at,
  elementCount,
  type Graph,
  isConstant,
  type NodeView,
  type TensorId,
  tensorOf,
  turnsOf,
  viewOf,
} from '../ir/graph.js';
import type { ChannelBounds, Facts } from '../ir/op.js';
import { flattened } from '../ops/flatten.js';
import { opOf } from '../ops/index.js';
import { boundsIn, inputBounds, rangesOf } from './ranges.js';

export { type Interval, liveness } from './liveness.js';

export function analyse(graph: Graph): Facts {
  const ranges = rangesOf(graph);
  // Kernel choice asks for the same node many times.
  const accumulators = new WeakMap<object, ChannelBounds>();
  return {
    range: (tensor) => boundsIn(ranges, tensor),
    accumulator(view) {
      const bounds = accumulators.get(view.node) ?? accumulatorOf(view, inputBounds(view, ranges));
      accumulators.set(view.node, bounds);
      return bounds;
    },
  };
}

function accumulatorOf(
  view: NodeView<object>,
  inputs: readonly (ChannelBounds | null)[],
): ChannelBounds {
  const bounds = opOf(view.node).accumulator?.(view as NodeView, inputs);
  if (bounds !== undefined) return bounds;
  throw new InternalError('analysis', `${at(view.node)} has no accumulator`);
}

export interface ModelSize {
  /** Multiply-accumulates of one run: of both branches, and of as many turns as are possible. */
  readonly macs: number;
  /** Elements of one run that are sums of these products. */
  readonly sums: number;
  /** Elements of the constants that nodes read: weights and biases. */
  readonly parameters: number;
}

export function modelSize(owner: Graph): ModelSize {
  const graph = flattened(owner);
  const constants = new Set<TensorId>();
  let [macs, sums] = [0, 0];
  for (const [index, node] of graph.nodes.entries()) {
    const turns = turnsOf(graph, index);
    const view = viewOf(graph, node);
    const own = opOf(node).macs(view);
    macs += turns * own;
    if (own > 0) sums += turns * outputElements(view);
    for (const id of node.inputs)
      if (id !== null && isConstant(tensorOf(graph, id))) constants.add(id);
  }
  const parameters = [...constants].reduce(
    (sum, id) => sum + elementCount(tensorOf(graph, id).shape),
    0,
  );
  return { macs, sums, parameters };
}

/** Elements of all outputs of a node. */
export function outputElements({ outputs }: Pick<NodeView, 'outputs'>): number {
  return outputs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
