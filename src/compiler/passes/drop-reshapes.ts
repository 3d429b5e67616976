/**
 * Connects a node that ignores the shape of its input to the input of the reshape before it.
 *
 * Every other reshape stays in the IR, where it keeps shapes consistent, and costs nothing: the
 * plan places its output at its input's address (plan/arena/lifetimes.ts) and makes no step of it.
 */
import { type Graph, type Node, statesOf, type TensorId, tensorOf } from '../ir/graph.js';
import { sameQuant } from '../ops/arithmetic/quant.js';
import { opOf } from '../ops/index.js';
import { isReshape } from '../ops/shape/same-elements.js';

export function dropReshapes(graph: Graph): Graph {
  // The copy of a state may be needed after the state has changed.
  const states = new Set(statesOf(graph).map(({ tensor }) => tensor));
  /** Output of a reshape → the tensor that it reshapes, through chains of reshapes. */
  const sources = new Map<TensorId, TensorId>();
  const nodes = graph.nodes.map((node) => {
    const inputs = node.inputs.map((id, position) => {
      const source = id === null ? undefined : sources.get(id);
      if (id === null || source === undefined) return id;
      return ignoresShape(node, position) || sameShape(graph, source, id) ? source : id;
    });
    const [input] = inputs;
    const [output] = node.outputs;
    if (isReshape(node) && input != null && !states.has(input) && output !== undefined) {
      if (sameQuant(tensorOf(graph, input).quant, tensorOf(graph, output).quant)) {
        sources.set(output, input);
      }
    }
    return { ...node, inputs };
  });
  return { ...graph, nodes };
}

/** Whether the node reads this input as a flat sequence of elements. */
function ignoresShape(node: Node, position: number): boolean {
  if (isReshape(node)) return true;
  return position === 0 && opOf(node).absorbs?.reshape?.(node.attrs) === true;
}

function sameShape(graph: Graph, a: TensorId, b: TensorId): boolean {
  return tensorOf(graph, a).shape.join() === tensorOf(graph, b).shape.join();
}
