/**
 * Convolutions and fully connected layers: VMLADAVA adds up 16 products of int8 at once, or 8 of
 * int16 by int8. An image of int16 is gathered as one of bytes, twice as many in a pixel.
 */
import { dtypes } from '../../ir/dtypes.js';
import { elementCount, type NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  type OutputStage,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { fitsWords } from '../../ops/arithmetic/accumulator-reach.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { type Convolution, columnByColumn, isPixelRow } from '../layout/convolution.js';
import { lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { stageNumbers } from '../portable/dense.js';
import { sumsOf } from '../portable/wide.js';
import type { KernelCall, KernelVariant, Table, VariantTraits } from '../variant.js';
import {
  blocksFrom,
  consecutive,
  noStageFlags,
  stageFlags,
  vectorForm,
  vectorStage,
  wideStage,
  windowNumbers,
} from './vectors.js';

/** Bytes of a vector register. */
const vectorBytes = 16;
/** Taps of a column of one channel gathered at once. */
export const planeLanes = 8;

export const vectorsOf = ({ depth }: Filters, elementBytes = 1) =>
  Math.ceil((depth * elementBytes) / vectorBytes);
const blocksOf = ({ channels }: Filters) => Math.ceil(channels / lanes);

/** The variants of a text: for int8, and for int16 by int8. */
const variantsOf = (template: string): readonly VariantTraits[] => [
  { template, needs: ['mve'], addsResidual: true },
  { template: `${template}_16x8`, text: template, needs: ['mve'], types: ['int16'] },
];

/**
 * Convolutions that gather the windows of a tile of pixels and multiply two pixels at a time by all
 * filters.
 *
 * @param describe called for nodes for which `when` holds
 */
export function vectorConvolutions<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): readonly KernelVariant<A>[] {
  return variantsOf('mve/conv2d').map((traits) => ({
    ...traits,
    match(view) {
      if (!when(view)) return null;
      const layer = inBytes(view, describe(view));
      if (!fitsLanes(view, layer.filters)) return null;
      const { shape } = layer;
      const tile = tileOf(shape);
      const lead = windowLead(shape, { tilePixels: tile.pixels });
      return {
        scratchBytes: tile.scratchBytes + (hasResidual(view) ? midBytes(shape, tile) : 0),
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => convolutionWork(view, layer, tile),
        calls: () => [convolutionCall(view, layer)],
      };
    },
  }));
}

const elementBytesOf = (view: NodeView<object>) => dtypes[inputOf(view, 0).dtype].bytes;

/** The layer with the bytes of a pixel as its channels. Filters stay as they are. */
function inBytes(view: NodeView<object>, layer: Convolution): Convolution {
  const { shape } = layer;
  const bytes = elementBytesOf(view);
  return { ...layer, shape: { ...shape, inC: bytes * shape.inC, outC: bytes * shape.outC } };
}

/** Sums of int8 always fit lanes. */
function fitsLanes(view: NodeView<AccumulationAttrs>, filters: Filters): boolean {
  if (elementBytesOf(view) === 1) return true;
  return view.attrs.wideScale === undefined && fitsWords(view, filters);
}

function convolutionWork(
  view: NodeView<object>,
  { shape, filters }: Convolution,
  { pixels, columns }: Tile,
) {
  const { batches, outH, outW, inC } = shape;
  const rows = batches * outH;
  const tiles = rows * Math.ceil(outW / pixels);
  const pairs = rows * Math.ceil(outW / 2);
  const blocks = pairs * blocksOf(filters);
  const gathered = isPixelRow(shape)
    ? { copied: { count: tiles * Math.ceil((pixels * inC) / vectorBytes), cycles: 3 } }
    : {
        tiles: { count: tiles, cycles: 150 },
        ...gatherWork(shape, tiles, columns),
      };
  return {
    products: { count: blocks * vectorsOf(filters, elementBytesOf(view)), cycles: 16 },
    blocks: { count: blocks, cycles: 33 },
    ...residualWork(view, 3),
    pairs: { count: pairs, cycles: 20 },
    ...gathered,
  };
}

function gatherWork(shape: WindowShape, tiles: number, columns: number) {
  const { kernelH, inC } = shape;
  if (isPlane(shape)) {
    return { planeTaps: { count: tiles * columns * Math.ceil(kernelH / planeLanes), cycles: 14 } };
  }
  if (isOneRow(shape)) {
    return { rowTaps: { count: tiles * Math.ceil((columns * inC) / vectorBytes), cycles: 4 } };
  }
  return { taps: { count: tiles * columns * kernelH * Math.ceil(inC / vectorBytes), cycles: 6 } };
}

/** Windows that are gathered before the first one is multiplied. */
export interface Tile {
  /** Output pixels. */
  readonly pixels: number;
  /** Columns of the image that are gathered at once: for all pixels, or per pixel if dilated. */
  readonly columns: number;
  /** Bytes from one pixel's window to the next. */
  readonly step: number;
  readonly scratchBytes: number;
}

/**
 * Scratch bytes that a tile of more than two pixels may take: about what the planner grants a fast
 * kernel.
 */
const tileBytes = 640;
const tilePixels = 8;

export function tileOf(shape: WindowShape): Tile {
  const { kernelH, kernelW, strideW, dilationW, inC, outW } = shape;
  const columnBytes = kernelH * inC;
  const depth = kernelW * columnBytes;
  const step = dilationW > 1 ? depth : strideW * columnBytes;
  const bytesOf = (pixels: number) =>
    (pixels - 1) * step + Math.ceil(depth / vectorBytes) * vectorBytes;
  let pixels = Math.min(tilePixels, outW + (outW % 2));
  while (pixels > 2 && bytesOf(pixels) > tileBytes) pixels -= 2;
  const columns = dilationW > 1 ? kernelW : (pixels - 1) * strideW + kernelW;
  // Columns that strides skip are gathered too.
  const gathered = (dilationW > 1 ? pixels * columns : columns) * columnBytes;
  return { pixels, columns, step, scratchBytes: Math.max(bytesOf(pixels), gathered) };
}

/**
 * Where a tile's inputs begin, after the results that wait for the residual. Results of pixels 0 to
 * j + 1 are written while the inputs of pixel j are read, so they end before these if a pixel's
 * results are no more bytes than the step to the next pixel's inputs.
 */
function midBytes({ outC }: WindowShape, { pixels, step }: Tile): number {
  return (outC <= step ? 2 : pixels) * outC;
}

/** Whether the taps of all columns are neighbours in memory. */
function isOneRow({ kernelH, kernelW, dilationW }: WindowShape): boolean {
  return kernelH === 1 && kernelW > 1 && dilationW === 1;
}

/** The helper that gathers columns of taps. */
function gatherHelper(shape: WindowShape): string {
  if (isPlane(shape)) return 'mve/gather_plane';
  return isOneRow(shape) ? 'mve/gather_row' : 'mve/gather_columns';
}

/** Whether columns of taps are gathered as vectors. With few taps a common function is worth more. */
function isPlane(shape: WindowShape): boolean {
  return shape.inC === 1 && shape.kernelH > 3 && hasNearRows(shape);
}

/** Whether the offsets of eight taps of a column fit 16 bits. */
export function hasNearRows({ inC, inW, dilationH }: WindowShape): boolean {
  return inW * inC * dilationH < 2 ** 13;
}

function convolutionCall(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Convolution,
): KernelCall {
  const { batches, inC, outH, outW } = shape;
  const pointwise = isPixelRow(shape);
  const dilated = shape.dilationW > 1;
  const tile = tileOf(shape);
  const { pixels, columns, step } = tile;
  const call = filterCall(view, columnByColumn(filters, shape), stage, blocksOfFour(filters));
  return {
    ...call,
    flags: {
      ...call.flags,
      pointwise,
      dilated: !pointwise && dilated,
      single: !pointwise && isPlane(shape),
      row: !pointwise && isOneRow(shape),
    },
    words: { gather: gatherHelper(shape) },
    numbers: {
      vectors: vectorsOf(filters, elementBytesOf(view)),
      ...call.numbers,
      ...(pointwise ? {} : { ...windowNumbers(view, shape), columns }),
      ...(hasResidual(view) ? { mid_bytes: midBytes(shape, tile) } : {}),
      batches,
      in_c: inC,
      out_h: outH,
      out_w: outW,
      out_c: filters.channels,
      tile: pixels,
      step,
    },
  };
}

/** Fully connected layers: each row of the input by all filters, read in place. */
export function vectorFullyConnected<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Pick<Convolution, 'filters' | 'stage'>,
): readonly KernelVariant<A>[] {
  return variantsOf('mve/fully_connected').map((traits) => ({
    ...traits,
    match(view) {
      const { filters, stage } = describe(view);
      if (!fitsLanes(view, filters)) return null;
      const rows = elementCount(outputOf(view).shape) / filters.channels;
      const blocks = rows * blocksOf(filters);
      return {
        scratchBytes: 0,
        overlaps: residualOverlap(view),
        work: () => ({
          products: { count: blocks * vectorsOf(filters, elementBytesOf(view)), cycles: 10 },
          blocks: { count: blocks, cycles: 22 },
          ...residualWork(view, 4),
        }),
        calls() {
          const call = filterCall(view, filters, stage, blocksOfFour(filters));
          const shape = { rows, depth: filters.depth, out_c: filters.channels };
          return [{ ...call, numbers: { ...call.numbers, ...shape } }];
        },
      };
    },
  }));
}

function blocksOfFour({ channels }: Filters) {
  return blocksFrom(channels, lanes).map((first) => consecutive(first, lanes));
}

/**
 * The common part of the calls of kernels that multiply by four filters at once.
 *
 * @param blocks the channels in the lanes; numbers that no channel has leave a lane unused
 */
export function filterCall(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  given: OutputStage,
  blocks: readonly (readonly number[])[],
): KernelCall {
  const stage = vectorForm(given);
  const bytes = elementBytesOf(view);
  const sums = sumsOf(view, { stage, filters });
  const lanesOf = blocks.map((channels) => [channels]);
  const biases = biasesFor(view, filters, true);
  return {
    inputs: [0],
    outputs: [0],
    types: { element: inputOf(view, 0).dtype },
    flags: {
      ...(sums === 'whole' ? stageFlags(stage) : noStageFlags),
      ...{ int16: bytes > 1, reduced: sums === 'reduced', wide: sums === 'wide' },
      // Sums of int16 are never fused.
      ...(bytes > 1 ? { residual: false } : {}),
    },
    numbers: stageNumbers(stage),
    tables: {
      weights: filterVectors(blocks, weightsOf(view), filters, vectorBytes / bytes),
      stage:
        sums === 'whole'
          ? vectorStage(lanesOf, stage, biases)
          : wideStage(lanesOf, stage, sums === 'reduced' ? sums : 'wide'),
    },
  };
}

/**
 * Weights of four filters, interleaved by as many as a vector multiplies at once:
 * int8[blocks][vectors][4][perVector]. Missing weights are 0.
 */
function filterVectors(
  blocks: readonly (readonly number[])[],
  weights: Int8Array,
  filters: Filters,
  perVector: number,
): Table {
  const { channels, depth, position } = filters;
  const block = lanes * perVector * Math.ceil(depth / perVector);
  const data = new Int8Array(blocks.length * block);
  blocks.forEach((inLanes, index) => {
    inLanes.forEach((channel, lane) => {
      for (let i = 0; i < depth && channel >= 0 && channel < channels; i += 1) {
        const vector = lanes * Math.floor(i / perVector) + lane;
        data[index * block + vector * perVector + (i % perVector)] = weights[
          position(channel, i)
        ] as number;
      }
    });
  });
  return { data, role: 'weights' };
}
