/** Nodes as TFLite's builtin operators, by the rows from which the importer reads them. */

import type { Attrs, Node, NodeView, TensorId } from '../../ir/graph.js';
import { rows } from './ops.js';
import { type Extras, inexpressible, type Row } from './rows.js';

/** A row that is written, and the operator's name in the file. */
export interface Writer extends Row {
  readonly name: string;
}

/** Rows by operator of the IR, in the order in which they are asked whether they express a node. */
const writers = new Map<string, Writer[]>();
for (const [name, row] of rows) {
  if (row.versions.length === 0) continue;
  for (const op of row.computed === undefined ? [row.op] : [row.op, row.computed.op]) {
    writers.set(op, [...(writers.get(op) ?? []), { ...row, name }]);
  }
}

function writerFor(op: string, attrs: Attrs): Writer | undefined {
  const all = writers.get(op);
  const hasFixed = ({ fixed }: Row) =>
    Object.entries(fixed).every(([name, value]) => attrs[name] === value);
  // Of one that none expresses, reading the file back tells what differs.
  return all?.find((row) => row.when?.(attrs) ?? hasFixed(row)) ?? all?.[0];
}

/** Whether TFLite has int16 kernels of a node's operator. */
export function hasWideForm({ op, attrs }: Pick<Node, 'op' | 'attrs'>): boolean {
  return writerFor(op, attrs)?.versions[1] !== undefined;
}

/** The writer of a node. @throws BonsaiError for an operator that TFLite lacks */
export function writerOf(view: NodeView): Writer {
  const writer = writerFor(view.node.op, view.attrs);
  if (writer === undefined) throw inexpressible(view, view.node.op);
  return writer;
}

/** The version of the operator that the node's type needs. */
export function versionOf({ versions: [int8 = 1, int16 = int8] }: Row, view: NodeView): number {
  return view.outputs[0]?.dtype === 'int16' ? int16 : int8;
}

export interface WrittenOperator {
  readonly inputs: readonly (TensorId | null)[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** The node's inputs and its constants in the positions of the file, and its options. */
export function writeOperator(
  { operands, parts }: Row,
  view: NodeView,
  extras: Extras,
): WrittenOperator {
  const inputs: (TensorId | null)[] = [];
  view.node.inputs.forEach((input, i) => {
    inputs[operands === 'all' ? i : (operands[i] ?? i)] = input;
  });
  const options = Object.assign({}, ...parts.map((part) => part.write?.(view)));
  const constants = parts.flatMap((part) => part.constants ?? []);
  for (const { position, make } of constants.sort((a, b) => a.position - b.position)) {
    inputs[position] = make(view, extras);
  }
  return { inputs, options };
}
