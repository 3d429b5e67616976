/**
 * Lets readers take the input of a reshape where its shape says nothing to them.
 *
 * Every other reshape stays in the IR, where it keeps shapes honest, and costs nothing: the plan
 * puts its output where its input is (plan/lifetimes.ts) and makes no step of it.
 */
import { type Graph, type Node, type TensorId, tensorOf } from '../ir/graph.js';
import { sameQuant } from '../ops/arithmetic/quant.js';
import { opOf } from '../ops/index.js';
import { isReshape } from '../ops/shape/same-elements.js';

export function dropReshapes(graph: Graph): Graph {
  /** Output of a reshape → what it reshapes, through chains of them. */
  const sources = new Map<TensorId, TensorId>();
  const nodes = graph.nodes.map((node) => {
    const inputs = node.inputs.map((id, position) => {
      const source = id === null ? undefined : sources.get(id);
      if (id === null || source === undefined) return id;
      return ignoresShape(node, position) || sameShape(graph, source, id) ? source : id;
    });
    const [input] = inputs;
    const [output] = node.outputs;
    if (isReshape(node) && input != null && output !== undefined) {
      if (sameQuant(tensorOf(graph, input).quant, tensorOf(graph, output).quant)) {
        sources.set(output, input);
      }
    }
    return { ...node, inputs };
  });
  return { ...graph, nodes };
}

/** Whether the node sees this input as a flat sequence of elements. */
function ignoresShape(node: Node, position: number): boolean {
  if (isReshape(node)) return true;
  return position === 0 && opOf(node).absorbs?.reshape?.(node.attrs) === true;
}

function sameShape(graph: Graph, a: TensorId, b: TensorId): boolean {
  return tensorOf(graph, a).shape.join() === tensorOf(graph, b).shape.join();
}
