/** How much each group of channels matters; higher is more worth keeping. */
import { elementCount, type Graph, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import type { Candidate } from '../candidate.js';
import type { Dataset } from '../data/dataset.js';
import { channelsAlong, parametersOf, weighted } from '../float-graph.js';
import { eachOutputChange } from '../prune/scores.js';
import type { Tf } from '../tensorflow.js';
import type { ChannelGroup } from './coupling.js';
import type { Slice } from './lines.js';

/** By group. */
export type GroupScores = Float64Array;

/**
 * The norms of a group's weights, added up over the filters that compute its channels and the
 * columns that read them. A norm counts relative to its tensor's mean along the same axis, so that
 * layers with large weights do not outweigh the others.
 */
export function normScores(
  graph: Graph,
  groups: readonly ChannelGroup[],
  norm: 'l1' | 'l2',
): GroupScores {
  const weights = new Set<TensorId>();
  for (const { op, inputs } of graph.nodes) {
    if (weighted.has(op)) weights.add(inputs[1] as TensorId);
  }
  const norms = new Map<string, Float64Array>();
  const normsOf = (tensor: TensorId, axis: number) => {
    const key = `${tensor}/${axis}`;
    const known = norms.get(key) ?? relativeNorms(graph, tensor, axis, norm);
    norms.set(key, known);
    return known;
  };
  return Float64Array.from(groups, ({ slices }) =>
    slices.reduce((sum, { tensor, axis, indices }) => {
      if (!weights.has(tensor)) return sum;
      const own = normsOf(tensor, axis);
      return sum + indices.reduce((part, index) => part + (own[index] as number), 0);
    }, 0),
  );
}

/** The norm of each hyperplane across an axis, divided by their mean. */
function relativeNorms(graph: Graph, id: TensorId, axis: number, norm: 'l1' | 'l2'): Float64Array {
  const { shape, data } = tensorOf(graph, id);
  const indexOf = channelsAlong(shape, axis);
  const sums = new Float64Array(shape[axis] ?? 1);
  (data as Float32Array).forEach((value, element) => {
    const term = norm === 'l1' ? Math.abs(value) : value * value;
    sums[indexOf(element)] = (sums[indexOf(element)] as number) + term;
  });
  const norms = norm === 'l1' ? sums : sums.map(Math.sqrt);
  const mean = norms.reduce((a, b) => a + b, 0) / norms.length;
  return mean > 0 ? norms.map((value) => value / mean) : norms;
}

function elementsIn(graph: Graph, { tensor, axis, indices }: Slice): readonly number[] {
  const { shape } = tensorOf(graph, tensor);
  const inner = elementCount(shape.slice(axis + 1));
  const elements: number[] = [];
  for (let outer = 0; outer < elementCount(shape.slice(0, axis)); outer += 1) {
    for (const index of indices) {
      const first = (outer * (shape[axis] ?? 1) + index) * inner;
      for (let i = 0; i < inner; i += 1) elements.push(first + i);
    }
  }
  return elements;
}

/**
 * How much the outputs change without a group's channels, to first order: the root mean square over
 * samples and outputs y of Σ w · ∂y/∂w over the filters and biases that compute its channels. Behind
 * a (leaky) ReLU or none that sum is Σ a · ∂y/∂a of the channels' values a (Molchanov et al., Pruning
 * Convolutional Neural Networks, 2017, there of the loss).
 */
export function taylorGroupScores(
  tf: Tf,
  candidate: Pick<Candidate, 'graph' | 'quantization'>,
  groups: readonly ChannelGroup[],
  data: Dataset,
  seed: number,
): GroupScores {
  const { graph } = candidate;
  const computing = computingAxes(graph);
  const own = groups.map(({ slices }) =>
    slices
      .filter(({ tensor, axis }) => computing.get(tensor) === axis)
      .map((slice) => ({ id: slice.tensor, elements: elementsIn(graph, slice) })),
  );
  const ids = parametersOf(graph).filter((id) => computing.has(id));
  const scores = new Float64Array(groups.length);
  eachOutputChange(tf, candidate, ids, data, seed, (changes) => {
    own.forEach((parts, group) => {
      let sum = 0;
      for (const { id, elements } of parts) {
        const change = changes.get(id) as Float32Array;
        for (const element of elements) sum += change[element] as number;
      }
      scores[group] = (scores[group] as number) + sum * sum;
    });
  });
  return scores.map(Math.sqrt);
}

/**
 * The axis of output channels of weights and biases. A depthwise layer only passes on what another
 * layer computed, which counts there.
 */
function computingAxes(graph: Graph): ReadonlyMap<TensorId, number> {
  const axes = new Map<TensorId, number>();
  for (const { op, inputs } of graph.nodes) {
    if (weighted.get(op) !== 0) continue;
    const [, weights, bias] = inputs;
    axes.set(weights as TensorId, 0);
    if (bias !== undefined && bias !== null) axes.set(bias, 0);
  }
  return axes;
}
