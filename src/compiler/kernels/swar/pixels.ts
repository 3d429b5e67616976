/**
 * Convolutions whose pixels share words, for cores with a 32-bit multiply and no SIMD: an int8
 * weight multiplies three pixels in two words, a + 2^21 b and c + 2^11 b, like the output channels
 * of lanes.ts. Weights stay int8 and are streamed once per nine pixels, so layers of few pixels and
 * many channels can keep them in flash. The packed tile takes 24 bytes of scratch per tap.
 *
 * A 1×1 convolution may write into its input's memory, so only scratch adds to the arena. If it has
 * more pixels than a tile, its tiles have six.
 *
 * A second kernel skips zero weights (sparse-pixels.ts).
 */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs, Filters } from '../../ops/arithmetic/accumulation.js';
import type { Range } from '../../ops/arithmetic/bounds.js';
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
  nine,
  packedBytes,
  paddedDepth,
  paddedRows,
  patchBytes,
  rowsOf,
  six,
  type Tile,
  three,
  tileCounts,
  tileLead,
} from '../layout/pixel-tiles.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { type KernelCall, type MatchContext, once } from '../variant.js';
import {
  gatherNumbers,
  gatherWork,
  inputRanges,
  type RescaleStage,
  rescaleOperands,
  rescaleStage,
  rescaleWork,
} from './layer.js';
import { spareTaps, sparsePixelStream } from './sparse-pixels.js';

/** Approximate cycles of a tap, by the pixels of its tile. */
const cyclesPerTap: Readonly<Record<number, number>> = { 9: 22.7, 6: 15.7, 3: 10.2 };
const cyclesPerOutput = { rescaled: 18, lifted: 65, deep: 65, requantized: 105 } as const;

/** Weights as a kernel reads them. */
interface Stored {
  readonly weights: Int32Array;
  readonly numbers: Readonly<Record<string, number>>;
  /**
   * For a tile, over all channels: the multiplied weights, and the runs into which they are cut.
   */
  readonly multiplied: number;
  readonly runs: number;
}

interface Tables extends Stored {
  readonly outputs: RescaleStage;
}

/** A way to store weights, and the kernel for it. */
interface Layout {
  readonly template: string;
  readonly file?: string;
  /** Name in `work` of a multiplied weight. */
  readonly term: string;
  /** Cycles of a tap in addition to those of the tile. */
  readonly tapCycles: number;
  /** Taps held in scratch. */
  taps(filters: Filters): number;
  fits(shape: WindowShape): boolean;
  store(channels: readonly Int8Array[], inputs: readonly Range[], shape: WindowShape): Stored;
}

const dense: Layout = {
  template: 'swar/conv2d_pixels',
  term: 'taps',
  tapCycles: 0,
  taps: paddedDepth,
  fits: (shape) => pixelsOf(shape) >= three.pixels,
  store(channels, inputs) {
    const padded = paddedDepth({ depth: inputs.length });
    const bytes = paddedRows(channels, padded);
    const quads = padded / 4;
    const run = longestRun(bytes, padded, inputs) / 4;
    return {
      weights: littleEndianWords(bytes),
      numbers: { quads, run },
      multiplied: channels.length * padded,
      runs: channels.length * Math.ceil(quads / run),
    };
  },
};

const sparse: Layout = {
  ...{ template: 'swar/sparse_conv2d_pixels', file: 'swar/conv2d_pixels' },
  term: 'entries',
  tapCycles: 4,
  taps: ({ depth }) => depth + spareTaps,
  // The last pixels have taps at the same distances as the others.
  fits: (shape) => tileCounts(shape, wideTile(shape))[0] > 0,
  store(channels, inputs, shape) {
    const unit = wideTile(shape).words / 2;
    const { data, pairs, runs } = sparsePixelStream(channels, inputs, unit, laneLimit);
    return { weights: data, numbers: {}, multiplied: 2 * pairs, runs };
  },
};

/** The kernel for all weights. */
export const pixelsKernel = kernelOf(dense);
/** The kernel that skips zero weights. */
export const sparsePixelsKernel = kernelOf(sparse);

function kernelOf(layout: Layout): ConvolutionVariants {
  return (when, describe) => ({
    template: layout.template,
    ...(layout.file === undefined ? {} : { file: layout.file }),
    needs: ['mul32', 'swar'],
    addsResidual: true,
    skipsZeros: layout === sparse,
    match(view, context) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { shape, filters } = layer;
      if (!layout.fits(shape)) return null;
      const tables = once(() => makeTables(layout, view, context, layer));
      const tile = wideTile(shape);
      const [wide, narrow] = tileCounts(shape, tile);
      const lead = tileLead(shape, tile);
      return {
        scratchBytes:
          packedBytes(shape, tile, layout.taps(filters)) + patchBytes(shape, filters.depth),
        weightPasses: wide + narrow,
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => workOf(layout, view, layer, tables()),
        calls: () => [callOf(layout, view, layer, tables())],
      };
    },
  });
}

function workOf(
  layout: Layout,
  view: NodeView<object>,
  layer: Convolution,
  { multiplied, runs, outputs }: Tables,
) {
  const { shape, filters } = layer;
  const [wide, narrow] = tileCounts(shape, wideTile(shape));
  const pixels = pixelsOf(shape);
  const count = pixels * filters.channels;
  return {
    ...multiplications(layout, wideTile(shape), wide * multiplied),
    ...multiplications(layout, three, narrow * multiplied),
    runs: { count: (wide + narrow) * runs, cycles: 160 },
    ...rescaleWork(outputs, count, cyclesPerOutput),
    ...residualWork(view, 50),
    packed: { count: pixels * filters.depth, cycles: 6 },
    ...gatherWork(layer),
  };
}

function multiplications({ term, tapCycles }: Layout, tile: Tile, count: number) {
  const cycles = (cyclesPerTap[tile.pixels] as number) + tapCycles;
  return { [`${term}By${tile.pixels}`]: { count, cycles } };
}

function makeTables(
  layout: Layout,
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  layer: Convolution,
): Tables {
  const rows = rowsOf(view, layer.filters);
  return {
    ...layout.store(rows, inputRanges(view, context.facts, layer), layer.shape),
    outputs: rescaleStage(view, context, layer, true),
  };
}

function littleEndianWords(bytes: Int8Array): Int32Array {
  const view = new DataView(bytes.buffer);
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
}

function wideTile(shape: WindowShape): Tile {
  return isPixelRow(shape) && pixelsOf(shape) > nine.pixels ? six : nine;
}

function callOf(
  layout: Layout,
  view: NodeView<AccumulationAttrs>,
  layer: Convolution,
  { weights, numbers, outputs }: Tables,
): KernelCall {
  const { shape, filters } = layer;
  const words = outputs.words.map((each, channel) => [outputs.starts[channel] as number, ...each]);
  const rescale = rescaleOperands(layer, outputs.rescale, words);
  const pointwise = isPixelRow(shape);
  const tile = wideTile(shape);
  const scratch = {
    packed_bytes: packedBytes(shape, tile, layout.taps(filters)),
    ...(layout === sparse ? { patch_bytes: paddedDepth(filters) } : {}),
  };
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...rescale.flags,
      pointwise,
      six: tile === six,
      sparse: layout === sparse,
    },
    words: { most: tile === six ? '6' : '9' },
    numbers: {
      ...rescale.numbers,
      ...(pointwise ? {} : { ...gatherNumbers(view, shape), ...scratch }),
      depth: filters.depth,
      tile: tile.pixels,
      pixels: pixelsOf(shape),
      channels: filters.channels,
      ...numbers,
    },
    tables: {
      ...rescale.tables,
      weights: { data: weights, role: 'weights' },
    },
  };
}
