/** Selects and reorders channels of a graph's tensors, and the constants that belong to them. */
import { type Graph, type NodeView, type Tensor, type TensorId, viewOf } from '../ir/graph.js';
import type { Facts } from '../ir/op.js';
import { type AccumulationAttrs, inputOffset } from '../ops/arithmetic/accumulation.js';
import { channelCount, constantOf } from '../ops/arithmetic/bounds.js';
import { type ChannelFlow, type ChannelTie, channelFlow } from '../ops/axes.js';
import { inputOf } from '../ops/shape/operands.js';
import { appendTensor, biasTensor, take } from './rewrite.js';

/** The channels of a tensor that are taken, in their new order. */
export type Taken = readonly number[];

/**
 * Restricts tensors to the channels taken. Weights follow their channels, and the contribution of
 * constant channels that are removed moves into the biases. Every remaining value is unchanged.
 *
 * @param taken the channels by computed tensor. Tied tensors take the same channels, and a channel
 *   that varies and is read is never left out.
 * @param facts which channels are constant
 */
export function takeChannels(
  graph: Graph,
  taken: ReadonlyMap<TensorId, Taken>,
  facts: Pick<Facts, 'range'>,
): Graph {
  const tensors = graph.tensors.map((tensor, id) => {
    const channels = taken.get(id);
    return channels === undefined ? tensor : takeLast(tensor, channels);
  });
  const nodes = graph.nodes.map((node) => {
    const view = viewOf(graph, node);
    const inputs = [...node.inputs];
    for (const [position, tensor] of constantsOf(view, taken, facts)) {
      if (tensor !== view.inputs[position]) inputs[position] = appendTensor(tensors, tensor);
    }
    return { ...node, inputs };
  });
  return { ...graph, tensors, nodes };
}

/** The new constants of a node, by input position. */
function constantsOf(
  view: NodeView,
  taken: ReadonlyMap<TensorId, Taken>,
  facts: Pick<Facts, 'range'>,
): readonly (readonly [position: number, tensor: Tensor])[] {
  const flow = channelFlow(view);
  const { inputs, outputs } = view.node;
  const takenOf = (id: TensorId | null | undefined) => (id == null ? undefined : taken.get(id));
  switch (flow?.kind) {
    case 'tied':
      return flow.ties.flatMap((tie) => {
        const tensor = view.inputs[tie.input];
        const out = takenOf(outputs[0]);
        return tensor?.data == null || out === undefined
          ? []
          : [[tie.input, takeLast(tensor, behind(tie, tensor, out))] as const];
      });
    case 'mixed': {
      const channels = channelCount(inputOf(view, 0));
      const kept = takenOf(inputs[0]) ?? indicesBelow(channels);
      const out = takenOf(outputs[0]);
      return out === undefined ? [] : mixedConstants(view, flow, kept, out, facts);
    }
    default:
      return [];
  }
}

/** The channels of an operand that feed the output channels taken. */
function behind({ first, repeat }: ChannelTie, operand: Tensor, out: Taken): Taken {
  const channels = out.map((channel) => (channel - first) / repeat);
  const count = channelCount(operand);
  return channels.filter((c) => Number.isInteger(c) && c >= 0 && c < count);
}

/** The weights of the rows and columns taken, and the bias plus what removed constants added. */
function mixedConstants(
  view: NodeView,
  { padded }: Extract<ChannelFlow, { kind: 'mixed' }>,
  kept: Taken,
  out: Taken,
  facts: Pick<Facts, 'range'>,
): readonly (readonly [position: number, tensor: Tensor])[] {
  const input = inputOf(view, 0);
  const weights = inputOf(view, 1);
  const bias = view.inputs[2] ?? null;
  const ranges = facts.range(input);
  const channels = channelCount(input);
  const gone = indicesBelow(channels).filter((channel) => !kept.includes(channel));
  const offset = inputOffset(view as NodeView<object> as NodeView<AccumulationAttrs>);
  const depth = padded.length * channels;
  const added = (o: number) => {
    let sum = 0;
    for (const channel of gone) {
      // A removed channel that is not constant has zero weights alone.
      const value = constantOf(ranges, channel);
      if (value === null) continue;
      for (let tap = 0; tap < padded.length; tap += 1) {
        const weight = Number(weights.data?.[o * depth + tap * channels + channel]);
        sum += (value - offset) * weight;
      }
    }
    return sum;
  };
  const columns = padded.flatMap((_, tap) => kept.map((c) => tap * channels + c));
  const matrix = { ...weights, shape: [weights.shape[0] ?? 1, depth] };
  const left = take(take(matrix, 0, out), 1, columns);
  const last = ((weights.shape.at(-1) as number) * columns.length) / depth;
  const shape = [out.length, ...weights.shape.slice(1, -1), last];
  const newWeights = left === matrix ? weights : { ...left, shape };
  const newBias = bias === null ? null : takeLast(bias, out);
  const additions = out.map(added);
  if (additions.every((value) => value === 0)) {
    return newBias === null
      ? [[1, newWeights]]
      : [
          [1, newWeights],
          [2, newBias],
        ];
  }
  const data = Int32Array.from(out, (o, i) => Number(bias?.data?.[o] ?? 0) + (additions[i] ?? 0));
  const inputs = [input, newWeights, newBias];
  return [
    [1, newWeights],
    [2, biasTensor({ node: view.node, inputs }, data)],
  ];
}

function takeLast(tensor: Tensor, channels: Taken): Tensor {
  return take(tensor, tensor.shape.length - 1, channels);
}

function indicesBelow(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
