/** Fuses a sum into the convolution or fully connected layer that computes one of its addends. */
import {
  type Graph,
  type Node,
  type NodeView,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import type { AccumulationAttrs } from '../ops/arithmetic/accumulation.js';
import { residualTables } from '../ops/arithmetic/residual.js';
import { opOf } from '../ops/index.js';
import { absorb, useCounts } from './rewrite.js';

/**
 * If both addends come from such layers, the later layer absorbs the sum, since the other addend is
 * computed by then. The fused node takes the sum's place. Three kinds of sums stay: those that two
 * tables do not compute exactly (ops/arithmetic/sum-tables.ts), those with a constant, and those
 * that broadcast an operand.
 */
export function fuseResiduals(graph: Graph): Graph {
  const uses = useCounts(graph);
  const producers = new Map<TensorId, number>();
  const nodes: (Node | null)[] = [];
  for (const [index, node] of graph.nodes.entries()) {
    const candidates = node.op === 'add' ? node.inputs : [];
    const places = candidates
      .flatMap((id) => (id === null || uses[id] !== 1 ? [] : (producers.get(id) ?? [])))
      .sort((a, b) => b - a);
    let result = node;
    for (const place of places) {
      const fused = fuse(graph, nodes[place] ?? null, node);
      if (fused === null) continue;
      nodes[place] = null;
      result = fused;
      break;
    }
    nodes.push(result);
    for (const id of node.outputs) producers.set(id, index);
  }
  return { ...graph, nodes: nodes.filter((node) => node !== null) };
}

function fuse(graph: Graph, producer: Node | null, add: Node): Node | null {
  if (producer === null || !opOf(producer).absorbs?.residual) return null;
  if (producer.inputs.length > 3) return null;
  const [mid] = producer.outputs;
  const skip = add.inputs.find((id) => id !== mid);
  if (mid === undefined || skip == null) return null;
  const [before, other, after] = [mid, skip, add.outputs[0] ?? mid].map((id) =>
    tensorOf(graph, id),
  );
  const scale = before?.quant?.scales[0];
  const zeroPoint = before?.quant?.zeroPoints[0];
  const isFit =
    other?.data === null &&
    [before, other, after].every((tensor) => tensor?.dtype === 'int8') &&
    [before, other].every((tensor) => tensor?.shape.join() === after?.shape.join());
  if (!isFit || scale === undefined || zeroPoint === undefined) return null;
  const [input, weights, bias = null] = producer.inputs;
  const fused: Node = {
    ...producer,
    ...absorb(producer, add),
    inputs: [input ?? null, weights ?? null, bias, skip],
    outputs: add.outputs,
    attrs: {
      ...producer.attrs,
      midScale: scale,
      midZeroPoint: zeroPoint,
      addActivation: add.attrs.activation ?? 'none',
      ...(add.attrs.ratios === undefined ? {} : { addRatios: add.attrs.ratios }),
    },
  };
  const view: NodeView<object> = viewOf(graph, fused);
  return residualTables(view as NodeView<AccumulationAttrs>) === null ? null : fused;
}
