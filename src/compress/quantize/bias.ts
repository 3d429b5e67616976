/**
 * Bias correction (Nagel et al., Data-Free Quantization, 2019): rounding weights and inputs shifts
 * the mean of a channel; its bias takes the shift back. Measured on samples, layer by layer, each
 * behind layers that are corrected already.
 */
import {
  type Graph,
  type Node,
  type NodeView,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../ir/graph.js';
import type { Dataset } from '../data/dataset.js';
import { weighted, withValues } from '../float-graph.js';
import { traceOf } from '../ops/index.js';
import { elementsOf, type Tf, type TfTensor } from '../tensorflow.js';
import { type Hooks, runnerOf } from '../trace.js';
import { fakeQuantizer } from './fake.js';
import { batchOf } from './observe.js';
import type { Quantization } from './scheme.js';

const batch = 64;

/** The graph with corrected biases; layers without a bias stay as they are. */
export function biasCorrected(
  tf: Tf,
  graph: Graph,
  quantization: Quantization,
  data: Dataset,
): Graph {
  let corrected = graph;
  for (const node of graph.nodes) {
    const bias = node.inputs[2] ?? null;
    if (!weighted.has(node.op) || bias === null) continue;
    const wanted = meanSums(tf, graph, null, node, data);
    const got = meanSums(tf, corrected, quantization, node, data);
    const values = tensorOf(corrected, bias).data as Float32Array;
    const moved = values.map(
      (value, channel) => value + (wanted[channel] ?? 0) - (got[channel] ?? 0),
    );
    corrected = withValues(corrected, new Map([[bias, moved]]));
  }
  return corrected;
}

/** The mean of each channel of a layer before its activation, fake-quantized or in float. */
function meanSums(
  tf: Tf,
  graph: Graph,
  quantization: Quantization | null,
  node: Node,
  data: Dataset,
): Float64Array {
  const runner = runnerOf(tf, until(graph, node));
  const quantizer = quantization === null ? null : fakeQuantizer(tf, graph, quantization);
  const view = { ...viewOf(graph, node), attrs: { ...node.attrs, activation: 'none' } };
  const sums = new Float64Array(tensorOf(graph, node.inputs[2] ?? 0).shape[0] ?? 1);
  let rows = 0;
  for (let first = 0; first < data.count; first += batch) {
    const means = elementsOf(tf, () => {
      const constant = (id: TensorId) => constantOf(tf, graph, id);
      const hooks: Hooks = quantizer === null ? {} : quantizer.hooks(constant);
      const [input] = runner.run([batchOf(tf, data, first, batch)], hooks);
      const parameters = [1, 2].map((position) => {
        const id = node.inputs[position] as TensorId;
        return hooks.parameter?.(id) ?? constant(id);
      });
      return channelMeans(tf, view, [input as TfTensor, ...parameters]);
    });
    const count = Math.min(batch, data.count - first);
    means.forEach((mean, channel) => {
      sums[channel] = (sums[channel] as number) + mean * count;
    });
    rows += count;
  }
  tf.dispose([...(quantizer?.variables.values() ?? [])]);
  return sums.map((sum) => sum / rows);
}

function channelMeans(tf: Tf, view: NodeView, operands: readonly TfTensor[]): TfTensor {
  const [x] = operands as [TfTensor];
  const n = x.shape[0] ?? 1;
  const resized = view.outputs.map((tensor) => ({
    ...tensor,
    shape: [n, ...tensor.shape.slice(1)],
  }));
  const [input, ...rest] = view.inputs;
  const inputs = [
    input === null || input === undefined ? null : { ...input, shape: x.shape },
    ...rest,
  ];
  const [sums] = traceOf(view.node)(tf, { ...view, inputs, outputs: resized }, operands);
  const flat = tf.reshape(sums as TfTensor, [-1, operands[2]?.shape[0] ?? 1]);
  return tf.mean(flat, 0);
}

/** The graph up to the input of `node`. */
function until(graph: Graph, node: Node): Graph {
  const nodes = graph.nodes.slice(0, graph.nodes.indexOf(node));
  return { ...graph, nodes, outputs: [node.inputs[0] as TensorId] };
}

function constantOf(tf: Tf, graph: Graph, id: TensorId): TfTensor {
  const { data, shape } = tensorOf(graph, id);
  return tf.tensor(data as Float32Array, [...shape]);
}
