/** The reference evaluator: runs a graph operator by operator, bit for bit. */
import { BonsaiError } from '../../errors.js';
import {
  elementCount,
  type Graph,
  type Node,
  statesOf,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { flattened } from './flatten.js';
import { opOf } from './index.js';

export interface Evaluation {
  /** In the order of graph.outputs. */
  readonly outputs: readonly TensorData[];
  /** Values of the states after the run, in the order of graph.states. */
  readonly states: readonly TensorData[];
  /** The elements of every computed tensor. */
  readonly tensors: ReadonlyMap<TensorId, TensorData>;
}

/** The values of a graph's states before the first run. */
export function initialStates(graph: Graph): readonly TensorData[] {
  return statesOf(graph).map(({ initial }) => initial);
}

/**
 * Runs an integer graph on raw quantized inputs, in the order of graph.inputs.
 *
 * @param states values with which the run begins: those after the run before it
 * @throws BonsaiError 'bad-vectors' when the number of values differs from the tensor's
 */
export function evaluateGraph(
  graph: Graph,
  inputs: readonly TensorData[],
  states = initialStates(graph),
): Evaluation {
  const flat = flattened(graph);
  const values = new Map<TensorId, TensorData>();
  statesOf(graph).forEach(({ tensor }, index) => {
    values.set(tensor, states[index] as TensorData);
  });
  graph.inputs.forEach((id, position) => {
    const tensor = tensorOf(graph, id);
    const data = inputs[position];
    if (data === undefined || data.length !== elementCount(tensor.shape)) {
      throw new BonsaiError(
        'bad-vectors',
        `input ${position} "${tensor.name}"`,
        `has ${data?.length ?? 0} values, the model takes ${elementCount(tensor.shape)}`,
        'give the raw quantized integers of the whole tensor, flat',
      );
    }
    values.set(id, data);
  });
  const { elementsOf } = run(flat, values);
  return {
    outputs: graph.outputs.map(elementsOf),
    states: statesOf(graph).map(({ next }) => elementsOf(next)),
    tensors: values,
  };
}

/** Runs the nodes of a flat graph; `values` has those of its inputs, and gets all that are computed. */
function run(graph: Graph, values: Map<TensorId, TensorData>) {
  const sections = graph.flow?.sections ?? [];
  /** What loops carry, since the last turn. */
  const carried = new Map<TensorId, TensorData>();
  const known = (id: TensorId) => carried.get(id) ?? values.get(id) ?? tensorOf(graph, id).data;
  const elementsOf = (id: TensorId): TensorData => {
    const value = known(id);
    if (value === null) throw new RangeError(`tensor ${id} has no value`);
    return value;
  };
  for (let at = 0; at < graph.nodes.length; ) {
    const skipped = sections.find(
      ({ first, condition, runsIf }) =>
        first === at && (Number(elementsOf(condition)[0]) !== 0) !== runsIf,
    );
    if (skipped !== undefined) {
      at = skipped.last + 1;
      continue;
    }
    const node = graph.nodes[at] as Node;
    // It joins the branches of an 'if', of which one has no value.
    const read = node.op === 'select' ? known : elementsOf;
    const inputs = node.inputs.map((id) => (id === null ? null : read(id)));
    const results = opOf(node).evaluate(viewOf(graph, node), inputs);
    node.outputs.forEach((id, position) => {
      const result = results[position];
      if (result === undefined) return;
      values.set(id, result);
      carried.delete(id);
    });
    const loop = sections.find(({ loop, last }) => loop !== undefined && last === at)?.loop;
    const next = loop?.carried.map(([id, value]) => [id, elementsOf(value)] as const) ?? [];
    for (const [id, value] of next) carried.set(id, value);
    at = loop?.again ?? at + 1;
  }
  return { elementsOf };
}
