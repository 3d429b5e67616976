/** Removes channels that nobody reads, and those that always hold one value. */
import { analyse } from '../analysis/index.js';
import { flowOf, type Live, liveChannels } from '../analysis/live-channels.js';
import { type Graph, type NodeView, type Tensor, type TensorId, viewOf } from '../ir/graph.js';
import type { ChannelFlow, ChannelTie, Facts } from '../ir/op.js';
import { type AccumulationAttrs, inputOffset } from '../ops/accumulation.js';
import { channelCount, constantOf } from '../ops/bounds.js';
import { inputOf } from '../ops/operands.js';
import { appendTensor, biasTensor, take } from './rewrite.js';

/**
 * Tensors lose the channels that are not live, constants what was multiplied with them; biases take
 * over what constant channels added. Every value that is left is what it was.
 *
 * @param facts which channels are constant
 */
export function removeDeadChannels(
  graph: Graph,
  facts: Pick<Facts, 'range'> = analyse(graph),
): Graph {
  const live = liveChannels(graph, facts);
  const tensors = graph.tensors.map((tensor, id) => {
    const channels = live.get(id);
    return channels === undefined ? tensor : takeChannels(tensor, channels);
  });
  const nodes = graph.nodes.map((node) => {
    const view = viewOf(graph, node);
    const inputs = [...node.inputs];
    for (const [position, tensor] of constantsOf(view, live, facts)) {
      if (tensor !== view.inputs[position]) inputs[position] = appendTensor(tensors, tensor);
    }
    return { ...node, inputs };
  });
  return { ...graph, tensors, nodes };
}

/** What the constants of a node become, by input position. */
function constantsOf(
  view: NodeView,
  live: ReadonlyMap<TensorId, Live>,
  facts: Pick<Facts, 'range'>,
): readonly (readonly [position: number, tensor: Tensor])[] {
  const flow = flowOf(view);
  const { inputs, outputs } = view.node;
  const liveOf = (id: TensorId | null | undefined) => (id == null ? undefined : live.get(id));
  switch (flow?.kind) {
    case 'tied':
      return flow.ties.flatMap((tie) => {
        const tensor = view.inputs[tie.input];
        const out = liveOf(outputs[tie.output]);
        return tensor?.data == null || out === undefined
          ? []
          : [[tie.input, takeChannels(tensor, behind(tie, tensor, out))] as const];
      });
    case 'mixed': {
      const channels = channelCount(inputOf(view, 0));
      const kept = liveOf(inputs[0]) ?? new Array<boolean>(channels).fill(true);
      const out = liveOf(outputs[0]);
      return out === undefined ? [] : mixedConstants(view, flow, kept, out, facts);
    }
    default:
      return [];
  }
}

/** Which channels of an operand go to output channels that are live. */
function behind({ first, repeat }: ChannelTie, operand: Tensor, out: Live): Live {
  const count = channelCount(operand);
  return Array.from({ length: count }, (_, channel) => out[first + channel * repeat] === true);
}

/** Weights without the rows and columns that went, and the bias with what constants added. */
function mixedConstants(
  view: NodeView,
  { padded }: Extract<ChannelFlow, { kind: 'mixed' }>,
  kept: Live,
  out: Live,
  facts: Pick<Facts, 'range'>,
): readonly (readonly [position: number, tensor: Tensor])[] {
  const input = inputOf(view, 0);
  const weights = inputOf(view, 1);
  const bias = view.inputs[2] ?? null;
  const range = facts.range(input);
  const offset = inputOffset(view as NodeView<object> as NodeView<AccumulationAttrs>);
  const depth = padded.length * kept.length;
  const added = (o: number) => {
    let sum = 0;
    for (const [channel, isKept] of kept.entries()) {
      // One without a value is multiplied with zeros alone.
      const value = isKept ? null : constantOf(range, channel);
      if (value === null) continue;
      for (let tap = 0; tap < padded.length; tap += 1) {
        const weight = Number(weights.data?.[o * depth + tap * kept.length + channel]);
        sum += (value - offset) * weight;
      }
    }
    return sum;
  };
  const rows = indices(out);
  const columns = padded.flatMap((_, tap) => indices(kept).map((c) => tap * kept.length + c));
  const matrix = { ...weights, shape: [out.length, depth] };
  const left = take(take(matrix, 0, rows), 1, columns);
  const last = ((weights.shape.at(-1) as number) * columns.length) / depth;
  const shape = [rows.length, ...weights.shape.slice(1, -1), last];
  const newWeights = left === matrix ? weights : { ...left, shape };
  const newBias = bias === null ? null : takeChannels(bias, out);
  const additions = rows.map(added);
  if (additions.every((value) => value === 0)) {
    return newBias === null
      ? [[1, newWeights]]
      : [
          [1, newWeights],
          [2, newBias],
        ];
  }
  const data = Int32Array.from(rows, (o, i) => Number(bias?.data?.[o] ?? 0) + (additions[i] ?? 0));
  const inputs = [input, newWeights, newBias];
  return [
    [1, newWeights],
    [2, biasTensor({ node: view.node, inputs }, data)],
  ];
}

function takeChannels(tensor: Tensor, channels: Live): Tensor {
  return take(tensor, tensor.shape.length - 1, indices(channels));
}

function indices(channels: Live): readonly number[] {
  return [...channels.keys()].filter((channel) => channels[channel]);
}
