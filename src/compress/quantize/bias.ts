/**
 * Bias correction (Nagel et al., Data-Free Quantization, 2019): rounding weights and inputs shifts
 * the mean of a channel; its bias takes the shift back. Measured on samples, layer by layer, each
 * behind layers that are corrected already.
 */
import { type Graph, type Tensor, type TensorId, tensorOf } from '../../ir/graph.js';
import type { Dataset } from '../data/dataset.js';
import { type Values, weighted, withValues } from '../float-graph.js';
import { elementsOf, type Tf, type TfTensor } from '../tensorflow.js';
import { constantOf, type Hooks, runnerOf } from '../trace.js';
import { fakeQuantizer } from './fake.js';
import { batchOf } from './observe.js';
import type { Quantization } from './scheme.js';

const batch = 64;

/** The biases of layers with weights. */
export function biasesOf(graph: Graph): Values {
  const ids = graph.nodes.flatMap(({ op, inputs }) =>
    weighted.has(op) ? [inputs[2] ?? null] : [],
  );
  const present = ids.filter((id) => id !== null);
  return new Map(present.map((id) => [id, tensorOf(graph, id).data as Float32Array]));
}

/**
 * The graph with corrected biases; layers without a bias stay as they are.
 *
 * @param reference the float graph whose means to keep, with the same nodes: where the weights of
 *   `graph` are rounded already, the one before
 */
export function biasCorrected(
  tf: Tf,
  graph: Graph,
  quantization: Quantization,
  data: Dataset,
  reference: Graph = graph,
): Graph {
  const { graph: open, sums } = withSums(graph);
  const wanted = channelMeans(tf, withSums(reference).graph, sums, {}, data);
  let corrected = open;
  let values: Values = new Map();
  sums.forEach((sum, layer) => {
    const last = open.nodes.findIndex(({ outputs }) => outputs[0] === sum);
    const bias = open.nodes[last]?.inputs[2] as TensorId;
    const before = { ...corrected, nodes: open.nodes.slice(0, last + 1) };
    const got = quantizedMeans(tf, before, sum, quantization, data);
    const means = wanted[layer] ?? [];
    const moved = (tensorOf(corrected, bias).data as Float32Array).map(
      (value, channel) => value + (means[channel] ?? 0) - (got[channel] ?? 0),
    );
    values = new Map([...values, [bias, moved]]);
    corrected = withValues(open, values);
  });
  return withValues(graph, values);
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

/** The mean of each channel of `sum`, which itself is not rounded. */
function quantizedMeans(
  tf: Tf,
  graph: Graph,
  sum: TensorId,
  quantization: Quantization,
  data: Dataset,
): readonly number[] {
  const quantizer = fakeQuantizer(tf, graph, quantization);
  const hooks = quantizer.hooks((id) => constantOf(tf, tensorOf(graph, id)));
  const computed = (id: TensorId, value: TfTensor) =>
    id === sum ? value : (hooks.computed?.(id, value) ?? value);
  const [means = []] = channelMeans(tf, graph, [sum], { ...hooks, computed }, data);
  tf.dispose([...quantizer.variables.values()]);
  return means;
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
