/** Layers with weights as products of matrices, to look at one layer apart from its graph. */
import {
  elementCount,
  type Graph,
  type Node,
  type NodeView,
  type TensorId,
  viewOf,
} from '../../compiler/ir/graph.js';
import { conv2dDims, conv2dFilters } from '../../compiler/ops/conv2d.js';
import { depthwiseDims, depthwiseFilters } from '../../compiler/ops/depthwise_conv2d.js';
import { rowFilters } from '../../compiler/ops/fully_connected.js';
import type { Window, WindowDims } from '../../compiler/ops/shape/window.js';
import type { Dataset } from '../data/dataset.js';
import { weighted } from '../float-graph.js';
import { makeRandom, permutation, seedFor } from '../random.js';
import type { Tf } from '../tensorflow.js';
import { type Hooks, runnerOf } from '../trace.js';
import { batchOf } from './observe.js';

/**
 * `groups` products [rows, depth] · [depth, outputs] side by side: a row has what one output
 * position reads. A depthwise convolution has a group for each input channel.
 */
export interface LayerMatrix {
  readonly groups: number;
  readonly depth: number;
  /** Of a group. */
  readonly outputs: number;
  /** Output positions of one sample. */
  readonly positions: number;
  /** The index of a weight for each element of [groups, depth, outputs]. */
  readonly weightAt: Uint32Array;
  /**
   * Copies what `position` of a sample reads: group g goes to `into` from `at` + g · `stride`.
   * `into` is 0 before, as padding is.
   */
  read(
    sample: Float32Array,
    position: number,
    into: Float32Array,
    at: number,
    stride: number,
  ): void;
}

/** @param view of one sample */
export function layerMatrix(view: NodeView<never>): LayerMatrix {
  switch (view.node.op) {
    case 'fully_connected':
      return connectedMatrix(view);
    case 'depthwise_conv2d': {
      const dims = depthwiseDims(view);
      return windowMatrix(dims, view.attrs, dims.inC, depthwiseFilters(view));
    }
    default: {
      const dims = conv2dDims(view);
      return windowMatrix(dims, view.attrs, dims.groups, conv2dFilters(view));
    }
  }
}

type Filters = ReturnType<typeof rowFilters>;

function connectedMatrix(view: NodeView<never>): LayerMatrix {
  const filters = rowFilters(view);
  const { channels, depth } = filters;
  return {
    groups: 1,
    depth,
    outputs: channels,
    positions: elementCount(view.outputs[0]?.shape ?? []) / channels,
    weightAt: weightIndices(filters, 1),
    read: (sample, position, into, at) => {
      into.set(sample.subarray(position * depth, (position + 1) * depth), at);
    },
  };
}

function windowMatrix(
  dims: WindowDims,
  window: Window,
  groups: number,
  filters: Filters,
): LayerMatrix {
  const { inH, inW, inC, outH, outW, kernelH, kernelW } = dims;
  const perGroup = inC / groups;
  return {
    groups,
    depth: filters.depth,
    outputs: filters.channels / groups,
    positions: outH * outW,
    weightAt: weightIndices(filters, groups),
    read: (sample, position, into, at, stride) => {
      const top = Math.floor(position / outW) * window.strideH - window.padTop;
      const left = (position % outW) * window.strideW - window.padLeft;
      for (let tap = 0; tap < kernelH * kernelW; tap += 1) {
        const y = top + Math.floor(tap / kernelW) * window.dilationH;
        const x = left + (tap % kernelW) * window.dilationW;
        if (y < 0 || y >= inH || x < 0 || x >= inW) continue;
        for (let group = 0; group < groups; group += 1) {
          const from = (y * inW + x) * inC + group * perGroup;
          into.set(sample.subarray(from, from + perGroup), at + group * stride + tap * perGroup);
        }
      }
    },
  };
}

function weightIndices({ channels, depth, position }: Filters, groups: number): Uint32Array {
  const outputs = channels / groups;
  return Uint32Array.from({ length: channels * depth }, (_, i) => {
    const group = Math.floor(i / (depth * outputs));
    return position(group * outputs + (i % outputs), Math.floor(i / outputs) % depth);
  });
}

/** A layer, and the output positions of a data set at which it is looked at. */
export interface SampledLayer {
  readonly node: Node;
  readonly weights: TensorId;
  readonly matrix: LayerMatrix;
  /** Rows: kept positions of all samples. */
  readonly rows: number;
  readonly perSample: number;
  /** The output position, sample by sample, and its row: rows are in random order. */
  readonly position: Uint32Array;
  readonly row: Uint32Array;
}

/** A layer's rows have at most this many elements: 64 MB. */
const mostElements = 2 ** 24;

/**
 * The layers with weights, in the order of the nodes; one that shares its weights with another
 * before it is left out. Positions are drawn evenly from all samples.
 *
 * @param rows of each layer, about
 */
export function sampledLayers(
  graph: Graph,
  { count }: Dataset,
  rows: number,
  seed: number,
): readonly SampledLayer[] {
  const seen = new Set<TensorId>();
  return graph.nodes.flatMap((node, index) => {
    const weights = node.inputs[1] ?? null;
    if (!weighted.has(node.op) || weights === null || seen.has(weights)) return [];
    seen.add(weights);
    const matrix = layerMatrix(viewOf(graph, node) as NodeView<never>);
    const most = Math.min(rows, mostElements / (matrix.groups * matrix.depth));
    const perSample = Math.max(1, Math.min(matrix.positions, Math.ceil(most / count)));
    const random = makeRandom(seedFor(seed, 'positions', index));
    const position = new Uint32Array(count * perSample);
    for (let sample = 0; sample < count; sample += 1) {
      const drawn = permutation(matrix.positions, random).subarray(0, perSample);
      position.set(drawn, sample * perSample);
    }
    const row = permutation(position.length, random);
    return [{ node, weights, matrix, rows: row.length, perSample, position, row }];
  });
}

/** What each layer gives, [groups, rows, outputs]. Runs the samples once. */
export function layerOutputs(
  tf: Tf,
  graph: Graph,
  layers: readonly SampledLayer[],
  data: Dataset,
): readonly Float32Array[] {
  const ids = layers.map(({ node }) => node.outputs[0] as TensorId);
  const all = layers.map(({ rows, matrix: { groups, outputs } }) => {
    return new Float32Array(groups * rows * outputs);
  });
  forEachSample(tf, graph, ids, {}, data, (sample, values) => {
    layers.forEach((layer, l) => {
      const { groups, outputs } = layer.matrix;
      const whole = values[l] as Float32Array;
      forEachRow(layer, sample, (position, row) => {
        for (let group = 0; group < groups; group += 1) {
          const from = (position * groups + group) * outputs;
          const own = whole.subarray(from, from + outputs);
          all[l]?.set(own, (group * layer.rows + row) * outputs);
        }
      });
    });
  });
  return all;
}

/** What a layer reads, [groups, rows, depth]. Runs the graph up to the layer. */
export function layerInputs(
  tf: Tf,
  graph: Graph,
  layer: SampledLayer,
  hooks: Hooks,
  data: Dataset,
): Float32Array {
  const { node, matrix, rows } = layer;
  const { groups, depth } = matrix;
  const inputs = new Float32Array(groups * rows * depth);
  const last = graph.nodes.findIndex(({ outputs }) => outputs[0] === node.outputs[0]);
  const before = { ...graph, nodes: graph.nodes.slice(0, last) };
  forEachSample(tf, before, [node.inputs[0] as TensorId], hooks, data, (sample, [values]) => {
    forEachRow(layer, sample, (position, row) => {
      matrix.read(values as Float32Array, position, inputs, row * depth, rows * depth);
    });
  });
  return inputs;
}

function forEachRow(
  { perSample, position, row }: SampledLayer,
  sample: number,
  visit: (position: number, row: number) => void,
): void {
  for (let i = sample * perSample; i < (sample + 1) * perSample; i += 1) {
    visit(position[i] as number, row[i] as number);
  }
}

/** Samples that run together. */
const batch = 32;

/** Calls `visit` with each sample's elements of each tensor of `ids`. */
function forEachSample(
  tf: Tf,
  graph: Graph,
  ids: readonly TensorId[],
  hooks: Hooks,
  data: Dataset,
  visit: (sample: number, values: readonly Float32Array[]) => void,
): void {
  const runner = runnerOf(tf, { ...graph, outputs: ids });
  for (let first = 0; first < data.count; first += batch) {
    const count = Math.min(batch, data.count - first);
    tf.tidy(() => {
      const outputs = runner.run(batchOf(tf, data, first, count), hooks);
      const all = outputs.map((output) => output.dataSync() as Float32Array);
      for (let i = 0; i < count; i += 1) {
        const own = all.map((whole) => {
          const size = whole.length / count;
          return whole.subarray(i * size, (i + 1) * size);
        });
        visit(first + i, own);
      }
    });
  }
}
