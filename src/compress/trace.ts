/** Runs a float graph on tensors, so that it can be observed, differentiated and trained. */

import {
  type Graph,
  type Node,
  type NodeView,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from '../compiler/ir/graph.js';
import { BonsaiError } from '../errors.js';
import { batchSizes, rebatched } from './float-graph.js';
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
    const outputs = runNode(tf, viewOf(graph, node), operands, compute);
    node.outputs.forEach((id, i) => {
      values.set(id, computed(id, outputs[i] as TfTensor));
    });
  }
  return graph.outputs.map(valueFor);
}

function runNode(
  tf: Tf,
  view: NodeView,
  operands: readonly (TfTensor | null)[],
  compute: Hooks['node'],
): readonly TfTensor[] {
  return compute?.(view, operands) ?? traceOf(view.node)(tf, view, operands);
}

/**
 * Samples on their way through a graph, node by node, so that what comes later can follow from what is
 * known by then. Between calls it keeps the tensors that later nodes read.
 */
export class Walk {
  private readonly parts: readonly { graph: Graph; values: Map<TensorId, TfTensor> }[];
  private readonly lastReader = new Map<TensorId, number>();
  /** Nodes that are computed. */
  private at = 0;
  private hasBegun = false;

  /** @param inputs [n, …], for each input of the graph; they are its own */
  constructor(
    private readonly tf: Tf,
    graph: Graph,
    private readonly inputs: readonly TfTensor[],
  ) {
    const batch = inputs[0]?.shape[0] ?? 1;
    const whole = rebatched(graph, batch);
    const graphs = whole !== null ? [whole] : Array.from({ length: batch }, () => graph);
    this.parts = graphs.map((each) => ({ graph: each, values: new Map() }));
    graph.nodes.forEach(({ inputs: read }, index) => {
      for (const id of read) if (id !== null) this.lastReader.set(id, index);
    });
  }

  /** Computes the nodes before `end`. */
  advance(end: number, hooks: Hooks): void {
    for (const [part, { graph, values }] of this.parts.entries()) {
      if (!this.hasBegun) this.begin(part, hooks);
      for (let index = this.at; index < end; index += 1) {
        const outputs = this.tf.tidy(() => {
          const { outputs: ids } = graph.nodes[index] as Node;
          return this.outputsOf(part, index, hooks).map((output, i) =>
            // A tensor of its own: traces may return an operand.
            this.tf.clone(hooks.computed?.(ids[i] as TensorId, output) ?? output),
          );
        });
        graph.nodes[index]?.outputs.forEach((id, i) => {
          values.set(id, outputs[i] as TfTensor);
        });
        this.forget(values, index);
      }
    }
    this.hasBegun = true;
    this.at = Math.max(this.at, end);
  }

  /** Output 0 of the next node, which stays the next: [n, …]. Call it within tf.tidy. */
  peek(hooks: Hooks): TfTensor {
    const outputs = this.parts.map((_, part) => this.outputsOf(part, this.at, hooks)[0]);
    const [only] = outputs as [TfTensor];
    return outputs.length === 1 ? only : this.tf.stack(outputs as TfTensor[]);
  }

  dispose(): void {
    const held = this.parts.flatMap(({ values }) => [...values.values()]);
    this.tf.dispose([...this.inputs, ...held]);
  }

  private begin(part: number, hooks: Hooks): void {
    const { graph, values } = this.parts[part] as (typeof this.parts)[number];
    graph.inputs.forEach((id, i) => {
      const value = this.tf.tidy(() => {
        const all = this.inputs[i] as TfTensor;
        const own = this.parts.length === 1 ? all : this.tf.slice(all, part, 1);
        return this.tf.clone(hooks.computed?.(id, own) ?? own);
      });
      values.set(id, value);
    });
  }

  private outputsOf(part: number, index: number, hooks: Hooks): readonly TfTensor[] {
    const { graph, values } = this.parts[part] as (typeof this.parts)[number];
    const node = graph.nodes[index] as Node;
    const operands = node.inputs.map((id) => {
      if (id === null) return null;
      const known = values.get(id) ?? hooks.parameter?.(id);
      return known ?? constantOf(this.tf, tensorOf(graph, id));
    });
    return runNode(this.tf, viewOf(graph, node), operands, hooks.node);
  }

  private forget(values: Map<TensorId, TfTensor>, index: number): void {
    for (const [id, value] of values) {
      if ((this.lastReader.get(id) ?? -1) > index) continue;
      value.dispose();
      values.delete(id);
    }
  }
}

/** @throws BonsaiError 'unsupported-type' for integers */
export function constantOf(tf: Tf, { name, data, dtype, shape }: Tensor): TfTensor {
  if (data === null || dtype !== 'float32') {
    const message = `is ${dtype}, which a float graph cannot compute with`;
    throw new BonsaiError('unsupported-type', `tensor "${name}"`, message, 'convert it in float32');
  }
  return tf.tensor(data as Float32Array, [...shape]);
}
