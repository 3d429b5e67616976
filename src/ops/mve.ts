/**
 * Kernels for the Armv8.1-M vector extension (MVE, Helium): VMLADAVA multiplies 16 int8 by 16 and
 * adds up the products in one instruction.
 */
import { elementCount, type NodeView } from '../ir/graph.js';
import type { Facts, KernelCall, KernelVariant, Overlap, Table } from '../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  inputZeroPoint,
  type OutputStage,
  weightsOf,
} from './accumulation.js';
import { stageNumbers } from './dense.js';
import { lanes } from './interleave.js';
import { inputOf, outputOf } from './operands.js';
import { type WindowShape, windowLead } from './overlap.js';
import { hasResidual, residualOperands } from './residual.js';
import { dilated } from './window.js';

/** Bytes of a vector register. */
const vectorBytes = 16;

/** A convolution as its kernel sees it: a 1×1 one is a row of pixels. */
export interface Convolution {
  readonly shape: WindowShape;
  readonly filters: Filters;
  readonly stage: OutputStage;
}

const support = [
  ...[
    'multiply_high',
    'requantise',
    'requantise_single',
    'to_output',
    'add_residual',
    'clip_taps',
  ].map((name) => `portable/support/${name}`),
  ...[
    'load_lanes',
    'dot_lanes',
    'dot_lanes_pair',
    'rescale_lanes',
    'rescale_lanes_rectified',
    'rescale_lanes_single',
    'rescale_lanes_any',
    'rescale_lanes_any_single',
    'store_lanes',
    'store_lanes_pair',
    'clamp_lanes',
    'add_residual_lanes',
    'store_even_odd',
    'add_taps',
    'add_nine_taps',
    'copy_rows',
    'fill_bytes',
    'gather_columns',
    'column_taps',
  ].map((name) => `mve/support/${name}`),
];

const vectorsOf = ({ depth }: Filters) => Math.ceil(depth / vectorBytes);
const blocksOf = ({ channels }: Filters) => Math.ceil(channels / lanes);

/**
 * A convolution that gathers the windows of a tile of pixels and multiplies two of them at a time
 * with every filter.
 *
 * @param describe of nodes for which `when` holds
 */
export function vectorConvolution<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'mve/conv2d',
    needs: ['mve'],
    support,
    addsResidual: true,
    when,
    scratch: (view) => tileOf(describe(view).shape).scratchBytes,
    work(view) {
      const { shape, filters } = describe(view);
      const { batches, outH, outW, kernelH, inC } = shape;
      const { pixels, columns } = tileOf(shape);
      const rows = batches * outH;
      const tiles = rows * Math.ceil(outW / pixels);
      const pairs = rows * Math.ceil(outW / 2);
      const blocks = pairs * blocksOf(filters);
      const copies = tiles * columns * kernelH;
      return {
        products: { count: blocks * vectorsOf(filters), cycles: 16 },
        blocks: { count: blocks, cycles: 38 },
        pairs: { count: pairs, cycles: 40 },
        copies: { count: copies * Math.ceil(inC / vectorBytes), cycles: 6 },
        tiles: { count: tiles, cycles: 90 },
      };
    },
    overlap(view) {
      const { shape } = describe(view);
      const lead = windowLead(shape, { tilePixels: tileOf(shape).pixels });
      return [{ input: 0, lead, exact: false }, ...residualOverlap(view)];
    },
    lower: (view) => [convolutionCall(view, describe(view))],
  };
}

/** Windows that are gathered before any of them is multiplied. */
interface Tile {
  /** Pixels of the output. */
  readonly pixels: number;
  /** Columns of the image that are gathered at once: for all pixels, or for each if dilated. */
  readonly columns: number;
  /** Bytes from one pixel's window to the next. */
  readonly step: number;
  readonly scratchBytes: number;
}

/** Scratch that more pixels than two are worth: about what the planner lets a fast kernel have. */
const tileBytes = 640;
const tilePixels = 8;

function tileOf(shape: WindowShape): Tile {
  const { kernelH, kernelW, strideW, dilationW, inC, outW } = shape;
  const columnBytes = kernelH * inC;
  const depth = kernelW * columnBytes;
  const step = dilationW > 1 ? depth : strideW * columnBytes;
  const bytesOf = (pixels: number) =>
    (pixels - 1) * step + Math.ceil(depth / vectorBytes) * vectorBytes;
  let pixels = Math.min(tilePixels, outW + (outW % 2));
  while (pixels > 2 && bytesOf(pixels) > tileBytes) pixels -= 2;
  const columns = dilationW > 1 ? kernelW : (pixels - 1) * strideW + kernelW;
  // Where strides leave columns out, they are gathered all the same.
  const gathered = (dilationW > 1 ? pixels * columns : columns) * columnBytes;
  return { pixels, columns, step, scratchBytes: Math.max(bytesOf(pixels), gathered) };
}

function convolutionCall(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Convolution,
): KernelCall {
  const { batches, inH, inC, outH, outW, outC, kernelH, kernelW } = shape;
  const pointwise = inH * kernelH * kernelW === 1;
  const dilated = shape.dilationW > 1;
  const { pixels, columns, step } = tileOf(shape);
  const call = filterCall(view, columnByColumn(filters, shape), stage);
  return {
    ...call,
    flags: { ...call.flags, pointwise, dilated: !pointwise && dilated },
    numbers: {
      ...call.numbers,
      ...(pointwise ? {} : { ...windowNumbers(view, shape), columns }),
      batches,
      in_c: inC,
      out_h: outH,
      out_w: outW,
      out_c: outC,
      tile: pixels,
      step,
    },
  };
}

function windowNumbers(view: NodeView<object>, shape: WindowShape): Record<string, number> {
  return {
    in_h: shape.inH,
    in_w: shape.inW,
    in_zp: inputZeroPoint(view),
    kernel_h: shape.kernelH,
    dilation_h: shape.dilationH,
    dilation_w: shape.dilationW,
    stride_h: shape.strideH,
    stride_w: shape.strideW,
    pad_top: shape.padTop,
    pad_left: shape.padLeft,
  };
}

/**
 * A fully connected layer: each row of the input by all filters, straight from where it lies.
 */
export function vectorFullyConnected<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Pick<Convolution, 'filters' | 'stage'>,
): KernelVariant<A> {
  const rowsOf = (view: NodeView<A>, { channels }: Filters) =>
    elementCount(outputOf(view).shape) / channels;
  return {
    template: 'mve/fully_connected',
    needs: ['mve'],
    support,
    addsResidual: true,
    when: () => true,
    scratch: () => 0,
    work(view) {
      const { filters } = describe(view);
      const blocks = rowsOf(view, filters) * blocksOf(filters);
      return {
        products: { count: blocks * vectorsOf(filters), cycles: 10 },
        blocks: { count: blocks, cycles: 30 },
      };
    },
    overlap: residualOverlap,
    lower(view) {
      const { filters, stage } = describe(view);
      const call = filterCall(view, filters, stage);
      const shape = { rows: rowsOf(view, filters), depth: filters.depth, out_c: filters.channels };
      return [{ ...call, numbers: { ...call.numbers, ...shape } }];
    },
  };
}

/** A sum may take the place of what is added: that is read before the sum is written, once. */
function residualOverlap(view: NodeView<object>): readonly Overlap[] {
  return hasResidual(view) ? [{ input: 3, lead: 0, exact: true }] : [];
}

/** What the two kernels above have in common. */
function filterCall(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  stage: OutputStage,
): KernelCall {
  const { channels } = filters;
  const blocks = blocksFrom(channels, lanes);
  const operands = residualOperands(view);
  return {
    ...operands,
    flags: { ...operands.flags, ...stageFlags(stage) },
    numbers: {
      ...operands.numbers,
      vectors: vectorsOf(filters),
      ...stageNumbers(stage),
    },
    tables: {
      ...operands.tables,
      weights: filterVectors(blocks, weightsOf(view), filters),
      stage: vectorStage(
        blocks.map((first) => [consecutive(first, lanes)]),
        stage,
        biasesFor(view, filters, true),
      ),
    },
  };
}

/**
 * Which of the ways to bring sums to the output's scale is exact. Vectors shift right by 1 at
 * least; what is clamped at zero or above needs no care for halves below zero.
 */
function stageFlags({ multipliers, rounding, min, zeroPoint }: OutputStage) {
  const anyShift = multipliers.some(({ multiplier, shift }) => multiplier > 0 && shift >= 0);
  const single = rounding === 'single';
  return {
    any_shift: anyShift,
    single_rounding: single,
    rectified: !anyShift && !single && min >= zeroPoint,
  };
}

/** First channel of each block of so many. */
function blocksFrom(channels: number, size: number): readonly number[] {
  return consecutive(0, Math.ceil(channels / size)).map((block) => block * size);
}

function consecutive(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/**
 * Weights of four filters, 16 of each in turn: int8[blocks][vectors][4][16]. What a filter or a
 * block lacks is 0.
 */
function filterVectors(blocks: readonly number[], weights: Int8Array, filters: Filters): Table {
  const { channels, depth, position } = filters;
  const block = lanes * vectorBytes * vectorsOf(filters);
  const data = new Int8Array(blocks.length * block);
  blocks.forEach((first, index) => {
    for (let lane = 0; lane < lanes && first + lane < channels; lane += 1) {
      for (let i = 0; i < depth; i += 1) {
        const vector = lanes * Math.floor(i / vectorBytes) + lane;
        data[index * block + vector * vectorBytes + (i % vectorBytes)] = weights[
          position(first + lane, i)
        ] as number;
      }
    }
  });
  return { data, role: 'weights' };
}

/**
 * Of each block of channels, in the lanes of vectors: the biases of all vectors, then multipliers
 * and shifts of each: int32[blocks][vectors × 3][4].
 * A multiplier of 0 gives 0 whatever the shift: it gets one that vectors can do.
 */
function vectorStage(
  blocks: readonly (readonly (readonly number[])[])[],
  { multipliers }: OutputStage,
  biases: Int32Array,
): Table {
  const scaling = (channel: number) => multipliers[channel] ?? { multiplier: 0, shift: 0 };
  const data = blocks.flatMap((vectors) => [
    ...vectors.flatMap((channels) => channels.map((channel) => biases[channel] ?? 0)),
    ...vectors.flatMap((channels) => [
      ...channels.map((channel) => scaling(channel).multiplier),
      ...channels.map((channel) =>
        scaling(channel).multiplier === 0 ? -1 : scaling(channel).shift,
      ),
    ]),
  ]);
  return { data: Int32Array.from(data), role: 'table' };
}

/** Channels of a depthwise convolution that are computed at once. */
const depthwiseLanes = 8;
/** Taps, and rows of them, that the kernel has room for. */
const mostTaps = 64;
const mostRows = 16;

/**
 * A depthwise convolution with a depth multiplier of 1: products of two taps are summed in 16 bits.
 */
export function vectorDepthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'mve/depthwise_conv2d',
    needs: ['mve'],
    support,
    when(view, { facts }) {
      if (!when(view)) return false;
      const { shape, filters } = describe(view);
      const hasRoom = filters.depth <= mostTaps && shape.kernelH <= mostRows;
      return hasRoom && pairsFit(view, columnByColumn(filters, shape), facts);
    },
    scratch(view) {
      const { shape } = describe(view);
      const pixel = pixelBytes(shape);
      // The vector that begins at the last row's last pixel reaches behind it.
      const lines = rowSpan(shape) * shape.inW * shape.inC + pixel - shape.inC;
      return 2 * pixel + (hasLines(shape) ? lines : 0);
    },
    work(view) {
      const { shape, filters } = describe(view);
      const pixels = shape.batches * shape.outH * shape.outW;
      const blocks = pixels * Math.ceil(shape.outC / depthwiseLanes);
      return {
        pixels: { count: pixels, cycles: 60 },
        blocks: { count: blocks, cycles: 40 },
        taps: { count: blocks * filters.depth, cycles: 6 },
      };
    },
    overlap(view) {
      const { shape } = describe(view);
      return [{ input: 0, lead: depthwiseLead(shape, hasLines(shape)), exact: false }];
    },
    lower: (view) => [depthwiseCall(view, describe(view))],
  };
}

/** A pixel, filled up to whole vectors. */
function pixelBytes({ inC }: WindowShape): number {
  return Math.ceil(inC / depthwiseLanes) * depthwiseLanes;
}

/** From the row under the first tap to that under the last. */
function rowSpan({ kernelH, dilationH }: WindowShape): number {
  return dilated(kernelH, dilationH) - 1;
}

/** Without copies of rows the output would lie a row or more before its input, layer after layer. */
function hasLines(shape: WindowShape): boolean {
  return shape.strideH === 1 && depthwiseLead(shape, true) < depthwiseLead(shape, false);
}

function depthwiseLead(shape: WindowShape, lines: boolean): number {
  const walk = { channelBlock: depthwiseLanes };
  const lineBuffer = { rows: rowSpan(shape), newest: false };
  return windowLead(shape, lines ? { ...walk, lineBuffer } : walk);
}

/** Taps in the order in which the kernels see them. */
function columnByColumn(filters: Filters, { kernelH, kernelW }: WindowShape): Filters {
  const perTap = filters.depth / (kernelH * kernelW);
  const rowMajor = (i: number) => {
    const tap = Math.floor(i / perTap);
    const [kx, ky] = [Math.floor(tap / kernelH), tap % kernelH];
    return (ky * kernelW + kx) * perTap + (i % perTap);
  };
  return { ...filters, position: (channel, i) => filters.position(channel, rowMajor(i)) };
}

function depthwiseCall(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Convolution,
): KernelCall {
  const { channels, depth } = filters;
  const blocks = blocksFrom(channels, depthwiseLanes);
  const nine = depth === 9;
  const filled = !nine && depth % 2 === 1;
  const lines = hasLines(shape);
  const pairs = Math.ceil(depth / 2);
  const turns = [0, 1].map((odd) => consecutive(0, lanes).map((i) => 2 * i + odd));
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...stageFlags(stage), nine, lines, filled },
    numbers: {
      batches: shape.batches,
      out_h: shape.outH,
      out_w: shape.outW,
      channels,
      pixel_bytes: pixelBytes(shape),
      ...(nine ? {} : { pairs }),
      ...(filled ? { taps: depth } : {}),
      ...(lines ? { row_span: rowSpan(shape) } : {}),
      ...windowNumbers(view, shape),
      kernel_w: shape.kernelW,
      ...stageNumbers(stage),
    },
    tables: {
      weights: tapVectors(
        blocks,
        weightsOf(view),
        columnByColumn(filters, shape),
        nine ? depth : 2 * pairs,
      ),
      stage: vectorStage(
        blocks.map((first) => turns.map((turn) => turn.map((i) => first + i))),
        stage,
        biasesFor(view, filters, true),
      ),
    },
  };
}

/** Whether taps 0 and 1, 2 and 3 and so on of every channel have products whose sum is an int16. */
function pairsFit(view: NodeView<object>, filters: Filters, facts: Facts): boolean {
  const { min, max } = facts.range(inputOf(view, 0));
  const zeroPoint = inputZeroPoint(view);
  const weights = weightsOf(view);
  for (let channel = 0; channel < filters.channels; channel += 1) {
    // A tap in the padding is the zero point.
    const low = Math.min(zeroPoint, min[channel] as number);
    const high = Math.max(zeroPoint, max[channel] as number);
    for (let tap = 0; tap < filters.depth; tap += 2) {
      let [least, most] = [0, 0];
      for (let i = tap; i < Math.min(tap + 2, filters.depth); i += 1) {
        const weight = weights[filters.position(channel, i)] as number;
        least += Math.min(weight * low, weight * high);
        most += Math.max(weight * low, weight * high);
      }
      if (least < -(2 ** 15) || most >= 2 ** 15) return false;
    }
  }
  return true;
}

/** Weights of eight channels under each tap in turn: int8[blocks][taps][8]. What is missing is 0. */
function tapVectors(
  blocks: readonly number[],
  weights: Int8Array,
  { channels, depth, position }: Filters,
  taps: number,
): Table {
  const data = new Int8Array(blocks.length * taps * depthwiseLanes);
  blocks.forEach((first, block) => {
    for (let lane = 0; lane < depthwiseLanes && first + lane < channels; lane += 1) {
      for (let tap = 0; tap < depth; tap += 1) {
        const at = (block * taps + tap) * depthwiseLanes + lane;
        data[at] = weights[position(first + lane, tap)] as number;
      }
    }
  });
  return { data, role: 'weights' };
}
