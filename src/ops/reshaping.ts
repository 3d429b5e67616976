/** Operators that change a tensor's shape and none of its elements. */
import type { Node } from '../ir/graph.js';

const reshaping: ReadonlySet<string> = new Set(['reshape', 'squeeze', 'expand_dims']);

/** Whether output 0 has exactly the elements of input 0, in the same order. */
export function isReshape(node: Pick<Node<object>, 'op'>): boolean {
  return reshaping.has(node.op);
}
