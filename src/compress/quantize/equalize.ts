/**
 * Cross-layer equalization (Nagel et al., Data-Free Quantization, 2019): the channels between two
 * layers get equal ranges. A ReLU passes positive factors on, so a factor that one layer divides by
 * and the next multiplies with leaves the float model as it is.
 */
import { type Graph, type Node, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import { channelsAlong, foldChannels, peak, weighted, withValues } from '../float-graph.js';

interface Pair {
  readonly first: Node;
  readonly second: Node;
}

/** More rounds change ranges by less than a hundredth. */
const rounds = 8;

export function equalized(graph: Graph): Graph {
  const pairs = pairsOf(graph);
  let current = graph;
  for (let round = 0; round < rounds; round += 1) {
    for (const pair of pairs) current = balanced(current, pair);
  }
  return current;
}

/** Operators that keep channels apart and pass positive factors on. */
const homogeneous: ReadonlySet<string> = new Set([
  'average_pool2d',
  'max_pool2d',
  'mean',
  'quantize',
  'relu',
]);

/** Layers with nothing between them but what passes factors on, and no other reader on the way. */
function pairsOf(graph: Graph): readonly Pair[] {
  const readers = new Map<TensorId, Node[]>();
  for (const node of graph.nodes) {
    for (const id of node.inputs) {
      if (id !== null) readers.set(id, [...(readers.get(id) ?? []), node]);
    }
  }
  const pairs: Pair[] = [];
  for (const first of graph.nodes) {
    if (!weighted.has(first.op) || !passesFactors(first) || isShared(readers, first)) continue;
    let last = first;
    for (;;) {
      const [output = -1] = last.outputs;
      const [next, ...others] = readers.get(output) ?? [];
      if (next === undefined || others.length > 0 || graph.outputs.includes(output)) break;
      if (weighted.has(next.op)) {
        if (next.inputs[0] === output && fits(graph, first, next) && !isShared(readers, next)) {
          pairs.push({ first, second: next });
        }
        break;
      }
      if (!homogeneous.has(next.op) || !passesFactors(next) || !keepsChannels(graph, next)) break;
      last = next;
    }
  }
  return pairs;
}

const passesFactors = ({ attrs: { activation = 'none' } }: Node) =>
  activation === 'none' || activation === 'relu';

/** Whether another layer has the same weights or bias. */
const isShared = (readers: ReadonlyMap<TensorId, readonly Node[]>, { inputs }: Node) =>
  inputs.slice(1).some((id) => id !== null && (readers.get(id) ?? []).length > 1);

function keepsChannels(graph: Graph, { inputs, outputs }: Node): boolean {
  const channelsOf = (id: TensorId | null | undefined) => tensorOf(graph, id ?? 0).shape.at(-1);
  return channelsOf(inputs[0]) === channelsOf(outputs[0]);
}

/** Whether the inputs of `second` are the outputs of `first`, one to one. */
function fits(graph: Graph, first: Node, second: Node): boolean {
  const outputs = tensorOf(graph, first.inputs[1] ?? 0).shape[weighted.get(first.op) ?? 0];
  const shape = tensorOf(graph, second.inputs[1] ?? 0).shape;
  // A depthwise layer has a filter for each input; with a multiplier, several.
  return shape.at(-1) === outputs;
}

function balanced(graph: Graph, { first, second }: Pair): Graph {
  const axis = weighted.get(first.op) ?? 0;
  const [weightsId, biasId] = [first.inputs[1] as TensorId, first.inputs[2] ?? null];
  const nextId = second.inputs[1] as TensorId;
  const [own, next] = [tensorOf(graph, weightsId), tensorOf(graph, nextId)];
  const nextAxis = next.shape.length - 1;
  const ownChannel = channelsAlong(own.shape, axis);
  const nextChannel = channelsAlong(next.shape, nextAxis);
  const ownPeaks = foldChannels(own.data as Float32Array, own.shape, axis, peak);
  const nextPeaks = foldChannels(next.data as Float32Array, next.shape, nextAxis, peak);
  const factors = ownPeaks.map((most, channel) => {
    const other = nextPeaks[channel] as number;
    return most > 0 && other > 0 ? Math.sqrt(most / other) : 1;
  });
  const divide = (data: Float32Array, channelOf: (i: number) => number) =>
    data.map((value, i) => value / (factors[channelOf(i)] as number));
  const values = new Map([
    [weightsId, divide(own.data as Float32Array, ownChannel)],
    [nextId, (next.data as Float32Array).map((v, i) => v * (factors[nextChannel(i)] as number))],
  ]);
  if (biasId !== null) {
    values.set(
      biasId,
      divide(tensorOf(graph, biasId).data as Float32Array, (i) => i),
    );
  }
  return withValues(graph, values);
}
