/** What is worked out about a node is kept: kernel choice asks for it several times. */
import type { Node } from '../ir/graph.js';
import type { Facts } from '../ir/op.js';

/** A memory of one value for each node, under the facts that it follows from. */
export function rememberByNode<T>(): (node: Node<object>, facts: Facts, make: () => T) => T {
  const memory = new WeakMap<Facts, WeakMap<object, { readonly value: T }>>();
  return (node, facts, make) => {
    const byNode = memory.get(facts) ?? new WeakMap<object, { readonly value: T }>();
    memory.set(facts, byNode);
    const kept = byNode.get(node) ?? { value: make() };
    byNode.set(node, kept);
    return kept.value;
  };
}
