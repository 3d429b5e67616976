/**
 * Convolutions and fully connected layers that skip zero weights, with SMLABB and SMLATB: one
 * instruction per pixel and nonzero weight. Layers with whole blocks of four zero channels use
 * SMLAD: one instruction per pixel and two weights of the other blocks.
 *
 * Scratch holds the same tap (or block of taps) of four or eight output pixels side by side, as
 * int16. A stream holds the weights with their distances (encoding/stream.ts). A single row has no
 * other pixel to share that with: its input is read in place, four values at a time by blocks.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  type Filters,
  inputZeroPoint,
} from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import {
  type Channel,
  entriesOf,
  isWithinReach,
  type StreamLoop,
  storedEntries,
  streamOf,
} from '../encoding/stream.js';
import { type Convolution, isPixelRow } from '../layout/convolution.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { windowNumbers } from '../layout/window-numbers.js';
import {
  type KernelCall,
  type KernelVariant,
  type MatchContext,
  once,
  type VariantTraits,
  type WorkTerm,
} from '../variant.js';
import { type Finish, finishFor } from './finish.js';
import { clampWork, finishWords, stepFlags } from './finish-words.js';
import { clampNumbers } from './multiply.js';
import { liveWeights } from './words.js';

type Layer = Pick<Convolution, 'filters' | 'stage'>;

/** How a tile of pixels is multiplied. */
interface Tile extends Pick<VariantTraits, 'template' | 'file'> {
  readonly pixels: 4 | 8;
  readonly stream: StreamLoop;
  /** Cycles of an entry, of a channel (without outputs) and of a widened value. */
  readonly cycles: { readonly entry: number; readonly channel: number; readonly widened: number };
}

const tiles = {
  eight: {
    template: 'dsp/sparse_conv2d',
    pixels: 8,
    stream: { tapBytes: 16, entry: 'weight', stepEntries: 2, stepBytes: 92 },
    cycles: { entry: 11.6, channel: 20.5, widened: 1.7 },
  },
  four: {
    ...{ template: 'dsp/sparse_conv2d_by4', file: 'dsp/sparse_conv2d' },
    pixels: 4,
    stream: { tapBytes: 8, entry: 'weight', stepEntries: 2, stepBytes: 52 },
    cycles: { entry: 6.6, channel: 15.5, widened: 1.7 },
  },
  blocks: {
    ...{ template: 'dsp/sparse_conv2d_blocks', file: 'dsp/sparse_conv2d' },
    pixels: 8,
    stream: { tapBytes: 16, entry: 'bytes', stepEntries: 1, stepBytes: 112 },
    cycles: { entry: 28.4, channel: 18, widened: 1.2 },
  },
} as const satisfies Record<string, Tile>;

/** How a single pixel is multiplied, with bytes as taps. */
type Row = Pick<Tile, 'template' | 'file' | 'stream'> & {
  /** Cycles of an entry. */
  readonly cycles: number;
};

const rows: readonly Row[] = [
  {
    template: 'dsp/sparse_fully_connected',
    stream: { tapBytes: 1, entry: 'weight', stepEntries: 4, stepBytes: 52 },
    cycles: 3.3,
  },
  {
    ...{ template: 'dsp/sparse_fully_connected_blocks', file: 'dsp/sparse_fully_connected' },
    stream: { tapBytes: 1, entry: 'pairs', stepEntries: 2, stepBytes: 44 },
    cycles: 5.6,
  },
];

/**
 * Convolutions, a tile of output pixels at a time, in all ways.
 *
 * @param describe called for nodes for which `when` holds
 */
export function sparseConvolutions<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): readonly KernelVariant<A>[] {
  return Object.values(tiles).map((tile) => sparseConvolution(tile, when, describe));
}

function sparseConvolution<A extends AccumulationAttrs>(
  tile: Tile,
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  const loop = tile.stream;
  return {
    template: tile.template,
    ...(tile.file === undefined ? {} : { file: tile.file }),
    needs: ['dsp'],
    addsResidual: true,
    skipsZeros: true,
    match(view, context) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const { shape, filters } = convolution;
      const finish = finishWithin(view, convolution, loop, context);
      if (finish === null) return null;
      const columns = columnsOf(filters, shape.inC, loop);
      const stream = once(() => streamFor(view, convolution, columns, loop, finish));
      // The padding of a window is no longer needed when outputs are stored.
      const padding = isPixelRow(shape) ? 0 : shape.inC;
      const sums = hasResidual(view) ? tile.pixels * filters.channels : 0;
      // One pixel at a time needs the same lead as a tile.
      const lead = windowLead(shape);
      return {
        scratchBytes: 2 * tile.pixels * columns.length + Math.max(padding, sums),
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => convolutionWork(view, convolution, tile, stream()),
        calls: () => [convolutionCall(view, convolution, tile, stream())],
      };
    },
  };
}

function convolutionWork(
  view: NodeView<object>,
  convolution: Convolution,
  { pixels: tile, cycles }: Tile,
  { columns, finish, stored }: Stream,
): Readonly<Record<string, WorkTerm>> {
  const { shape, filters } = convolution;
  const count = Math.ceil((shape.batches * shape.outH * shape.outW) / tile);
  const pointwise = isPixelRow(shape);
  // Remainders of four channels are widened byte by byte.
  const isShallow = shape.inC % 4 !== 0;
  const isWhole = columns.length === filters.depth;
  const partBytes = isWhole ? 0 : (shape.inC % 4) * shape.kernelH * shape.kernelW;
  return {
    entries: { count: count * stored, cycles: cycles.entry },
    channels: { count: count * filters.channels, cycles: cycles.channel },
    [finish.method]: {
      count: count * tile * filters.channels,
      cycles: finishCycles[finish.method],
    },
    widened: { count: count * tile * columns.length, cycles: isShallow ? 2.3 : cycles.widened },
    ...(isWhole ? {} : { parts: { count: count * tile * partBytes, cycles: 6 } }),
    tiles: { count, cycles: 60 },
    windows: { count: pointwise ? 0 : count * tile, cycles: 55 },
    runs: {
      count: pointwise ? 0 : runsOf(shape, isJoined(convolution, columns)),
      cycles: isShallow ? 110 : 85,
    },
    ...clampWork(finish, shape.batches * shape.outH * shape.outW * filters.channels),
    ...residualWork(view, 19),
  };
}

function convolutionCall(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  { pixels: tile, stream: loop }: Tile,
  stream: Stream,
): KernelCall {
  const { columns } = stream;
  const { shape } = convolution;
  const pointwise = isPixelRow(shape);
  const call = sparseCall(convolution, loop, stream);
  const needsColumns = !pointwise || hasResidual(view);
  const window = {
    in_h: shape.inH,
    in_w: shape.inW,
    in_zp: inputZeroPoint(view),
    ...windowNumbers(shape),
    joins: isJoined(convolution, columns) ? 1 : 0,
  };
  return {
    ...call,
    flags: { ...call.flags, pointwise, four: tile === 4 },
    numbers: {
      ...call.numbers,
      tile,
      in_c: shape.inC,
      pixels: shape.batches * shape.outH * shape.outW,
      ...(needsColumns ? { columns_bytes: 2 * tile * columns.length } : {}),
      ...(pointwise ? {} : window),
    },
  };
}

/**
 * Fully connected layers of one row, in all ways.
 *
 * @param describe called for nodes for which `when` holds
 */
export function sparseRows<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Layer,
): readonly KernelVariant<A>[] {
  return rows.map((row) => sparseRow(row, when, describe));
}

function sparseRow<A extends AccumulationAttrs>(
  { stream: loop, cycles, ...traits }: Row,
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Layer,
): KernelVariant<A> {
  return {
    ...traits,
    needs: ['dsp'],
    skipsZeros: true,
    match(view, context) {
      if (!when(view)) return null;
      const layer = describe(view);
      const finish = finishWithin(view, layer, loop, context);
      if (finish === null) return null;
      const { channels, depth } = layer.filters;
      const columns = columnsOf(layer.filters, depth, loop);
      const stream = once(() => streamFor(view, layer, columns, loop, finish));
      return {
        scratchBytes: 0,
        work: () => ({
          entries: { count: stream().stored, cycles },
          channels: { count: channels, cycles: 9 },
          [finish.method]: { count: channels, cycles: finishCycles[finish.method] },
          ...clampWork(finish, channels),
        }),
        calls: () => [sparseCall(layer, loop, stream())],
      };
    },
  };
}

/** Cycles to finish an output. */
const finishCycles = { linear: 2, twice: 6.2, once: 3.2 } as const;

/** Whether neighbouring taps in the image are neighbours in the columns. */
function isJoined({ shape, filters }: Convolution, columns: readonly number[]): boolean {
  return shape.dilationW === 1 && columns.length === filters.depth;
}

/**
 * Runs of taps that four neighbouring windows have in the image, or single taps.
 *
 * @param joins see isJoined
 */
function runsOf(shape: WindowShape, joins: boolean): number {
  const { batches, inH, inW, outH, outW, kernelH, kernelW } = shape;
  const { strideH, strideW, dilationH, padTop, padLeft } = shape;
  let runs = 0;
  for (let first = 0; first < outH * outW; first += 4) {
    const last = Math.min(first + 3, outH * outW - 1);
    const isOneRow = Math.floor(first / outW) === Math.floor(last / outW);
    const left = (isOneRow ? first % outW : 0) * strideW - padLeft;
    const right = (isOneRow ? last % outW : outW - 1) * strideW - padLeft;
    const top = Math.floor(first / outW) * strideH - padTop;
    const bottom = Math.floor(last / outW) * strideH - padTop;
    const begin = Math.max(0, -left);
    const end = Math.min(kernelW, inW - right);
    const perRow = !joins || end <= begin ? kernelW : kernelW - (end - begin) + 1;
    for (let ky = 0; ky < kernelH; ky += 1) {
      const isInside = top + ky * dilationH >= 0 && bottom + ky * dilationH < inH;
      runs += isInside ? perRow : kernelW;
    }
  }
  return batches * runs;
}

/** How sums are finished; null if the kernel cannot. */
function finishWithin(
  view: NodeView<AccumulationAttrs>,
  layer: Layer,
  loop: StreamLoop,
  context: MatchContext,
): Finish | null {
  if (!isWithinReach(layer.filters.depth, loop)) return null;
  const finish = finishFor(view, layer, context);
  return finish?.isMixed ? null : finish;
}

/**
 * The position in a filter of each column; −1 for columns that fill up the last block of a pixel.
 */
function columnsOf({ depth }: Filters, inC: number, { entry }: StreamLoop): readonly number[] {
  // Pairs begin anywhere within a filter, so none needs filling up.
  const taps = entry === 'bytes' ? 4 : 1;
  const perPixel = Math.ceil(inC / taps) * taps;
  return Array.from({ length: (depth / inC) * perPixel }, (_, column) => {
    const channel = column % perPixel;
    return channel < inC ? Math.floor(column / perPixel) * inC + channel : -1;
  });
}

function channelsOf(
  view: NodeView<AccumulationAttrs>,
  { filters }: Layer,
  columns: readonly number[],
  loop: StreamLoop,
  finish: Finish,
): readonly Channel[] {
  const weightAt = liveWeights(view, filters, finish);
  return finish.channels.map(({ start, constants }, channel) => {
    const weights = Int8Array.from(columns, (position) => weightAt(channel, position));
    return { weights, entries: entriesOf(weights, loop), start: start | 0, constants };
  });
}

interface Stream {
  readonly columns: readonly number[];
  readonly channels: readonly Channel[];
  readonly finish: Finish;
  /** Stored entries of all channels. */
  readonly stored: number;
}

function streamFor(
  view: NodeView<AccumulationAttrs>,
  layer: Layer,
  columns: readonly number[],
  loop: StreamLoop,
  finish: Finish,
): Stream {
  const channels = channelsOf(view, layer, columns, loop, finish);
  const stored = channels.reduce(
    (sum, { entries }) => sum + storedEntries(entries.length, loop),
    0,
  );
  return { columns, channels, finish, stored };
}

/** How many pixels a loop multiplies, and what an entry of its stream is to them. */
function tileWords({ tapBytes, entry, stepEntries, stepBytes }: StreamLoop) {
  const all = { 1: ['one', '1'], 8: ['four', '4'], 16: ['eight', '8'] } as const;
  const [pixels, count] = all[tapBytes as keyof typeof all];
  const blocks = entry !== 'weight';
  const word = blocks ? `${pixels}_blocks` : pixels;
  return {
    ...{ word, pixels, count, blocks },
    words: { weight: '1', bytes: '2', pairs: '3' }[entry],
    ...{ step_entries: `${stepEntries}`, step_bytes: `${stepBytes}` },
    ...{
      taps: blocks ? 'block of four taps' : 'tap',
      ...{ many: pixels === 'four' ? 'Four' : 'Eight', blocks_of: blocks ? 'blocks of ' : '' },
      ...{ beside: blocks ? 'four' : 'one', channels: blocks ? 'channels' : 'channel' },
      where: { one: 'a pixel', four: 'four\n * pixels', eight: 'eight pixels' }[pixels],
    },
    column: pixels === 'one' ? 'int8_t' : blocks ? 'uint32_t' : 'int16_t',
    widen: blocks
      ? { helper: 'dsp/sparse_quads', step: '' }
      : { helper: 'dsp/sparse_columns', step: `${tapBytes}` },
    ...{ about: `dsp/sparse_about_${word}`, add: `dsp/sparse_sum_${word}` },
    ...{ first: `dsp/sparse_first_${word}`, step: `dsp/sparse_step_${word}` },
    store: `dsp/sparse_store_${pixels}`,
  };
}

/** The common part of the calls of these kernels. */
function sparseCall(layer: Layer, loop: StreamLoop, { channels, finish }: Stream): KernelCall {
  const weights = streamOf(channels, loop);
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      blocks: loop.entry !== 'weight',
      linear: finish.method === 'linear',
      twice: finish.method === 'twice',
      ...stepFlags(finish),
      clamped: finish.isClamped,
    },
    words: { tiling: tileWords(loop), finish: finishWords(finish) },
    numbers: {
      end: weights.length,
      finish_offset: finish.offset,
      out_c: layer.filters.channels,
      ...(finish.isClamped ? clampNumbers(layer.stage) : {}),
    },
    tables: { weights: { data: weights, role: 'weights' } },
  };
}
