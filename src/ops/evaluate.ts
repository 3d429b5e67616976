/** The reference evaluator: runs a graph operator by operator, bit for bit. */
import { BonsaiError } from '../errors.js';
import {
  elementCount,
  type Graph,
  statesOf,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
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
  const elementsOf = (id: TensorId): TensorData => {
    const value = values.get(id) ?? tensorOf(graph, id).data;
    if (value === null || value === undefined) throw new RangeError(`tensor ${id} has no value`);
    return value;
  };
  for (const node of graph.nodes) {
    const results = opOf(node).evaluate(
      viewOf(graph, node),
      node.inputs.map((id) => (id === null ? null : elementsOf(id))),
    );
    node.outputs.forEach((id, position) => {
      const result = results[position];
      if (result !== undefined) values.set(id, result);
    });
  }
  return {
    outputs: graph.outputs.map(elementsOf),
    states: statesOf(graph).map(({ next }) => elementsOf(next)),
    tensors: values,
  };
}
