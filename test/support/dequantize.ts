/** An int8 graph as the float graph that it approximates. */

import { type Graph, type Module, mainGraph, type Node } from '../../src/compiler/ir/graph.js';
import { realValues, weighted } from '../../src/compress/float-graph.js';
import { growths } from './graphs.js';

/** Constants become the numbers that their integers stand for; activations become float32. */
export function dequantized(module: Module): Graph {
  const graph = mainGraph(module);
  const biases = biasScalesOf(graph);
  const tensors = graph.tensors.map((tensor, id) => {
    const { data, quant } = tensor;
    const scales = biases.get(id);
    const own =
      scales === undefined
        ? quant
        : { scales, zeroPoints: scales.map(() => 0), axis: scales.length > 1 ? 0 : null };
    const real = data && realValues({ ...tensor, quant: own }, data);
    return { ...tensor, dtype: 'float32' as const, quant: null, data: real };
  });
  return { ...graph, tensors, nodes: graph.nodes.map((node) => realPadding(graph, node)) };
}

/** A pad's value is an integer of its output. */
function realPadding(graph: Graph, node: Node): Node {
  const { value } = node.attrs;
  if (node.op !== 'pad' || typeof value !== 'number') return node;
  const quant = graph.tensors[node.outputs[0] as number]?.quant;
  const real = (value - (quant?.zeroPoints[0] ?? 0)) * (quant?.scales[0] ?? 1);
  return { ...node, attrs: { ...node.attrs, value: real } };
}

function biasScalesOf(graph: Graph): ReadonlyMap<number, readonly number[]> {
  return new Map(
    graph.nodes.flatMap(({ op, inputs: [x, w, bias] }) => {
      if (!weighted.has(op) || bias === null || bias === undefined) return [];
      const input = graph.tensors[x as number]?.quant?.scales[0] ?? 1;
      const scales = graph.tensors[w as number]?.quant?.scales ?? [1];
      return [[bias, scales.map((scale) => scale * input)] as const];
    }),
  );
}

/** Their random graphs have parts that no float graph has: truth, steps, saturated sums. */
const untrained: ReadonlySet<string> = new Set([
  ...['add_n', 'cast', 'compare', 'floor_div', 'floor_mod', 'logical', 'logical_not', 'pow'],
  ...['arg_extreme', 'select'],
]);

/** Operators of float graphs that are trained. */
export const trainedOps = Object.keys(growths).filter((op) => !untrained.has(op));

/** Operators that leave every tensor int8 when a float graph of them is quantized. */
export const quantizedOps = trainedOps.filter(
  (op) => !['dequantize', 'l2_pool2d', 'real_function'].includes(op),
);
