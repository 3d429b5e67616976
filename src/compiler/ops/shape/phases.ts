/**
 * A transposed convolution as convolutions of stride 1.
 *
 * Input element i and tap k add to output i · stride + k − pad. Output o = stride · q + r − pad
 * (0 ≤ r < stride) therefore reads inputs q − j at taps r + j · stride: all outputs with the same
 * phase r are one convolution with these taps, last to first. Phases with equally many taps are
 * channels of one convolution; interleaved, they give the output.
 */
import {
  allocate,
  elementCount,
  type NodeView,
  type Quant,
  type Shape,
  type Tensor,
} from '../../ir/graph.js';
import type { AccumulationAttrs } from '../arithmetic/accumulation.js';
import type { Conv2dAttrs } from '../conv2d.js';
import { inputOf, outputOf } from './operands.js';

export interface TransposedWindow {
  readonly strideH: number;
  readonly strideW: number;
  /** Outputs that are cut off before the first row and column. */
  readonly padTop: number;
  readonly padLeft: number;
  /** [height, width] of the output: what lies behind it is cut off, or no input reaches it. */
  readonly size: readonly number[];
}

/** One axis of a transposed convolution. */
export interface TransposedAxis {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  readonly output: number;
}

/** Outputs of some phases along one axis: those of quotients `first` to `first + count` − 1. */
export interface PhaseRun {
  /** Neighbours with equally many taps. */
  readonly phases: readonly number[];
  readonly first: number;
  readonly count: number;
}

/** Rows and columns. */
export function transposedAxes(
  view: NodeView<TransposedWindow>,
): readonly [rows: TransposedAxis, columns: TransposedAxis] {
  const [, inH = 0, inW = 0] = inputOf(view, 0).shape;
  const [, kernelH = 0, kernelW = 0] = inputOf(view, 1).shape;
  const [, outH = 0, outW = 0] = outputOf(view).shape;
  const { strideH, strideW, padTop, padLeft } = view.attrs;
  return [
    { input: inH, kernel: kernelH, stride: strideH, pad: padTop, output: outH },
    { input: inW, kernel: kernelW, stride: strideW, pad: padLeft, output: outW },
  ];
}

/**
 * The most phases that a transposed convolution may have: each may become a call with weights of its
 * own. The largest stride of real models, 32 by 32, has 1024.
 */
export const maxPhases = 4096;

/** Phases that have outputs. */
export function phaseCount(axes: readonly TransposedAxis[]): number {
  return axes.reduce((count, { stride, output }) => count * Math.min(stride, output), 1);
}

/** Elements of the weights of all phases in groups, with the taps and phases that are zeros alone. */
export function groupedElements(view: NodeView<TransposedWindow>): number {
  const [channels = 1, , , depth = 1] = inputOf(view, 1).shape;
  return transposedAxes(view).reduce(
    (count, { stride, kernel }) => count * stride * Math.ceil(kernel / stride),
    channels * depth,
  );
}

/** All outputs in the fewest runs, so that none has a tap that only some of its phases have. */
export function phaseGroups({
  input,
  kernel,
  stride,
  pad,
  output,
}: TransposedAxis): readonly PhaseRun[] {
  const first = Math.floor(pad / stride);
  // Inputs that reach no output may not be cut off, so they give outputs to be cut off.
  const count = Math.max(Math.floor((output - 1 + pad) / stride) + 1, input) - first;
  // A phase without a tap gets one of zeros.
  const longer = Math.max(kernel, stride) % stride;
  const all = Array.from({ length: stride }, (_, phase) => phase);
  return [all.slice(0, longer), all.slice(longer)]
    .filter((phases) => phases.length > 0)
    .map((phases) => ({ phases, first, count }));
}

/** The run of the outputs `start`, `start` + stride … */
export function phaseFrom({ stride, pad, output }: TransposedAxis, start: number): PhaseRun {
  return {
    phases: [(start + pad) % stride],
    first: Math.floor((start + pad) / stride),
    count: Math.ceil((output - start) / stride),
  };
}

/** A convolution's weights and bias, and its attributes; its input is the node's. */
export interface PhaseConvolution {
  readonly weights: Tensor;
  readonly bias: Tensor | null;
  readonly attrs: Conv2dAttrs;
  /** [batches, rows.count, columns.count, row phases · column phases · channels] */
  readonly shape: Shape;
}

export function phaseConvolution(
  view: NodeView<TransposedWindow & AccumulationAttrs>,
  rows: PhaseRun,
  columns: PhaseRun,
): PhaseConvolution {
  const [vertical, horizontal] = transposedAxes(view);
  const { strideH, strideW, padTop: _top, padLeft: _left, size: _size, ...attrs } = view.attrs;
  const [batches = 1] = inputOf(view, 0).shape;
  const [channels = 1] = inputOf(view, 1).shape;
  const bias = view.inputs[2] ?? null;
  const copies = rows.phases.length * columns.phases.length;
  const [padTop, padBottom] = paddingOf(vertical, rows);
  const [padLeft, padRight] = paddingOf(horizontal, columns);
  return {
    weights: phaseWeights(view, tapsOf(vertical, rows), tapsOf(horizontal, columns)),
    bias: bias === null ? null : repeated(bias, copies),
    attrs: {
      ...attrs,
      ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
      ...{ padTop, padBottom, padLeft, padRight },
    },
    shape: [batches, rows.count, columns.count, copies * channels],
  };
}

/** The taps of each phase in the order of the inputs that they multiply. */
function tapsOf({ kernel, stride }: TransposedAxis, { phases }: PhaseRun): readonly number[][] {
  return phases.map((phase) => {
    const count = Math.max(1, Math.ceil((kernel - phase) / stride));
    return Array.from({ length: count }, (_, tap) => phase + (count - 1 - tap) * stride);
  });
}

/** May be negative where the run does not read the first or the last inputs. */
function paddingOf(axis: TransposedAxis, run: PhaseRun): readonly [before: number, after: number] {
  const reach = (tapsOf(axis, run)[0]?.length ?? 1) - 1;
  return [reach - run.first, run.first + run.count - axis.input];
}

/** [row phases · column phases · channels, taps, taps, inputs]; a tap beyond the kernel is 0. */
function phaseWeights(
  view: NodeView<object>,
  rows: readonly (readonly number[])[],
  columns: readonly (readonly number[])[],
): Tensor {
  const weights = inputOf(view, 1);
  const [channels = 1, kernelH = 1, kernelW = 1, depth = 1] = weights.shape;
  const from = weights.data as Int8Array;
  const copies = rows.length * columns.length;
  const shape = [copies * channels, rows[0]?.length ?? 1, columns[0]?.length ?? 1, depth];
  const data = allocate(weights.dtype, elementCount(shape));
  let to = 0;
  for (const rowTaps of rows) {
    for (const columnTaps of columns) {
      for (let channel = 0; channel < channels; channel++) {
        for (const ky of rowTaps) {
          for (const kx of columnTaps) {
            const at = ((channel * kernelH + ky) * kernelW + kx) * depth;
            if (ky < kernelH && kx < kernelW) data.set(from.subarray(at, at + depth) as never, to);
            to += depth;
          }
        }
      }
    }
  }
  const { quant } = weights;
  return { ...weights, shape, data, source: null, quant: quant && quantRepeated(quant, copies) };
}

/** A bias for each phase. */
function repeated(bias: Tensor, copies: number): Tensor {
  const { dtype, quant } = bias;
  const from = bias.data as Int32Array;
  const data = allocate(dtype, copies * from.length);
  for (let copy = 0; copy < copies; copy++) data.set(from as never, copy * from.length);
  const shape = [data.length];
  return { ...bias, shape, data, source: null, quant: quant && quantRepeated(quant, copies) };
}

function quantRepeated(quant: Quant, copies: number): Quant {
  const { scales, zeroPoints, axis } = quant;
  if (axis === null) return quant;
  const repeat = (values: readonly number[]) => Array.from({ length: copies }, () => values).flat();
  return { axis, scales: repeat(scales), zeroPoints: repeat(zeroPoints) };
}
