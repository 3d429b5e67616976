/**
 * Depthwise convolutions with SMLAD: a word holds two rows of a channel, another word two taps of a
 * column of the window.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  type Filters,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { type Convolution, turned } from '../layout/convolution.js';
import { laneBlocks, lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import type { KernelCall, KernelVariant, Overlap, WorkTerm } from '../variant.js';
import { type Finish, finishFor } from './finish.js';
import {
  clampWork,
  exceptionWork,
  finishFlags,
  finishWords,
  precisionWords,
  stepFlags,
} from './finish-words.js';
import { liveWeights, stageWords, type WeightAt, withDual, word } from './words.js';

/**
 * The input under all windows: columns, and rows in pairs. `before`: pairs that begin above the
 * image; `inside`: the following pairs, which lie in it.
 */
function extentOf(shape: WindowShape) {
  const { inH, outH, outW, strideH, strideW, kernelH, kernelW, padTop } = shape;
  const pairs = Math.floor(((outH - 1) * strideH) / 2) + Math.floor(kernelH / 2) + 1;
  const before = Math.min(pairs, Math.ceil(padTop / 2));
  const inside = Math.min(pairs, Math.floor((inH + padTop) / 2)) - before;
  return { columns: (outW - 1) * strideW + kernelW, pairs, before, inside: Math.max(0, inside) };
}

/**
 * Windows of 3×3, four channels at a time. Scratch holds one window, so the output follows the
 * input closely.
 */
export function smladDepthwise3x3<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/depthwise_conv2d_3x3',
    needs: ['dsp'],
    match(view, context) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const { shape } = convolution;
      const { kernelH, kernelW, dilationH, dilationW, inC } = shape;
      const fits = kernelH === 3 && kernelW === 3 && dilationH * dilationW === 1 && inC >= lanes;
      const finish = fits ? finishFor(view, convolution, context) : null;
      if (finish?.method !== 'linear' || finish.isMixed) return null;
      const lead = windowLead(shape, { channelBlock: lanes, depthwise: true });
      return {
        scratchBytes: 9 * inC,
        overlaps: [{ input: 0, lead, exact: false }],
        work: () => work3x3(convolution, finish),
        calls: () => [call3x3(view, convolution, finish)],
      };
    },
  };
}

function work3x3(convolution: Convolution, finish: Finish) {
  const { batches, inH, inW, outH, outW, outC, ...window } = convolution.shape;
  const insideOf = (extent: number, inside: number, stride: number, pad: number) =>
    Array.from({ length: extent }, (_, o) => o * stride - pad).filter(
      (first) => first >= 0 && first + 3 <= inside,
    ).length;
  const inside =
    insideOf(outH, inH, window.strideH, window.padTop) *
    insideOf(outW, inW, window.strideW, window.padLeft);
  const groups = Math.ceil(outC / lanes);
  return {
    groups: { count: batches * outH * outW * groups, cycles: 95 },
    copies: { count: batches * (outH * outW - inside) * 9 * groups, cycles: 6 },
    pixels: { count: batches * outH * outW, cycles: 22 },
    borders: { count: batches * (outH * outW - inside), cycles: 150 },
    ...clampWork(finish, batches * outH * outW * outC),
  };
}

function call3x3(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  finish: Finish,
): KernelCall {
  const { shape, stage, filters } = convolution;
  const groups = laneBlocks(shape.inC);
  const weightAt = liveWeights(view, filters, finish);
  const words = groups.flatMap((first) => windowWords(first, weightAt));
  const isWhole = shape.inC % lanes === 0;
  return {
    inputs: [0],
    outputs: [0],
    flags: { clamped: finish.isClamped, ...stepFlags(finish) },
    words: { precision: precisionWords(finish) },
    numbers: {
      batches: shape.batches,
      in_h: shape.inH,
      in_w: shape.inW,
      in_zp: inputZeroPoint(view),
      channels: shape.inC,
      stride_h: shape.strideH,
      stride_w: shape.strideW,
      pad_top: shape.padTop,
      pad_left: shape.padLeft,
      out_h: shape.outH,
      out_w: shape.outW,
      full: words.length - (isWhole ? 0 : words.length / groups.length),
      end: words.length,
      back: isWhole ? 0 : lanes - (shape.inC % lanes),
      finish_offset: finish.offset,
      ...(finish.isClamped ? { lowest: stage.min, highest: stage.max } : {}),
    },
    tables: {
      weights: { data: Uint32Array.from(words), role: 'weights' },
      stage: { data: stageWords(groups, shape.inC, finish), role: 'table' },
    },
  };
}

/** Weights of four channels from `first`, as depthwise_pixels() reads them. */
function windowWords(first: number, weightAt: WeightAt): readonly number[] {
  return [2, 1, 0].flatMap((column) => {
    const tap = (lane: number, row: number) => weightAt(first + lane, row * 3 + column);
    return [
      ...[1, 0, 3, 2].map((lane) => word(tap(lane, 0), tap(lane, 1))),
      ...[0, 1].map((lane) => word(tap(lane, 2), tap(lane + 2, 2))),
    ];
  });
}

/** Words of a column of taps: two taps each, for windows that begin in an odd row too. */
const pairsOf = ({ kernelH }: WindowShape) => Math.floor(kernelH / 2) + 1;

/** The most words of a column of taps that dsp/depthwise_columns multiplies. */
const mostPairs = 16;

/** Bytes that the plane of a single channel may take; larger ones are computed in bands. */
const planeBytes = 2048;

/** A layer as its channels are computed: column by column, down the rows. */
interface Columns {
  /** Rows and columns change places where windows are wider than high. */
  readonly shape: WindowShape;
  readonly isTurned: boolean;
  /** 3×3 and 'pairs' of rows are computed in assembly. */
  readonly loop: '3x3' | 'pairs' | 'any';
  /** Rows of the output that are computed from one plane. */
  readonly bandRows: number;
}

function columnsOf(given: WindowShape, finish: Finish): Columns {
  const isTurned = instructionsOf(turned(given)) < instructionsOf(given);
  const shape = isTurned ? turned(given) : given;
  const inAssembly = finish.method === 'linear' && shape.strideH <= 2;
  const is3x3 = shape.kernelH === 3 && shape.kernelW === 3;
  const isPaired = inAssembly && pairsOf(shape) <= mostPairs;
  const loop = inAssembly && is3x3 ? '3x3' : isPaired ? 'pairs' : 'any';
  return { shape, isTurned, loop, bandRows: isTurned ? shape.outH : bandRowsOf(shape) };
}

/** Estimate for dsp/depthwise_columns; strides that it does not support take four times as many. */
function instructionsOf(shape: WindowShape): number {
  const { outH, outW, kernelW, strideH } = shape;
  const twoOutputs = 14 + kernelW * (4 * pairsOf(shape) + 4);
  return (strideH > 2 ? 4 : 1) * outW * (26 + Math.ceil(outH / 2) * twoOutputs);
}

/** Bands of equal and even height. */
function bandRowsOf(shape: WindowShape): number {
  const { inC, outH } = shape;
  if (inC > 1) return outH;
  for (let bands = 1; ; bands += 1) {
    const rows = 2 * Math.ceil(outH / bands / 2);
    if (rows === 2 || wordsOf(shape, rows) * 4 <= planeBytes) return Math.min(rows, outH);
  }
}

/** Words of a channel's plane under `rows` rows of the output. */
function wordsOf(shape: WindowShape, rows: number): number {
  const { columns, pairs } = extentOf({ ...shape, outH: rows });
  return columns * pairs;
}

/**
 * Any window, two input channels over the whole image at a time, or a single one. An output with as
 * many channels may replace the input, channel by channel.
 *
 * @param when whether each output channel has one input channel
 * @param describe called for nodes for which `when` holds
 */
export function smladDepthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/depthwise_conv2d',
    needs: ['dsp'],
    match(view, context) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const { dilationH, dilationW } = convolution.shape;
      const finish = dilationH * dilationW === 1 ? finishFor(view, convolution, context) : null;
      if (finish === null) return null;
      const walk = columnsOf(convolution.shape, finish);
      return {
        scratchBytes: scratchBytesOf(walk),
        overlaps: overlapsOf(convolution.shape, walk),
        work: () => depthwiseWork(finish, walk),
        calls() {
          const call = depthwiseCall(view, convolution, finish, walk);
          const piped = walk.loop === '3x3' && context.target.isDual;
          return [withDual(context, { ...call, words: { ...call.words, piped } })];
        },
      };
    },
  };
}

/** An odd last row is computed with one below it; at stride 2 that reads a word past the plane. */
function scratchBytesOf({ shape, bandRows }: Columns): number {
  const planes = shape.inC > 1 ? 2 : 1;
  return 4 * (planes * wordsOf(shape, bandRows) + (shape.strideH === 2 ? 1 : 0));
}

function overlapsOf(shape: WindowShape, { isTurned, bandRows }: Columns): readonly Overlap[] {
  const { inH, inW, inC, outH, outW, outC } = shape;
  if (inC === 1) {
    const tileRows = isTurned ? outH : bandRows;
    const lead = windowLead(shape, { tilePixels: Infinity, tileRows });
    return [{ input: 0, lead, exact: false }];
  }
  const isSame = inH === outH && inW === outW && inC === outC;
  return isSame ? [{ input: 0, lead: 0, exact: true }] : [];
}

function depthwiseWork(
  finish: Finish,
  { shape, loop, bandRows }: Columns,
): Readonly<Record<string, WorkTerm>> {
  const { batches, inC, outH, outW, outC, kernelW, strideH } = shape;
  const bands = Math.ceil(outH / bandRows);
  const widened = batches * inC * bands * wordsOf(shape, bandRows);
  const channels = batches * outC;
  const outputs = channels * outH * outW;
  const taps = outputs * kernelW * pairsOf(shape);
  // Two rows share the words of the input, or of the weights.
  const twos = channels * outW * Math.ceil(outH / 2);
  const terms = {
    '3x3': { outputs: { count: outputs, cycles: strideH === 1 ? 14 : 19 } },
    pairs: {
      paired_taps: { count: twos * kernelW * pairsOf(shape), cycles: 4 },
      paired_columns: { count: twos * kernelW, cycles: 4 },
      paired_outputs: { count: twos, cycles: 15 },
    },
    any: {
      any_taps: { count: taps, cycles: 6 },
      any_outputs: { count: outputs, cycles: 12 },
      // No layer of the calibration has these; measured on the layers of a streaming network.
      ...(finish.method === 'linear'
        ? {}
        : { [finish.method]: { count: outputs, cycles: finish.method === 'twice' ? 16 : 12 } }),
    },
  };
  return {
    ...(inC > 1
      ? { widened: { count: widened, cycles: 6.5 } }
      : { plane: { count: widened, cycles: 10 } }),
    ...terms[loop],
    columns: { count: channels * bands * outW, cycles: 26 },
    channels: { count: channels * bands, cycles: 250 },
    // Plain C computes their windows.
    ...exceptionWork(finish, outputs, 50 + 4 * kernelW * pairsOf(shape)),
    ...clampWork(finish, outputs),
  };
}

function depthwiseCall(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  finish: Finish,
  walk: Columns,
): KernelCall {
  const { stage } = convolution;
  const { shape, loop } = walk;
  const weights = finish.channels.map(({ isConstant }, channel) =>
    columnWords(convolution.filters, channel, isConstant ? null : weightsOf(view), walk),
  );
  const stages = finish.channels.map(({ start, constants }) => [start | 0, ...constants]);
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      one_channel: shape.inC === 1,
      ...finishFlags(finish),
      stride1: loop === '3x3' && shape.strideH === 1,
      stride2: loop === '3x3' && shape.strideH === 2,
      pairs1: loop === 'pairs' && shape.strideH === 1,
      pairs2: loop === 'pairs' && shape.strideH === 2,
      any_window: loop === 'any',
      clamped: finish.isClamped,
    },
    words: loopWords(walk, finish),
    numbers: {
      ...imageNumbers(walk),
      ...(loop === '3x3' ? {} : { kernel_w: shape.kernelW }),
      ...(loop === 'pairs'
        ? { window_pairs: shape.strideH === 1 ? pairsOf(shape) : Math.ceil(shape.kernelH / 2) }
        : {}),
      ...(loop === 'any' ? { kernel_h: shape.kernelH, stride_h: shape.strideH } : {}),
      in_zp: inputZeroPoint(view),
      weight_words: weights[0]?.length ?? 0,
      stage_words: stages[0]?.length ?? 0,
      ...(finish.method === 'linear' ? { finish_offset: finish.offset } : {}),
      ...(finish.isClamped ? { lowest: stage.min, highest: stage.max } : {}),
    },
    tables: {
      weights: { data: Uint32Array.from(weights.flat()), role: 'weights' },
      stage: { data: Int32Array.from(stages.flat()), role: 'table' },
    },
  };
}

/** The helper of a channel, the one for a channel without a line, and what they are made for. */
function loopWords({ shape, loop }: Columns, finish: Finish) {
  const helper = loop === '3x3' ? 'dsp/depthwise_3x3' : 'dsp/depthwise_columns';
  return {
    ...{ loop: helper, lineless: `${helper}_float`, stride: `${shape.strideH}` },
    paired: loop === 'pairs',
    finish: finishWords(finish),
  };
}

/** Where the planes' words come from, and where the outputs go. */
function imageNumbers({ shape, isTurned, bandRows }: Columns): Readonly<Record<string, number>> {
  const { inC, inH, inW, outH, outW, outC, strideH } = shape;
  const { columns, pairs, before, inside } = extentOf({ ...shape, outH: bandRows });
  return {
    batches: shape.batches,
    in_h: inH,
    in_w: inW,
    in_row: isTurned ? inC : inW * inC,
    in_column: isTurned ? inH * inC : inC,
    ...(inC === 1
      ? { out_c: outC, band: bandRows, band_step: bandRows * strideH }
      : { channels: inC, multiplier: outC / inC, pairs_before: before, pairs_inside: inside }),
    stride_w: shape.strideW,
    columns,
    pairs,
    top: -shape.padTop,
    left: -shape.padLeft,
    out_h: outH,
    out_w: outW,
    out_row: isTurned ? outC : outW * outC,
    out_column: isTurned ? outH * outC : outC,
  };
}

/**
 * A channel's taps, two of a column in each word. 3×3: rows 0 and 1 of each column, then rows 1 and
 * 2 of each. 'pairs': for each column the words from its first row, at stride 1 each followed by
 * the word from the row above. 'any': for each column all rows from the first, then from one above
 * it.
 */
function columnWords(
  filters: Filters,
  channel: number,
  weights: Int8Array | null,
  { shape, isTurned, loop }: Columns,
): readonly number[] {
  const { kernelH, kernelW, strideH } = shape;
  const tap = (row: number, column: number) => {
    if (weights === null || row < 0 || row >= kernelH) return 0;
    const position = isTurned ? column * kernelH + row : row * kernelW + column;
    return weights[filters.position(channel, position)] as number;
  };
  const columns = Array.from({ length: kernelW }, (_, column) => column);
  const at = (row: number, column: number) => word(tap(row, column), tap(row + 1, column));
  if (loop === '3x3') return [0, 1].flatMap((row) => columns.map((column) => at(row, column)));
  const evens = Array.from({ length: pairsOf(shape) }, (_, pair) => 2 * pair);
  if (loop === 'any') {
    return [0, -1].flatMap((first) =>
      columns.flatMap((column) => evens.map((row) => at(first + row, column))),
    );
  }
  return columns.flatMap((column) =>
    strideH === 1
      ? evens.flatMap((row) => [at(row, column), at(row - 1, column)])
      : evens.filter((row) => row < kernelH).map((row) => at(row, column)),
  );
}
