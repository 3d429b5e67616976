/**
 * Halves of an operator for two cores: rows of the image, pixels, or output channels. Each half is
 * a node of the same operator over parts of the same tensors, so every kernel can compute it.
 */
import { type Attrs, byteCount, elementCount, type NodeView, type Tensor } from '../ir/graph.js';
import { type AxisWindow, computedTypes } from '../ir/op.js';
import { skipPosition } from '../ops/arithmetic/residual.js';
import { axesOf } from '../ops/axes.js';
import { opOf } from '../ops/index.js';
import { inputOf, outputOf } from '../ops/shape/operands.js';
import { dilated } from '../ops/shape/window.js';
import { lanes } from './layout/interleave.js';
import type { Half, Halves } from './variant.js';

/** Kernels assume that tensors begin at words, so parts of tensors must too. */
const wordBytes = 4;

/**
 * Halves for two cores of a layer with weights, of int8, since they are counted in bytes. null: one
 * core computes the node.
 */
export function halvesOfNode(view: NodeView): Halves | null {
  const { filters } = opOf(view.node);
  if (filters === undefined || computedTypes(view).some((type) => type !== 'int8')) return null;
  const axes = axesOf(view);
  const windows = axes.flatMap(({ window }) => window ?? []);
  const [rows] = windows;
  if (rows === undefined) return axes.length > 0 ? channelHalves(view) : null;
  const mixes = axes.some(({ output, groups }) => output === null && groups === 1);
  return rowHalves(mixes && windows.every(isTrivial) ? inOneColumn(view) : view, rows);
}

/**
 * The upper and lower output rows, about equally many, and the input rows under their windows. null
 * for several images, and if no half can begin at a word.
 */
function rowHalves(view: NodeView, window: AxisWindow): Halves | null {
  const [batches, outH = 0] = outputOf(view).shape;
  return batches === 1 ? divide(outH, 1, (from, to) => rowsOf(view, window, from, to)) : null;
}

/** A window of one element at stride 1 without padding: pixels, of any number of images, as rows. */
function inOneColumn(view: NodeView): NodeView {
  const column = (tensor: Tensor): Tensor => {
    const channels = tensor.shape.at(-1) ?? 1;
    return { ...tensor, shape: [1, elementCount(tensor.shape) / channels, 1, channels] };
  };
  const inputs = view.inputs.map((tensor, i) =>
    tensor !== null && (i === 0 || i === skipPosition) ? column(tensor) : tensor,
  );
  return { ...view, inputs, outputs: view.outputs.map(column) };
}

const isTrivial = ({ kernel, stride, before, after }: AxisWindow) =>
  kernel === 1 && stride === 1 && before + after === 0;

/**
 * Output channels of weights [channels, depth] and one row of outputs, in whole blocks, as kernels
 * compute them. null if there are fewer than two blocks, or several rows.
 */
function channelHalves(view: NodeView): Halves | null {
  const channels = elementCount(outputOf(view).shape);
  if (channels !== inputOf(view, 1).shape[0]) return null;
  return divide(channels, lanes, (from, to) => channelsOf(view, from, to));
}

/** Two halves of `count`, with their border at the multiple of `step` nearest to the middle. */
function divide(
  count: number,
  step: number,
  half: (from: number, to: number) => Half | null,
): Halves | null {
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
function rowsOf(view: NodeView, window: AxisWindow, from: number, to: number): Half | null {
  const { attrs } = view;
  const { kernel, stride, dilation, before } = window;
  const [, inH = 0] = inputOf(view, 0).shape;
  const top = from * stride - before;
  const bottom = (to - 1) * stride - before + dilated(kernel, dilation);
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

function channelsOf(view: NodeView, from: number, to: number): Half {
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

function half(
  view: NodeView,
  attrs: Attrs,
  inputs: readonly TensorPart[],
  output: TensorPart,
  firstChannel: number,
): Half {
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
