/** Facts proved about a graph before anything is planned. */
import {
  elementCount,
  type Graph,
  isConstant,
  type NodeView,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import type { ChannelBounds, Facts } from '../ir/op.js';
import { opOf } from '../ops/index.js';

export { type Interval, liveness } from './liveness.js';

export function analyse(graph: Graph): Facts {
  const zeroShares = new Map<Tensor, number>();
  for (const node of graph.nodes) {
    const weights = viewOf(graph, node).inputs[1];
    if (weights?.data != null) zeroShares.set(weights, zeroShare(weights));
  }
  return {
    sparsity: ({ inputs }) => (inputs[1] ? (zeroShares.get(inputs[1]) ?? 0) : 0),
    range: anyValue,
    accumulator: anyAccumulator,
  };
}

/** Nothing but the type is known. */
export function anyValue({ shape }: Tensor): ChannelBounds {
  const channels = shape.at(-1) ?? 1;
  return {
    min: new Int32Array(channels).fill(-128),
    max: new Int32Array(channels).fill(127),
  };
}

/** Nothing but the 32 bits is known (ops/accumulation.ts refuses what could leave them). */
export function anyAccumulator({ outputs }: NodeView<object>): ChannelBounds {
  const channels = outputs[0]?.shape.at(-1) ?? 1;
  return {
    min: new Int32Array(channels).fill(-(2 ** 31)),
    max: new Int32Array(channels).fill(2 ** 31 - 1),
  };
}

function zeroShare({ data }: Tensor): number {
  if (data === null || data.length === 0) return 0;
  let zeros = 0;
  for (const element of data) if (Number(element) === 0) zeros++;
  return zeros / data.length;
}

export interface ModelSize {
  /** Multiply-accumulates of one run. */
  readonly macs: number;
  /** Elements of the constants that nodes read: weights and biases. */
  readonly parameters: number;
}

export function modelSize(graph: Graph): ModelSize {
  const constants = new Set<TensorId>();
  let macs = 0;
  for (const node of graph.nodes) {
    macs += opOf(node).macs(viewOf(graph, node));
    for (const id of node.inputs)
      if (id !== null && isConstant(tensorOf(graph, id))) constants.add(id);
  }
  const parameters = [...constants].reduce(
    (sum, id) => sum + elementCount(tensorOf(graph, id).shape),
    0,
  );
  return { macs, parameters };
}
