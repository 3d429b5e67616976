/** Every operator that bonsaic knows, one line each. */
import { InternalError } from '../errors.js';
import type { Node } from '../ir/graph.js';
import type { OpDef, OpTable } from '../ir/op.js';

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own attributes.
const all: readonly OpDef<any>[] = [];

export const operators: OpTable = new Map(all.map((op) => [op.name, op]));

/** The definition of a node's operator. */
export function opOf(node: Pick<Node<object>, 'op'>): OpDef {
  const op = operators.get(node.op);
  if (op === undefined) throw new InternalError('ops', `no operator "${node.op}"`);
  return op;
}
