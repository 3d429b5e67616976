/**
 * Bias correction (Nagel et al., Data-Free Quantization, 2019): rounding weights and inputs shifts
 * the mean of a channel; its bias takes the shift back. Measured on samples, layer by layer, each
 * behind layers that are corrected already.
 */
import { type Graph, type Tensor, type TensorId, tensorOf } from '../../compiler/ir/graph.js';
import type { Dataset } from '../data/dataset.js';
import { type Values, weighted, withValues } from '../float-graph.js';
import { elementsOf, type Tf } from '../tensorflow.js';
import { constantOf, type Hooks, runnerOf, Walk } from '../trace.js';
import { fakeQuantizer } from './fake.js';
import { batchOf } from './observe.js';
import type { Quantization } from './scheme.js';

const batch = 64;
/** Lines of progress. */
const mostSaid = 10;

/** The biases of layers with weights. */
export function biasesOf(graph: Graph): Values {
  const ids = graph.nodes.flatMap(({ op, inputs }) =>
    weighted.has(op) ? [inputs[2] ?? null] : [],
  );
  const present = ids.filter((id) => id !== null);
  return new Map(present.map((id) => [id, tensorOf(graph, id).data as Float32Array]));
}

export interface Correction {
  /**
   * The float graph whose means to keep, with the same nodes: where the weights of the graph are
   * rounded already, the one before.
   */
  readonly reference?: Graph;
  readonly say?: (text: string) => Promise<unknown>;
}

/**
 * The graph with corrected biases; layers without a bias stay as they are.
 *
 * Each layer is computed once, behind all that come before it.
 */
export async function biasCorrected(
  tf: Tf,
  graph: Graph,
  quantization: Quantization,
  data: Dataset,
  { reference = graph, say = async () => {} }: Correction = {},
): Promise<Graph> {
  const { graph: open, sums } = withSums(graph);
  const wanted = channelMeans(tf, withSums(reference).graph, sums, {}, data);
  let corrected = open;
  let values: Values = new Map();
  let walks: readonly Walk[] = [];
  const every = Math.ceil(sums.length / mostSaid);
  for (const [layer, sum] of sums.entries()) {
    const last = open.nodes.findIndex(({ outputs }) => outputs[0] === sum);
    const bias = open.nodes[last]?.inputs[2] as TensorId;
    // Layers that share a bias were computed with an earlier one.
    if (layer === 0 || values.has(bias)) walks = restarted(tf, walks, open, data);
    const before = { ...corrected, nodes: open.nodes.slice(0, last + 1) };
    const got = quantizedMeans(tf, before, walks, quantization, data.count);
    const means = wanted[layer] ?? [];
    const moved = (tensorOf(corrected, bias).data as Float32Array).map(
      (value, channel) => value + (means[channel] ?? 0) - (got[channel] ?? 0),
    );
    values = new Map([...values, [bias, moved]]);
    corrected = withValues(open, values);
    if ((layer + 1) % every === 0) await say(`layer ${layer + 1} of ${sums.length}`);
  }
  for (const walk of walks) walk.dispose();
  return withValues(graph, values);
}

/** All samples before the first node. */
function restarted(tf: Tf, walks: readonly Walk[], graph: Graph, data: Dataset): readonly Walk[] {
  for (const walk of walks) walk.dispose();
  const count = Math.ceil(data.count / batch);
  return Array.from(
    { length: count },
    (_, i) => new Walk(tf, graph, batchOf(tf, data, i * batch, batch)),
  );
}

/**
 * The graph whose layers with weights and a bias have their activation as a node of its own, and
 * the sums before it, in the order of the nodes. Other tensors keep their ids.
 */
function withSums(graph: Graph): { readonly graph: Graph; readonly sums: readonly TensorId[] } {
  const tensors: Tensor[] = [...graph.tensors];
  const sums: TensorId[] = [];
  const nodes = graph.nodes.flatMap((node) => {
    const [output] = node.outputs as readonly [TensorId];
    if (!weighted.has(node.op) || (node.inputs[2] ?? null) === null) return [node];
    const { activation = 'none' } = node.attrs;
    if (activation === 'none') {
      sums.push(output);
      return [node];
    }
    const sum = tensors.push({ ...tensorOf(graph, output) }) - 1;
    sums.push(sum);
    return [
      { ...node, outputs: [sum], attrs: { ...node.attrs, activation: 'none' } },
      { ...node, op: `${activation}`, inputs: [sum], attrs: {} },
    ];
  });
  return { graph: { ...graph, tensors, nodes }, sums };
}

/** The mean of each channel of the sums that the graph ends with, which themselves are not rounded. */
function quantizedMeans(
  tf: Tf,
  graph: Graph,
  walks: readonly Walk[],
  quantization: Quantization,
  samples: number,
): readonly number[] {
  const quantizer = fakeQuantizer(tf, graph, quantization);
  const hooks = quantizer.hooks((id) => constantOf(tf, tensorOf(graph, id)));
  const last = graph.nodes.length - 1;
  const size = tensorOf(graph, graph.nodes[last]?.outputs[0] ?? 0).shape.at(-1) ?? 1;
  const sums = new Float64Array(size);
  walks.forEach((walk, i) => {
    walk.advance(last, hooks);
    const count = Math.min(batch, samples - i * batch);
    const means = elementsOf(tf, () => tf.mean(tf.reshape(walk.peek(hooks), [-1, size]), 0));
    sums.forEach((value, channel) => {
      sums[channel] = value + (means[channel] as number) * count;
    });
  });
  tf.dispose([...quantizer.variables.values()]);
  return [...sums].map((value) => value / samples);
}

/** For each tensor of `ids`, the mean of each of its channels over the samples. */
function channelMeans(
  tf: Tf,
  graph: Graph,
  ids: readonly TensorId[],
  hooks: Hooks,
  data: Dataset,
): readonly (readonly number[])[] {
  if (ids.length === 0) return [];
  const runner = runnerOf(tf, { ...graph, outputs: ids });
  const sizes = ids.map((id) => tensorOf(graph, id).shape.at(-1) ?? 1);
  const sums = sizes.map((size) => new Float64Array(size));
  for (let first = 0; first < data.count; first += batch) {
    const count = Math.min(batch, data.count - first);
    const means = elementsOf(tf, () => {
      const outputs = runner.run(batchOf(tf, data, first, batch), hooks);
      return tf.concat(
        outputs.map((output, i) => tf.mean(tf.reshape(output, [-1, sizes[i] ?? 1]), 0)),
      );
    });
    let at = 0;
    for (const sum of sums) {
      sum.forEach((value, channel) => {
        sum[channel] = value + (means[at + channel] as number) * count;
      });
      at += sum.length;
    }
  }
  return sums.map((sum) => [...sum].map((value) => value / data.count));
}
