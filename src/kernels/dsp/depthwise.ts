/**
 * Depthwise convolutions with SMLAD: a word holds two rows of a channel, another word two taps of a
 * column of the window.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import type { Convolution } from '../layout/convolution.js';
import { laneBlocks, lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { clampWork, type Finish, finishFor } from './finish.js';
import { liveWeights, stageWords, type WeightAt, word } from './words.js';

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
      if (finish?.form !== 'linear') return null;
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
    flags: { clamped: finish.isClamped },
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
      weights: { data: Int32Array.from(words), role: 'weights' },
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

/**
 * Any window, two input channels over the whole image at a time. An output with as many channels
 * may replace the input, channel by channel.
 *
 * @param describe called for nodes for which `when` holds
 */
export function smladDepthwise<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/depthwise_conv2d',
    needs: ['dsp'],
    match(view, context) {
      const convolution = describe(view);
      const { dilationH, dilationW, inH, inW, inC, outH, outW, outC } = convolution.shape;
      const fits = dilationH * dilationW === 1 && inC > 1;
      const finish = fits ? finishFor(view, convolution, context) : null;
      if (finish === null) return null;
      const { columns, pairs } = extentOf(convolution.shape);
      const isSame = inH === outH && inW === outW && inC === outC;
      return {
        scratchBytes: 2 * 4 * columns * pairs,
        overlaps: isSame ? [{ input: 0, lead: 0, exact: true }] : [],
        work: () => depthwiseWork(convolution, finish),
        calls: () => [depthwiseCall(view, convolution, finish)],
      };
    },
  };
}

function depthwiseWork(
  convolution: Convolution,
  finish: Finish,
): Readonly<Record<string, WorkTerm>> {
  const { shape } = convolution;
  const { batches, inC, outH, outW, outC, kernelH, kernelW } = shape;
  const { pairs, columns } = extentOf(shape);
  const channels = batches * outC;
  const outputs = channels * outH * outW;
  const taps = kernelW * (Math.floor(kernelH / 2) + 1);
  return {
    widened: { count: batches * inC * pairs * columns, cycles: 6.5 },
    ...(is3x3(shape, finish)
      ? { outputs: { count: outputs, cycles: shape.strideH === 1 ? 14 : 19 } }
      : {
          any_taps: { count: outputs * taps, cycles: 6 },
          any_outputs: { count: outputs, cycles: 12 },
        }),
    columns: { count: channels * outW, cycles: 26 },
    channels: { count: channels, cycles: 250 },
    ...clampWork(finish, outputs),
  };
}

/** Windows that assembly computes. */
function is3x3({ kernelH, kernelW, strideH }: WindowShape, { form }: Finish): boolean {
  return kernelH === 3 && kernelW === 3 && strideH <= 2 && form === 'linear';
}

function depthwiseCall(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  finish: Finish,
): KernelCall {
  const { shape, stage } = convolution;
  const special = is3x3(shape, finish);
  const { columns, pairs, before, inside } = extentOf(shape);
  const weights = finish.channels.map(({ isConstant }, channel) =>
    columnWords(convolution, channel, isConstant ? null : weightsOf(view), special),
  );
  const stages = finish.channels.map(({ start, constants }) => [start | 0, ...constants]);
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      linear: finish.form === 'linear',
      twice: finish.form === 'twice',
      stride1: special && shape.strideH === 1,
      stride2: special && shape.strideH === 2,
      any_window: !special,
      clamped: finish.isClamped,
    },
    numbers: {
      batches: shape.batches,
      in_h: shape.inH,
      in_w: shape.inW,
      channels: shape.inC,
      multiplier: shape.outC / shape.inC,
      stride_w: shape.strideW,
      columns,
      pairs,
      pairs_before: before,
      pairs_inside: inside,
      ...(special
        ? {}
        : { kernel_h: shape.kernelH, kernel_w: shape.kernelW, stride_h: shape.strideH }),
      top: -shape.padTop,
      left: -shape.padLeft,
      out_h: shape.outH,
      out_w: shape.outW,
      in_zp: inputZeroPoint(view),
      weight_words: weights[0]?.length ?? 0,
      stage_words: stages[0]?.length ?? 0,
      ...(finish.form === 'linear' ? { finish_offset: finish.offset } : {}),
      ...(finish.isClamped ? { lowest: stage.min, highest: stage.max } : {}),
    },
    tables: {
      weights: { data: Int32Array.from(weights.flat()), role: 'weights' },
      stage: { data: Int32Array.from(stages.flat()), role: 'table' },
    },
  };
}

/**
 * A channel's taps, two of a column in each word. 3×3: rows 0 and 1 of each column, then rows 1 and
 * 2 of each. Otherwise, for each column: all rows from the first, then from one above it.
 */
function columnWords(
  { shape, filters }: Convolution,
  channel: number,
  weights: Int8Array | null,
  is3x3: boolean,
): readonly number[] {
  const { kernelH, kernelW } = shape;
  const tap = (row: number, column: number) => {
    if (weights === null || row < 0 || row >= kernelH) return 0;
    return weights[filters.position(channel, row * kernelW + column)] as number;
  };
  const columns = Array.from({ length: kernelW }, (_, column) => column);
  const at = (row: number, column: number) => word(tap(row, column), tap(row + 1, column));
  if (is3x3) return [0, 1].flatMap((row) => columns.map((column) => at(row, column)));
  const pairs = Array.from({ length: Math.floor(kernelH / 2) + 1 }, (_, pair) => 2 * pair);
  return [0, -1].flatMap((first) =>
    columns.flatMap((column) => pairs.map((row) => at(first + row, column))),
  );
}
