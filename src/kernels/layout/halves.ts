/**
 * Halves of an operator for two cores: rows of the image, pixels, or output channels. Each half is
 * a node of the same operator over parts of the same tensors, so every kernel can compute it.
 */
import { byteCount, elementCount, type NodeView, type Tensor } from '../../ir/graph.js';
import { skipPosition } from '../../ops/arithmetic/residual.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { dilated, type Window } from '../../ops/shape/window.js';
import type { Half, Halves } from '../variant.js';

/** Kernels assume that tensors begin at words, so parts of tensors must too. */
const wordBytes = 4;

/**
 * The upper and lower output rows, about equally many, and the input rows under their windows. null
 * for several images, and if no half can begin at a word.
 */
export function rowHalves<A extends Window>(view: NodeView<A>, kernelH: number): Halves<A> | null {
  const [batches, outH = 0] = outputOf(view).shape;
  return batches === 1 ? divide(outH, 1, (from, to) => rowsOf(view, kernelH, from, to)) : null;
}

/**
 * Halves for a window of one element at stride 1 without padding: pixels, of any number of images.
 */
export function pixelHalves<A extends Window>(view: NodeView<A>): Halves<A> | null {
  const column = (tensor: Tensor): Tensor => {
    const channels = tensor.shape.at(-1) ?? 1;
    return { ...tensor, shape: [1, elementCount(tensor.shape) / channels, 1, channels] };
  };
  const inputs = view.inputs.map((tensor, i) =>
    tensor !== null && (i === 0 || i === skipPosition) ? column(tensor) : tensor,
  );
  return rowHalves({ ...view, inputs, outputs: view.outputs.map(column) }, 1);
}

/**
 * Output channels of weights [channels, depth] and one row of outputs, in whole blocks of `block`,
 * as kernels compute them. null if there are fewer than two blocks.
 */
export function channelHalves<A extends object>(
  view: NodeView<A>,
  block: number,
): Halves<A> | null {
  const channels = elementCount(outputOf(view).shape);
  return divide(channels, block, (from, to) => channelsOf(view, from, to));
}

/** Two halves of `count`, with their border at the multiple of `step` nearest to the middle. */
function divide<A extends object>(
  count: number,
  step: number,
  half: (from: number, to: number) => Half<A> | null,
): Halves<A> | null {
  const borders = Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
  borders.sort((a, b) => Math.abs(2 * a - count) - Math.abs(2 * b - count));
  for (const border of borders.filter((at) => at > 0)) {
    const first = half(0, border);
    const second = half(border, count);
    const begins = [...(second?.inputBytes ?? []), second?.outputBytes ?? 0];
    const isAligned = begins.every((bytes) => bytes % wordBytes === 0);
    if (first !== null && second !== null && isAligned) return [first, second];
  }
  return null;
}

/** Output rows `from` to `to` − 1; null if they read nothing but padding. */
function rowsOf<A extends Window>(
  view: NodeView<A>,
  kernelH: number,
  from: number,
  to: number,
): Half<A> | null {
  const { attrs } = view;
  const [, inH = 0] = inputOf(view, 0).shape;
  const top = from * attrs.strideH - attrs.padTop;
  const bottom = (to - 1) * attrs.strideH - attrs.padTop + dilated(kernelH, attrs.dilationH);
  const [first, end] = [Math.max(0, top), Math.min(inH, bottom)];
  if (first >= end) return null;
  const pads = { padTop: first - top, padBottom: bottom - end };
  const inputs = view.inputs.map((tensor, i) => {
    if (tensor === null || (i !== 0 && i !== skipPosition)) return { tensor, begin: 0 };
    return i === 0 ? rows(tensor, first, end) : rows(tensor, from, to);
  });
  const output = rows(outputOf(view), from, to);
  return half(view, { ...attrs, ...pads }, inputs, output, 0);
}

function channelsOf<A extends object>(view: NodeView<A>, from: number, to: number): Half<A> {
  const inputs = view.inputs.map((tensor, i) =>
    tensor === null || i === 0
      ? { tensor, begin: 0 }
      : channels(tensor, i < skipPosition ? 0 : -1, from, to),
  );
  return half(view, view.attrs, inputs, channels(outputOf(view), -1, from, to), from);
}

/** A contiguous part of a tensor. */
interface TensorPart {
  readonly tensor: Tensor | null;
  /** Its first byte within the tensor. */
  readonly begin: number;
}

function half<A extends object>(
  view: NodeView<A>,
  attrs: A,
  inputs: readonly TensorPart[],
  output: TensorPart,
  firstChannel: number,
): Half<A> {
  const tensors = inputs.map(({ tensor }) => tensor);
  return {
    view: {
      node: { ...view.node, attrs },
      attrs,
      inputs: tensors,
      outputs: [output.tensor as Tensor],
    },
    inputBytes: inputs.map(({ begin }) => begin),
    outputBytes: output.begin,
    firstChannel,
  };
}

/** Rows of one image. */
function rows(tensor: Tensor, from: number, to: number): TensorPart {
  const [batches = 1, , width = 1, depth = 1] = tensor.shape;
  const above = { ...tensor, shape: [batches, from, width, depth] };
  return {
    tensor: { ...tensor, shape: [batches, to - from, width, depth] },
    begin: byteCount(above),
  };
}

/** Elements along an axis that has only extents of 1 before it; constants with their values. */
function channels(tensor: Tensor, axis: number, from: number, to: number): TensorPart {
  const { shape, data, quant } = tensor;
  const extent = shape.at(axis) ?? 1;
  const each = elementCount(shape) / extent;
  const scales = quant?.scales.length === extent && extent > 1;
  return {
    tensor: {
      ...tensor,
      shape: shape.with(axis, to - from),
      data: data && (data.subarray(from * each, to * each) as typeof data),
      quant:
        scales && quant !== null
          ? {
              ...quant,
              scales: quant.scales.slice(from, to),
              zeroPoints: quant.zeroPoints.slice(from, to),
            }
          : quant,
    },
    begin: data === null ? byteCount({ ...tensor, shape: [from * each] }) : 0,
  };
}
