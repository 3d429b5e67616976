/** Fuses a look-up that only clamps into the node before it, as its activation. */
import { type Graph, type Node, type Tensor, type TensorId, viewOf } from '../ir/graph.js';
import {
  type Activation,
  activationRange,
  activations,
  clamp,
  roundingBefore,
  sameQuant,
} from '../ops/arithmetic/quant.js';
import { opOf } from '../ops/index.js';
import { absorb, useCounts } from './rewrite.js';

/**
 * The producer clamps its int8 result to a range and the look-up clamps it again, so one clamp to
 * the intersection does both. Nothing is assumed about how the activation rounds: it is evaluated
 * on all 256 values. Both nodes stay if no activation has the intersection as its range, or if the
 * scales differ.
 */
export function fuseActivations(graph: Graph): Graph {
  const uses = useCounts(graph);
  const producers = new Map<TensorId, number>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const index = input == null || uses[input] !== 1 ? undefined : producers.get(input);
    const producer = index === undefined ? undefined : nodes[index];
    const fused = producer === undefined ? null : fuse(graph, producer, node);
    // The fused node keeps the producer's place: readers of the activation come after both.
    const place = fused === null || index === undefined ? nodes.length : index;
    nodes[place] = fused ?? node;
    for (const id of node.outputs) producers.set(id, place);
  }
  return { ...graph, nodes };
}

function fuse(graph: Graph, producer: Node, node: Node): Node | null {
  if (!opOf(producer).absorbs?.activation || opOf(node).lookup === undefined) return null;
  const [before] = viewOf(graph, producer).outputs;
  const [after] = viewOf(graph, node).outputs;
  if (before?.dtype !== 'int8' || after?.dtype !== 'int8') return null;
  const range = clampOf(graph, node);
  if (range === null || !sameQuant(before.quant, after.quant)) return null;
  const [low, high] = activationRange(producer.attrs.activation as Activation, after);
  const activation = nameOf([Math.max(low, range[0]), Math.min(high, range[1])], after);
  if (activation === null) return null;
  return {
    ...producer,
    ...absorb(producer, node),
    outputs: node.outputs,
    attrs: { ...roundedFor(producer, activation), activation },
  };
}

/** Attributes without what the clamp makes alike. */
function roundedFor({ attrs }: Node, activation: Activation) {
  const { upwardChannels: _, ...rest } = attrs;
  const isDouble =
    attrs.rounding === 'upward' && roundingBefore(activation, attrs.rounding) === 'double';
  return isDouble ? { ...rest, rounding: 'double' } : attrs;
}

type ClampRange = readonly [low: number, high: number];

/** The range to which a look-up clamps; null if it does anything but clamp. */
function clampOf(graph: Graph, node: Node): ClampRange | null {
  const values = opOf(node).lookup?.(viewOf(graph, node)) ?? null;
  if (values === null) return null;
  const [low, high] = [values[0] as number, values[255] as number];
  const clamps = values.every((value, i) => value === clamp(i - 128, low, high));
  return clamps ? [low, high] : null;
}

/** The activation whose range in the output's integers is exactly this one. */
function nameOf([low, high]: ClampRange, output: Tensor): Activation | null {
  const fits = (activation: Activation) => {
    const range = activationRange(activation, output);
    return range[0] === low && range[1] === high;
  };
  return activations.find(fits) ?? null;
}
