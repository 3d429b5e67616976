/** Runs a float graph on tensors, so that it can be observed, differentiated and trained. */
import { BonsaiError } from '../errors.js';
import {
  type Graph,
  type NodeView,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { batchSizes } from './float-graph.js';
import { traceOf } from './ops/index.js';
import type { Tf, TfTensor } from './tensorflow.js';

export interface Hooks {
  /** The value of a constant; without it, or with null, the graph's own. */
  parameter?(id: TensorId): TfTensor | null;
  /** Computes a node; without it, or with null, the trace of its operator does. */
  node?(view: NodeView, operands: readonly (TfTensor | null)[]): readonly TfTensor[] | null;
  /** Called with each input of the graph and each computed tensor: the value that readers get. */
  computed?(id: TensorId, value: TfTensor): TfTensor;
}

/** A graph that runs batches of any size. */
export interface Runner {
  /**
   * The outputs of a batch, each [n, …]. `inputs` holds a tensor [n, …] for each input of the
   * graph. Call it within tf.tidy.
   */
  run(inputs: readonly TfTensor[], hooks?: Hooks): readonly TfTensor[];
}

/**
 * Samples of a batch run together where the graph allows, else one by one.
 */
export function runnerOf(tf: Tf, graph: Graph): Runner {
  const sized = batchSizes(graph);
  return {
    run(inputs, hooks = {}) {
      const batch = inputs[0]?.shape[0] ?? 1;
      const whole = sized(batch);
      if (whole !== null) return runGraph(tf, whole, inputs, hooks);
      const samples = Array.from({ length: batch }, (_, i) =>
        runGraph(
          tf,
          graph,
          inputs.map((input) => tf.slice(input, i, 1)),
          hooks,
        ),
      );
      return graph.outputs.map((_, output) =>
        tf.stack(samples.map((outputs) => outputs[output] as TfTensor)),
      );
    },
  };
}

function runGraph(
  tf: Tf,
  graph: Graph,
  inputs: readonly TfTensor[],
  { parameter, node: compute, computed = (_, value) => value }: Hooks,
): readonly TfTensor[] {
  const values = new Map<TensorId, TfTensor>();
  graph.inputs.forEach((id, i) => {
    values.set(id, computed(id, inputs[i] as TfTensor));
  });
  const valueFor = (id: TensorId): TfTensor => {
    const known = values.get(id) ?? parameter?.(id) ?? constantOf(tf, tensorOf(graph, id));
    values.set(id, known);
    return known;
  };
  for (const node of graph.nodes) {
    const operands = node.inputs.map((id) => (id === null ? null : valueFor(id)));
    const view = viewOf(graph, node);
    const outputs = compute?.(view, operands) ?? traceOf(node)(tf, view, operands);
    node.outputs.forEach((id, i) => {
      values.set(id, computed(id, outputs[i] as TfTensor));
    });
  }
  return graph.outputs.map(valueFor);
}

/** @throws BonsaiError 'unsupported-type' for integers */
export function constantOf(tf: Tf, { name, data, dtype, shape }: Tensor): TfTensor {
  if (data === null || dtype !== 'float32') {
    const message = `is ${dtype}, which a float graph cannot compute with`;
    throw new BonsaiError('unsupported-type', `tensor "${name}"`, message, 'convert it in float32');
  }
  return tf.tensor(data as Float32Array, [...shape]);
}
