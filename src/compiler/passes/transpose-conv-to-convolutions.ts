/**
 * Replaces a transposed convolution by convolutions, which have fast kernels, and one copy that
 * interleaves their pixels.
 */
import {
  elementCount,
  type Graph,
  type Node,
  type NodeView,
  type Tensor,
  type TensorId,
  viewOf,
} from '../ir/graph.js';
import { inputOf, outputOf } from '../ops/shape/operands.js';
import {
  groupedElements,
  type PhaseConvolution,
  type PhaseRun,
  phaseConvolution,
  phaseGroups,
  transposedAxes,
} from '../ops/shape/phases.js';
import type { TransposeConvAttrs } from '../ops/transpose_conv.js';
import { appendTensor } from './rewrite.js';

/** The products and sums of each output are the same: ops/shape/phases.ts has the proof. */
export function transposeConvToConvolutions(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const nodes = graph.nodes.flatMap((node) =>
    node.op === 'transpose_conv'
      ? convolutionsOf(node, viewOf(graph, node as unknown as Node<TransposeConvAttrs>), tensors)
      : [node],
  );
  return { ...graph, tensors, nodes };
}

/** Weights may grow by the zeros of phases without a tap, but not beyond all measure. */
function mostElements(view: NodeView<TransposeConvAttrs>): number {
  return 2 ** 16 + 64 * elementCount(inputOf(view, 1).shape);
}

/** Phases make elements that are cut off, but not many times as many as stay. */
function mostMade({ shape }: Pick<Tensor, 'shape'>): number {
  return 2 ** 12 + 4 * elementCount(shape);
}

function convolutionsOf(
  node: Node,
  view: NodeView<TransposeConvAttrs>,
  tensors: Tensor[],
): readonly Node[] {
  if (groupedElements(view) > mostElements(view)) return [node];
  const [rows, columns] = transposedAxes(view).map(phaseGroups) as [PhaseRun[], PhaseRun[]];
  const parts = rows.flatMap((row) => columns.map((column) => phaseConvolution(view, row, column)));
  // A runtime's padding is at most half of the kernel, which leaves none of these negative.
  if (parts.some(({ attrs }) => attrs.padTop < 0 || attrs.padLeft < 0)) return [node];
  const output = outputOf(view);
  if (parts.reduce((sum, { shape }) => sum + elementCount(shape), 0) > mostMade(output))
    return [node];
  const isSame = parts.every(({ shape }) => shape.join() === output.shape.join());
  const convolutions = parts.map((part, i) => {
    const name = parts.length === 1 ? node.name : `${node.name}/${i}`;
    const result = isSame
      ? node.outputs
      : [appendTensor(tensors, { ...output, name: `${name}/phases`, shape: part.shape })];
    return convolution({ ...node, name, outputs: result }, part, tensors);
  });
  if (isSame) return convolutions;
  const { padTop, padLeft, strideH, strideW } = view.attrs;
  const sizes = (runs: readonly PhaseRun[]) => runs.map(({ phases }) => phases.length);
  const join: Pick<Node, 'op' | 'attrs'> = isInOrder(parts, view)
    ? { op: 'reshape', attrs: { shape: output.shape } }
    : {
        op: 'interleave',
        attrs: {
          ...{ shape: output.shape, rows: sizes(rows), columns: sizes(columns) },
          crops: [padTop % strideH, padLeft % strideW],
        },
      };
  const inputs = convolutions.map(({ outputs }) => outputs[0] as TensorId);
  return [...convolutions, { ...node, ...join, inputs }];
}

/** The node as one of its convolutions. */
function convolution(node: Node, { weights, bias, attrs }: PhaseConvolution, tensors: Tensor[]) {
  const add = (tensor: Tensor) =>
    appendTensor(tensors, { ...tensor, name: `${node.name}/${tensor.name}` });
  const inputs = [node.inputs[0] ?? null, add(weights), bias === null ? null : add(bias)];
  return { ...node, op: 'conv2d', inputs, attrs: { ...attrs } };
}

/**
 * Whether the channels of one convolution hold the output's elements in their order: nothing is cut
 * off, and the phases of a row's columns are neighbours.
 */
function isInOrder(
  [only, ...others]: readonly PhaseConvolution[],
  view: NodeView<TransposeConvAttrs>,
): boolean {
  const { shape } = outputOf(view);
  const [, , width] = only?.shape ?? [];
  return (
    others.length === 0 &&
    elementCount(only?.shape ?? []) === elementCount(shape) &&
    (view.attrs.strideH === 1 || width === 1)
  );
}
