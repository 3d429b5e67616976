/** Replaces a 1×1 convolution of a single pixel by a fully connected layer, which has more kernels. */
import {
  elementCount,
  type Graph,
  type Node,
  type NodeView,
  type Tensor,
  viewOf,
} from '../ir/graph.js';
import type { Window } from '../ops/shape/window.js';
import { appendTensor } from './rewrite.js';

/**
 * One window that is the image, without padding, is a row: products and sums are the same. A
 * runtime may round the two operators differently, but the importer has made the rounding an
 * attribute of the node, and a fully connected layer whose weights have an axis derives its
 * multipliers as a convolution does.
 */
export function convolutionToRow(graph: Graph): Graph {
  const tensors = [...graph.tensors];
  const nodes = graph.nodes.map((node): Node => {
    const view = viewOf(graph, node) as NodeView<object> as NodeView<Window>;
    const [input, weights] = view.inputs;
    if (node.op !== 'conv2d' || input?.dtype !== 'int8' || !weights) return node;
    if (!isOnePixel(view.attrs, input, weights)) return node;
    const inputs = node.inputs.with(1, appendTensor(tensors, asRows(weights)));
    return { ...node, op: 'fully_connected', inputs, attrs: rowAttrs(node) };
  });
  return { ...graph, tensors, nodes };
}

/** Whether each output channel reads all channels of one pixel, and nothing else. */
function isOnePixel(attrs: Window, input: Tensor, weights: Tensor): boolean {
  const [, kernelH = 0, kernelW = 0, filterC = 0] = weights.shape;
  const pads = attrs.padTop + attrs.padBottom + attrs.padLeft + attrs.padRight;
  return elementCount(input.shape) === filterC && kernelH * kernelW === 1 && pads === 0;
}

/** [outputs, 1, 1, inputs] as [outputs, inputs], with a scale for each output. */
function asRows(weights: Tensor): Tensor {
  const { shape, quant } = weights;
  const [outputs = 1, , , inputs = 1] = shape;
  const each = (values: readonly number[] = []) =>
    Array.from({ length: outputs }, (_, i) => values[i] ?? values[0] ?? 0);
  const scales = { scales: each(quant?.scales), zeroPoints: each(quant?.zeroPoints), axis: 0 };
  return { ...weights, shape: [outputs, inputs], source: null, quant: scales };
}

function rowAttrs({ attrs }: Node): Node['attrs'] {
  const { strideH, strideW, dilationH, dilationW, ...others } = attrs;
  const { padTop, padBottom, padLeft, padRight, ...row } = others;
  return { ...row, keepDims: true };
}
