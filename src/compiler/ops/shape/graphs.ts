/** Shared by if and while: what nodes that own graphs give to these and take from them. */
import { BonsaiError, InternalError } from '../../../errors.js';
import { arenaTypes } from '../../ir/dtypes.js';
import {
  at,
  elementCount,
  type Graph,
  type NodeView,
  statesOf,
  type Tensor,
  tensorOf,
} from '../../ir/graph.js';
import type { OpDef } from '../../ir/op.js';
import { sameQuant } from '../arithmetic/quant.js';

/** The graphs of a node that owns `count`. @throws BonsaiError 'bad-graph' */
export function graphsOf(view: NodeView<object>, count: number): readonly Graph[] {
  const { graphs = [] } = view.node;
  if (graphs.length === count && graphs.every((graph) => statesOf(graph).length === 0)) {
    return graphs;
  }
  throw bad(
    view,
    `owns ${graphs.length} graphs, or states in them; it runs ${count} without states`,
  );
}

export function inputsOf(graph: Graph): readonly Tensor[] {
  return graph.inputs.map((id) => tensorOf(graph, id));
}

export function outputsOf(graph: Graph): readonly Tensor[] {
  return graph.outputs.map((id) => tensorOf(graph, id));
}

/**
 * Refuses tensors that are not alike one by one: in number, type, shape and quantization.
 *
 * @param what of the two, for the message: 'the inputs of its condition'
 * @throws BonsaiError 'bad-graph'
 */
export function requireAlike(
  view: NodeView<object>,
  what: string,
  given: readonly (Tensor | null)[],
  taken: readonly Tensor[],
): void {
  if (given.length !== taken.length) {
    throw bad(view, `has ${taken.length} tensors as ${what}; it needs ${given.length}`);
  }
  taken.forEach((tensor, i) => {
    const other = given[i];
    const kind = ({ dtype, shape }: Tensor) => `${dtype}[${shape.join(', ')}]`;
    if (other != null && kind(other) === kind(tensor) && sameQuant(other.quant, tensor.quant))
      return;
    const kinds = `${kind(tensor)}, not ${other == null ? 'absent' : kind(other)}`;
    throw bad(view, `tensor "${tensor.name}" of ${what} is ${kinds} of the same quantization`);
  });
}

/** Refuses a condition that is not one bool. @throws BonsaiError */
export function requireCondition(
  view: NodeView<object>,
  condition: Tensor | null | undefined,
): void {
  if (condition?.dtype === 'bool' && elementCount(condition.shape) === 1) return;
  const found = condition == null ? 'absent' : `${condition.dtype}[${condition.shape.join(', ')}]`;
  throw bad(view, `its condition is ${found}; it must be one bool`);
}

function bad(view: NodeView<object>, message: string): BonsaiError {
  return new BonsaiError('bad-graph', at(view.node), message, 'convert the model again');
}

/** What holds for both operators: `flattened` replaces their nodes before anything computes them. */
export const owner = {
  types: arenaTypes,
  evaluate(view: NodeView<object>): never {
    throw new InternalError('ops', `${at(view.node)} is not flat`);
  },
  macs: () => 0,
  inPlace: () => [],
  internal: true,
} satisfies Partial<OpDef>;
