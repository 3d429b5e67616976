/**
 * Convolutions with weights in tables: an int8 weight multiplies three pixels in two words
 * (layout/pixel-tiles.ts). 32 registers keep the sums of four channels and six pixels, so that a
 * packed word is loaded once for four channels and a weight once for six pixels.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, biasesFor } from '../../ops/arithmetic/accumulation.js';
import type { Range } from '../../ops/arithmetic/bounds.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import {
  type Convolution,
  type ConvolutionVariants,
  isPixelRow,
  pixelsOf,
} from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import {
  laneLimit,
  longestRun,
  packedBytes,
  paddedDepth,
  paddedRows,
  patchBytes,
  rowsOf,
  six,
  three,
  tileCounts,
  tileLead,
} from '../layout/pixel-tiles.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { gatherNumbers, gatherWork, inputRanges } from '../swar/layer.js';
import { type KernelCall, once, type WorkTerm } from '../variant.js';
import { mostDepth, sparseRuns } from './sparse-pixels.js';
import {
  type ChannelMultiply,
  channelMultiplies,
  floatShare,
  floatWork,
  highStages,
  scalingWords,
  stageFlags,
} from './stage.js';

/** Channels whose sums are in registers together. */
const block = 4;
/** Taps of a turn of the loop. */
const turn = 4;

type Work = Readonly<Record<string, WorkTerm>>;

/** Weights as a kernel reads them, and what it does with them. */
interface Stored {
  readonly weights: Int8Array | Int16Array;
  readonly flags: Readonly<Record<'sparse' | 'single' | 'words', boolean>>;
  readonly numbers: Readonly<Record<string, number>>;
  readonly work: Work;
}

/** A way to store weights, and the kernel for it. */
interface Layout {
  readonly template: string;
  readonly skipsZeros: boolean;
  fits(layer: Convolution): boolean;
  store(rows: readonly Int8Array[], inputs: readonly Range[], layer: Convolution): Stored;
}

const dense: Layout = {
  template: 'rv32/conv2d_pixels',
  skipsZeros: false,
  fits: ({ shape }) => pixelsOf(shape) >= three.pixels,
  store(rows, inputs, { shape, filters }) {
    const padded = paddedDepth(filters);
    const weights = paddedRows(rows, padded);
    const run = longestRun(weights, padded, inputs);
    const single = run >= padded;
    const [wide, narrow] = tileCounts(shape, six);
    const blocks = Math.ceil(filters.channels / block);
    const runs = (wide + narrow) * blocks * Math.ceil(padded / run);
    return {
      weights: inBlocks(weights, padded),
      flags: { sparse: false, single, words: !single },
      numbers: { quads: padded / turn, ...(single ? {} : { run: run / turn }) },
      work: {
        tapsBy6: { count: wide * blocks * padded, cycles: 40.8 },
        tapsBy3: { count: narrow * blocks * padded, cycles: 22.8 },
        blocks: { count: (wide + narrow) * blocks, cycles: 70 },
        ...(single ? {} : { runs: { count: runs, cycles: 300 } }),
      },
    };
  },
};

const sparse: Layout = {
  template: 'rv32/sparse_conv2d_pixels',
  skipsZeros: true,
  fits: (layer) => dense.fits(layer) && layer.filters.depth <= mostDepth,
  store(rows, inputs, { shape, filters }) {
    const { data, entries, runs } = sparseRuns(rows, inputs, laneLimit);
    const [wide, narrow] = tileCounts(shape, six);
    return {
      weights: data,
      flags: { sparse: true, single: false, words: false },
      numbers: {},
      work: {
        entriesBy6: { count: wide * entries, cycles: 17 },
        entriesBy3: { count: narrow * entries, cycles: 11 },
        runs: { count: (wide + narrow) * runs, cycles: 38 },
        channels: { count: (wide + narrow) * filters.channels, cycles: 24 },
      },
    };
  },
};

/** The kernel for all weights. */
export const rv32Pixels = kernelOf(dense);
/** The kernel that skips zero weights. */
export const rv32SparsePixels = kernelOf(sparse);

function kernelOf(layout: Layout): ConvolutionVariants {
  return (when, describe) => ({
    template: layout.template,
    text: dense.template,
    needs: ['mul32', 'rv32'],
    addsResidual: true,
    skipsZeros: layout.skipsZeros,
    match(view, context) {
      if (!when(view)) return null;
      const { facts } = context;
      const layer = describe(view);
      const { shape, filters, stage } = layer;
      if (!layout.fits(layer)) return null;
      const multiplies = channelMultiplies(view, stage, context);
      if (multiplies === null || (layout === sparse && floatShare(multiplies) > 0)) return null;
      const stored = once(() =>
        layout.store(rowsOf(view, filters), inputRanges(view, facts, layer), layer),
      );
      const [wide, narrow] = tileCounts(shape, six);
      return {
        scratchBytes: spareAt(layer) + (hasSpares(view, shape) ? six.pixels * shape.outC : 0),
        weightPasses: wide + narrow,
        overlaps: [
          { input: 0, lead: tileLead(shape, six), exact: false },
          ...residualOverlap(view),
        ],
        work: () => ({
          ...stored().work,
          ...outputWork(layer, multiplies),
          ...residualWork(view, 20),
        }),
        calls: () => [callOf(view, layer, multiplies, stored())],
      };
    },
  });
}

/** Offset in scratch of outputs that wait for a residual, or that belong to no pixel. */
function spareAt({ shape, filters }: Convolution): number {
  return packedBytes(shape, six, paddedDepth(filters)) + patchBytes(shape, filters.depth);
}

function hasSpares(view: NodeView<object>, shape: WindowShape): boolean {
  const [wide, narrow] = tileCounts(shape, six);
  const computed = wide * six.pixels + narrow * three.pixels;
  return hasResidual(view) || computed > pixelsOf(shape);
}

function outputWork(layer: Convolution, multiplies: readonly ChannelMultiply[]): Work {
  const { shape, filters } = layer;
  const pixels = pixelsOf(shape);
  return {
    outputs: { count: pixels * filters.channels, cycles: 14 },
    ...floatWork(multiplies, pixels * filters.channels),
    packed: { count: pixels * filters.depth, cycles: 3.5 },
    ...gatherWork(layer),
  };
}

/** Block by block, tap by tap: a weight of each of its channels. */
function inBlocks(rows: Int8Array, padded: number): Int8Array {
  const blocks = Math.ceil(rows.length / padded / block);
  return Int8Array.from({ length: blocks * block * padded }, (_, i) => {
    const tap = Math.floor(i / block) % padded;
    const channel = Math.floor(i / block / padded) * block + (i % block);
    return rows[channel * padded + tap] ?? 0;
  });
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  layer: Convolution,
  multiplies: readonly ChannelMultiply[],
  { weights, flags, numbers }: Stored,
): KernelCall {
  const { shape, filters } = layer;
  const pointwise = isPixelRow(shape);
  const spares = hasSpares(view, shape);
  const windows = {
    ...gatherNumbers(view, shape),
    packed_bytes: packedBytes(shape, six, paddedDepth(filters)),
  };
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...stageFlags(multiplies), pointwise, ...flags, spares },
    words: { scaling: scalingWords(multiplies) },
    numbers: {
      ...(pointwise ? {} : windows),
      depth: filters.depth,
      pixels: pixelsOf(shape),
      channels: filters.channels,
      ...numbers,
      ...(spares ? { spare_at: spareAt(layer) } : {}),
    },
    tables: {
      weights: { data: weights, role: 'weights' },
      stage: highStages(multiplies, biasesFor(view, filters, true)),
    },
  };
}
