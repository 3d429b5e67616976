/** Fuses a pad of height and width into the convolution that reads it. */
import { type Graph, type Node, type TensorId, viewOf } from '../ir/graph.js';
import { sameQuant } from '../ops/arithmetic/quant.js';
import { opOf } from '../ops/index.js';
import { absorb, useCounts } from './rewrite.js';

/**
 * A pad fills with the zero point, and a convolution's own padding counts as the zero point, so the
 * sums are the same. Pools never absorb a pad: an average pool divides by the elements inside the
 * image, and a max pool ignores its padding.
 */
export function fusePads(graph: Graph): Graph {
  const uses = useCounts(graph);
  const pads = new Map<TensorId, Node>();
  const absorbed = new Set<Node>();
  const nodes = graph.nodes.map((node) => {
    const [input] = node.inputs;
    const [output] = node.outputs;
    if (node.op === 'pad' && output !== undefined) {
      if (uses[output] === 1 && isSpatial(graph, node)) pads.set(output, node);
      return node;
    }
    const pad = input == null ? undefined : pads.get(input);
    if (pad === undefined || !opOf(node).absorbs?.pad) return node;
    absorbed.add(pad);
    const [, , top = 0, bottom = 0, left = 0, right = 0] = pad.attrs.pads as readonly number[];
    const attrs = {
      ...node.attrs,
      padTop: Number(node.attrs.padTop) + top,
      padBottom: Number(node.attrs.padBottom) + bottom,
      padLeft: Number(node.attrs.padLeft) + left,
      padRight: Number(node.attrs.padRight) + right,
    };
    const inputs = [pad.inputs[0] ?? null, ...node.inputs.slice(1)];
    return { ...node, ...absorb(node, pad), inputs, attrs };
  });
  return { ...graph, nodes: nodes.filter((node) => !absorbed.has(node)) };
}

/** Whether a pad adds zero points to height and width alone and keeps the quantization. */
function isSpatial(graph: Graph, pad: Node): boolean {
  const [input] = viewOf(graph, pad).inputs;
  const [output] = viewOf(graph, pad).outputs;
  if (input == null || output === undefined) return false;
  const { pads, value } = pad.attrs;
  const [n0, n1, , , , , c0, c1, ...more] = pads as readonly number[];
  return (
    c1 !== undefined &&
    more.length === 0 &&
    [n0, n1, c0, c1].every((amount) => amount === 0) &&
    (value === undefined || value === output.quant?.zeroPoints[0]) &&
    sameQuant(input.quant, output.quant)
  );
}
