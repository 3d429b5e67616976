/**
 * Convolutions and fully connected layers with SMLAD, which adds two products of 16-bit halves.
 *
 * A patch of the input is widened to int16 in scratch, once for all output channels. The weights
 * lie in flash in the order in which they are multiplied: as int16 ('wide'), or as int8 with two
 * channels in one lane ('packed'). See the helper dsp/multiply for both.
 */
import { elementCount, type NodeView } from '../../ir/graph.js';
import type { Optimize } from '../../ir/op.js';
import {
  type AccumulationAttrs,
  inputZeroPoint,
  type OutputStage,
} from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { outputOf } from '../../ops/shape/operands.js';
import { borderLines, type Convolution, isPixelRow } from '../layout/convolution.js';
import { laneBlocks, lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import type { KernelCall, KernelVariant, VariantTraits, WorkTerm } from '../variant.js';
import { type Finish, scale, tyingFinishFor } from './finish.js';
import { clampWork, finishWords, tieWork, tyingFlags } from './finish-words.js';
import { liveWeights, stageWords, type WeightAt, withDual, word } from './words.js';

/** The two taps of one word of the patch: positions in a filter, −1 for none. */
export type TapPair = readonly [low: number, high: number];

/** The order in which `widen_*` lays out runs of contiguous input: bytes 0 and 2, then 1 and 3. */
export function stepsOf(runs: number, length: number): readonly TapPair[] {
  const tap = (run: number, i: number) => (i < length ? run * length + i : -1);
  return Array.from({ length: runs }, (_, run) =>
    Array.from({ length: Math.ceil(length / 2) }, (_, word): TapPair => {
      const first = 4 * Math.floor(word / 2);
      // The last one to three bytes form pairs.
      if (first + 4 > length) return [tap(run, 2 * word), tap(run, 2 * word + 1)];
      return [tap(run, first + (word % 2)), tap(run, first + (word % 2) + 2)];
    }),
  ).flat();
}

/**
 * A convolution: the patches of two output pixels, possibly of two rows, by all filters.
 *
 * @param describe called for nodes for which `when` holds
 */
export function smladConvolution<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/conv2d',
    needs: ['dsp'],
    addsResidual: true,
    match(view, context) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const finish = tyingFinishFor(view, convolution, context);
      if (finish === null) return null;
      const { shape } = convolution;
      const patch = patchOf(shape);
      const line = shape.inC % lanes === 0 ? 0 : Math.ceil(patch.length / 4) * 4;
      // One pixel at a time needs the same lead as two.
      const lead = windowLead(shape);
      return {
        scratchBytes: 8 * patch.steps.length + line + 2 * stagedBytes(view, convolution),
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => convolutionWork(view, convolution, patch, finish, context.optimize),
        calls: () => [
          withDual(context, convolutionCall(view, convolution, patch, finish, context.optimize)),
        ],
      };
    },
  };
}

/** Runs of contiguous input under a window. */
interface Patch {
  /** Taps are apart: each one is a run. */
  readonly byTap: boolean;
  /** A byte a row: they are collected into one run. */
  readonly byColumn: boolean;
  readonly runs: number;
  /** Bytes of a run. */
  readonly length: number;
  readonly steps: readonly TapPair[];
}

function patchOf({ kernelH, kernelW, inC, dilationW }: WindowShape): Patch {
  const byTap = dilationW > 1 && kernelW > 1;
  const byColumn = kernelW * inC === 1 && kernelH > 1;
  const runs = byTap ? kernelH * kernelW : byColumn ? 1 : kernelH;
  const length = byTap ? inC : byColumn ? kernelH : kernelW * inC;
  return { byTap, byColumn, runs, length, steps: stepsOf(runs, length) };
}

function convolutionWork(
  view: NodeView<object>,
  convolution: Convolution,
  { byTap, byColumn, runs, length, steps }: Patch,
  finish: Finish,
  optimize: Optimize,
): Readonly<Record<string, WorkTerm>> {
  const { shape } = convolution;
  const { batches, outH, outW, outC, kernelH, inC } = shape;
  const pairs = Math.ceil((batches * outH * outW) / 2);
  const groups = pairs * Math.ceil(outC / lanes);
  const isWide = isForSpeed(optimize);
  const pointwise = isPixelRow(shape);
  const { method } = finish;
  const borders = byTap ? 0 : borderLines(shape);
  return {
    steps: { count: groups * steps.length, cycles: isWide ? 11.2 : 12.2 },
    groups: { count: groups, cycles: isWide ? 22 : 36 },
    [method]: { count: groups * 2 * lanes, cycles: { linear: 2.4, twice: 6.6, once: 3.6 }[method] },
    widened: { count: 2 * pairs * steps.length, cycles: pointwise ? 3.5 : 5 },
    tails: { count: 2 * pairs * runs * Math.ceil((length % lanes) / 2), cycles: 9 },
    ...(inC % lanes === 0
      ? { borders: { count: borders, cycles: 60 } }
      : { copied: { count: byColumn ? 2 * pairs * length : borders * length, cycles: 9 } }),
    lines: { count: pointwise ? 0 : 2 * pairs * (byColumn ? 1 : kernelH), cycles: 12 },
    pairs: { count: pairs, cycles: 60 },
    ...tieWork(finish, 2 * pairs),
    ...clampWork(finish, batches * outH * outW * outC),
    ...residualWork(view, 19),
  };
}

function convolutionCall(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  { byTap, byColumn, length, steps }: Patch,
  finish: Finish,
  optimize: Optimize,
): KernelCall {
  const { shape } = convolution;
  const pointwise = isPixelRow(shape);
  const wholeWords = shape.inC % lanes === 0;
  const call = multiplyCall(view, convolution, finish, steps, isForSpeed(optimize));
  const { padLeft, outW, strideW, kernelW, inW, dilationW } = shape;
  const padding = inputZeroPoint(view) * (call.flags.packed ? 1 : scale);
  const window = {
    in_h: shape.inH,
    in_w: inW,
    ...(byColumn ? {} : { padding: word(padding, padding) }),
    kernel_h: shape.kernelH,
    ...(byColumn ? {} : { kernel_w: kernelW }),
    stride_h: shape.strideH,
    stride_w: strideW,
    dilation_h: shape.dilationH,
    dilation_w: dilationW,
    pad_top: shape.padTop,
    pad_left: padLeft,
    batches: shape.batches,
    out_h: shape.outH,
    out_w: outW,
    ...(byTap || byColumn ? {} : { line_bytes: length }),
  };
  return {
    ...call,
    flags: {
      ...call.flags,
      pointwise,
      by_tap: byTap,
      by_column: byColumn,
      whole_words: wholeWords,
    },
    numbers: {
      ...call.numbers,
      in_c: shape.inC,
      out_c: shape.outC,
      ...(pointwise ? { pixels: outW } : window),
      ...(pointwise || byTap || wholeWords ? {} : { in_zp: inputZeroPoint(view) }),
    },
  };
}

type RowOf<A extends object> = (view: NodeView<A>) => Pick<Convolution, 'filters' | 'stage'>;

/**
 * A fully connected layer of one row: four taps by four channels at a time. Int8 is also offered
 * for speed: int16 takes fewer instructions, but twice the misses of a flash cache.
 *
 * @param describe called for nodes for which `when` holds
 */
export function smladRows<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: RowOf<A>,
): readonly KernelVariant<A>[] {
  return [
    smladRow({ template: 'dsp/fully_connected' }, when, describe, isForSpeed),
    smladRow(
      { template: 'dsp/fully_connected_packed', goals: ['speed'] },
      when,
      describe,
      () => false,
    ),
  ];
}

const isForSpeed = (optimize: Optimize) => optimize === 'speed';

function smladRow<A extends AccumulationAttrs>(
  traits: Pick<VariantTraits, 'template' | 'goals'>,
  when: (view: NodeView<A>) => boolean,
  describe: RowOf<A>,
  isWide: (optimize: Optimize) => boolean,
): KernelVariant<A> {
  return {
    ...traits,
    text: 'dsp/fully_connected',
    needs: ['dsp'],
    addsResidual: true,
    match(view, context) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { depth, channels } = layer.filters;
      const isRow = elementCount(outputOf(view).shape) === channels;
      const finish = isRow ? tyingFinishFor(view, layer, context) : null;
      if (finish === null) return null;
      const steps = rowSteps(depth);
      return {
        scratchBytes: 4 * steps.length + stagedBytes(view, layer),
        // The whole input is widened first.
        overlaps: [{ input: 0, lead: -depth, exact: false }, ...residualOverlap(view)],
        work: () => rowWork(view, channels, steps.length, finish),
        calls() {
          const call = multiplyCall(view, layer, finish, steps, isWide(context.optimize));
          const needsChannels = finish.isClamped || call.flags.staged;
          const numbers = { ...call.numbers, depth, ...(needsChannels ? { channels } : {}) };
          const dual = !call.flags.packed && context.target.isDual;
          return [{ ...call, flags: { ...call.flags, dual }, numbers }];
        },
      };
    },
  };
}

/** An even number of steps. */
function rowSteps(depth: number): readonly TapPair[] {
  const steps = stepsOf(1, depth);
  return steps.length % 2 === 0 ? steps : [...steps, [-1, -1] as const];
}

function rowWork(view: NodeView<object>, channels: number, steps: number, finish: Finish) {
  const groups = Math.ceil(channels / lanes);
  const { method } = finish;
  return {
    steps: { count: groups * steps, cycles: 7.1 },
    groups: { count: groups, cycles: 24 },
    [method]: { count: groups * lanes, cycles: { linear: 2.75, twice: 7.25, once: 4.25 }[method] },
    widened: { count: steps, cycles: 3.5 },
    ...tieWork(finish, 1),
    ...clampWork(finish, channels),
    ...residualWork(view, 19),
  };
}

/** Scratch bytes for the outputs of a pixel: lanes without a channel, and a residual. */
function stagedBytes(view: NodeView<object>, { filters }: Pick<Convolution, 'filters'>): number {
  const isStaged = filters.channels < lanes || hasResidual(view);
  return isStaged ? Math.max(filters.channels, lanes) : 0;
}

/** The common part of the calls of these kernels. */
function multiplyCall(
  view: NodeView<AccumulationAttrs>,
  layer: Pick<Convolution, 'filters' | 'stage'>,
  finish: Finish,
  steps: readonly TapPair[],
  isWide: boolean,
): KernelCall {
  const { filters, stage } = layer;
  const { channels } = filters;
  const groups = laneBlocks(channels);
  const live = liveWeights(view, filters, finish);
  const packed = isWide ? null : packedWeights(groups, steps, live);
  const weights = packed ?? wideWeights(groups, steps, live);
  const groupWords = weights.length / groups.length;
  const isWhole = channels % lanes === 0 || channels < lanes;
  const staged = stagedBytes(view, layer);
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      packed: packed !== null,
      ...tyingFlags(finish),
      clamped: finish.isClamped,
      staged: staged > 0,
    },
    words: {
      widen: packed === null ? 'dsp/widen_wide' : 'dsp/widen_packed',
      widen_pair: packed === null ? 'dsp/widen_pair_wide' : 'dsp/widen_pair_packed',
      finish: finishWords(finish),
    },
    numbers: {
      ...(staged > 0 ? { staged_c: staged } : {}),
      full: weights.length - (isWhole ? 0 : groupWords),
      end: weights.length,
      steps: steps.length,
      finish_offset: finish.offset,
      back: isWhole ? 0 : lanes - (channels % lanes),
      ...(finish.isClamped ? clampNumbers(stage) : {}),
    },
    tables: {
      weights: { data: weights, role: 'weights' },
      stage: { data: stageWords(groups, channels, finish), role: 'table' },
    },
  };
}

export function clampNumbers({ min, max }: OutputStage) {
  return { lowest: min, highest: max };
}

/** uint32[groups][steps][4]: each word holds two taps of a channel. */
function wideWeights(
  groups: readonly number[],
  steps: readonly TapPair[],
  weightAt: WeightAt,
): Uint32Array {
  return Uint32Array.from(
    groups.flatMap((first) =>
      steps.flatMap(([low, high]) =>
        [0, 1, 2, 3].map((lane) => word(weightAt(first + lane, low), weightAt(first + lane, high))),
      ),
    ),
  );
}

/**
 * uint32[groups][steps][2]: each word holds two taps of two channels a and b, 256 · a + b. null if
 * that exceeds int16: a = −128 beside a negative b.
 */
function packedWeights(
  groups: readonly number[],
  steps: readonly TapPair[],
  weightAt: WeightAt,
): Uint32Array | null {
  let fits = true;
  const lane = (channel: number, tap: number) => {
    const both = 256 * weightAt(channel, tap) + weightAt(channel + 1, tap);
    fits &&= both >= -(2 ** 15);
    return both;
  };
  const words = groups.flatMap((first) =>
    steps.flatMap(([low, high]) =>
      [first, first + 2].map((channel) => word(lane(channel, low), lane(channel, high))),
    ),
  );
  return fits ? Uint32Array.from(words) : null;
}
