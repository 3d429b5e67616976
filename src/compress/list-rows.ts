/** Lists of a recurrent layer's results, of which each turn updates a row. */
import { type Graph, type Node, type TensorId, tensorOf, viewOf } from '../compiler/ir/graph.js';
import { clamp } from '../compiler/ops/arithmetic/quant.js';

/** The updated rows of a list, by index. */
type Rows = ReadonlyMap<number, TensorId>;

/**
 * The graph in which a list whose rows are all updated is their concatenation. Where the batch comes
 * first again, rows are put side by side, so that samples stay apart.
 */
export function withRowsOfLists(graph: Graph): Graph {
  const lists = new Map<TensorId, Rows>();
  const nodes = graph.nodes.map((node) => {
    const list = node.inputs[0] as TensorId;
    const rows = lists.get(list) ?? new Map<number, TensorId>();
    if (node.op !== 'dynamic_update_slice') {
      const isWhole = rows.size > 0 && rows.size === tensorOf(graph, list).shape[0];
      return isWhole && putsBatchFirst(graph, node) ? concatenation(node, rows, 1) : node;
    }
    const [output] = node.outputs as [TensorId];
    const all = updated(graph, node, rows);
    lists.set(output, all);
    return all.size === tensorOf(graph, output).shape[0] ? concatenation(node, all, 0) : node;
  });
  return { ...graph, nodes };
}

/** The rows behind an update; none where it is at a computed index, or of another part. */
function updated(graph: Graph, node: Node, rows: Rows): Rows {
  const [list, row, start] = viewOf(graph, node).inputs;
  const [extent = 0, ...rest] = list?.shape ?? [];
  if (start?.data == null || row?.shape.join() !== [1, ...rest].join()) return new Map();
  const index = clamp(Number(start.data[0]), 0, extent - 1);
  return new Map([...rows, [index, node.inputs[1] as TensorId]]);
}

/** Whether a node makes [1, n, …] of [n, 1, …], with elements in their order. */
function putsBatchFirst(graph: Graph, node: Node): boolean {
  const { op, attrs, inputs, outputs } = node;
  const [from, to] = [inputs[0], outputs[0]].map((id) => tensorOf(graph, id as TensorId).shape);
  const [steps, batch, ...rest] = from ?? [];
  if (batch !== 1 || to?.join() !== [1, steps, ...rest].join()) return false;
  const order = [1, 0, ...rest.map((_, d) => d + 2)];
  return op === 'reshape' || (op === 'transpose' && String(attrs.perm) === order.join());
}

function concatenation(node: Node, rows: Rows, axis: number): Node {
  const inputs = [...rows].sort(([a], [b]) => a - b).map(([, row]) => row);
  return { ...node, op: 'concatenation', inputs, attrs: { axis, activation: 'none' } };
}
