/**
 * A module in the operators of other runtimes: undoes the fusions of the passes.
 *
 * A residual becomes an ADD, a zero point is taken out of its bias, and padding that is neither
 * SAME nor VALID becomes a PAD. Each gives the same bits. Other differences are found by reading
 * the file back (tflite.ts).
 */

import {
  elementCount,
  type Graph,
  type Node,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../ir/graph.js';
import { opOf } from '../../ops/index.js';
import { inexpressible } from './rows.js';
import { paddingOf, padNames, padsIn } from './windows.js';

/** @throws BonsaiError 'unsupported-attribute' for a node that TFLite cannot compute exactly */
export function plainGraph(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const nodes = graph.nodes.flatMap((node) => {
    const builder = { tensors, graph: { ...graph, tensors } };
    const [summed, sum] = withoutResidual(builder, node);
    const [pad, padded] = withoutPadding(builder, withoutFoldedZeroPoint(builder, summed));
    refuseTable(builder, padded);
    return [...pad, padded, ...sum];
  });
  return { ...graph, tensors, nodes };
}

interface Builder {
  /** The graph's tensors; new ones are appended. */
  readonly tensors: Tensor[];
  readonly graph: Graph;
}

/** The node without its residual, and the sum as a node of its own. */
function withoutResidual({ tensors, graph }: Builder, node: Node): [Node, readonly Node[]] {
  const { midScale, midZeroPoint, addActivation, ...attrs } = node.attrs;
  const [output, skip] = [node.outputs[0], node.inputs[3]];
  if (midScale === undefined || output === undefined || skip == null) return [node, []];
  const mid = tensors.push({
    ...tensorOf(graph, output),
    name: `${node.name}/before_sum`,
    quant: { scales: [Number(midScale)], zeroPoints: [Number(midZeroPoint)], axis: null },
  });
  const sum: Node = {
    ...node,
    op: 'add',
    inputs: [mid - 1, skip],
    attrs: { activation: addActivation ?? 'none' },
    fused: [],
  };
  return [{ ...node, inputs: node.inputs.slice(0, 3), outputs: [mid - 1], attrs }, [sum]];
}

/** b = b' + zp·Σ w: the inverse of the pass fold-zero-points. */
function withoutFoldedZeroPoint({ tensors, graph }: Builder, node: Node): Node {
  const { zeroPointFolded, ...attrs } = node.attrs;
  if (zeroPointFolded !== true) return node;
  const view = viewOf(graph, node);
  const [input, weights, bias] = view.inputs;
  const isFirst = opOf(node).filters === 'first';
  if (bias?.data == null || weights?.data == null) throw inexpressible(view, 'a folded zero point');
  const zeroPoint = input?.quant?.zeroPoints[0] ?? 0;
  const channels = bias.data.length;
  const perChannel = weights.data.length / channels;
  const sums = Array.from(bias.data, Number);
  weights.data.forEach((weight: number | bigint, i: number) => {
    const channel = isFirst ? Math.floor(i / perChannel) : i % channels;
    sums[channel] = (sums[channel] as number) + zeroPoint * Number(weight);
  });
  if (sums.some((sum) => Math.abs(sum) >= 2 ** 31)) {
    throw inexpressible(view, 'a bias beyond 32 bits');
  }
  const inputs = [...node.inputs];
  inputs[2] = tensors.push({ ...bias, data: Int32Array.from(sums) }) - 1;
  return { ...node, inputs, attrs };
}

/** A PAD before the node, with the input's zero point, as which a window's padding counts. */
function withoutPadding({ tensors, graph }: Builder, node: Node): [readonly Node[], Node] {
  const view = viewOf(graph, node);
  const [, kernelH = 1, kernelW = 1] = view.inputs[1]?.shape ?? [];
  const [source] = node.inputs;
  const isWindow = opOf(node).absorbs?.pad === true && source != null;
  if (!isWindow || paddingOf(view, [kernelH, kernelW]) !== null) return [[], node];
  const [top = 0, bottom = 0, left = 0, right = 0] = padsIn(view);
  const pads = [0, 0, top, bottom, left, right, 0, 0];
  const image = tensorOf(graph, source);
  const shape = image.shape.map(
    (extent, d) => extent + (pads[2 * d] ?? 0) + (pads[2 * d + 1] ?? 0),
  );
  const padded: TensorId =
    tensors.push({ ...image, name: `${node.name}/padded`, shape, data: null }) - 1;
  const pad: Node = {
    ...node,
    op: 'pad',
    inputs: [source],
    outputs: [padded],
    attrs: { pads },
    fused: [],
  };
  const none = Object.fromEntries(padNames.map((name) => [name, 0]));
  const inputs = [padded, ...node.inputs.slice(1)];
  return [[pad], { ...node, inputs, attrs: { ...node.attrs, ...none } }];
}

/** Refuses composed look-ups: no operator of the format takes a table of 256 values. */
function refuseTable({ graph }: Builder, node: Node): void {
  if (opOf(node).lookup === undefined || node.inputs.length < 2) return;
  const view = viewOf(graph, node);
  if (elementCount(view.inputs[1]?.shape ?? []) === 256)
    throw inexpressible(view, 'a look-up table');
}
