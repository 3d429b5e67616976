/**
 * Depthwise convolutions of any window and multiplier, tap by tap from the input in place, without
 * scratch. A lane computes an output channel; there are four lanes, or as many as there are channels.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { type Convolution, columnByColumn } from '../layout/convolution.js';
import { laneBlocks, lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { windowNumbers } from '../layout/window-numbers.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { type Finish, finishFor, scale } from './finish.js';
import { clampWork, exceptionWork, finishFlags, finishWords } from './finish-words.js';
import { liveWeights, stageWords, word } from './words.js';

const readings = ['quad', 'trio', 'duo', 'mono', 'pair', 'single'] as const;

/**
 * How the lanes read input channels. quad, trio, duo, mono: four to one lanes, each with a channel
 * of its own; pair: four lanes read two channels; single: all lanes read one channel.
 */
type Reading = (typeof readings)[number];

function readingOf({ inC, outC }: WindowShape): Reading {
  if (inC === outC) return (['mono', 'duo', 'trio'] as const)[inC - 1] ?? 'quad';
  return 2 * inC === outC && inC > 1 ? 'pair' : 'single';
}

/** Output channels computed at once. */
function lanesOf(shape: WindowShape): number {
  const { inC, outC } = shape;
  return Math.min(lanes, readingOf(shape) === 'single' ? outC / inC : outC);
}

/**
 * The first output channel of each group of lanes. The lanes of 'single' read one input channel.
 */
function groupsOf(shape: WindowShape): readonly number[] {
  const { inC, outC } = shape;
  if (readingOf(shape) !== 'single') return outC < lanes ? [0] : laneBlocks(outC);
  const multiplier = outC / inC;
  return Array.from({ length: inC }, (_, c) =>
    multiplier < lanes ? [c * multiplier] : laneBlocks(multiplier, c * multiplier),
  ).flat();
}

/** The groups of four lanes that one call of the assembly computes and finishes. */
interface Grouping {
  readonly groups: number;
  /** Input channels from one group to the next. */
  readonly step: number;
  /** Whether each input channel has a call of its own. */
  readonly byChannel: boolean;
  /** Whether a last group, in its own call, goes back over computed channels. */
  readonly hasEnd: boolean;
}

function groupingOf(shape: WindowShape, { method, isMixed }: Finish): Grouping | null {
  const { inC, outC } = shape;
  const reading = readingOf(shape);
  const multiplier = outC / inC;
  if (method !== 'linear' || isMixed || lanesOf(shape) < lanes) return null;
  if (reading === 'single') {
    if (multiplier % lanes > 0) return null;
    return multiplier === lanes
      ? { groups: inC, step: 1, byChannel: false, hasEnd: false }
      : { groups: multiplier / lanes, step: 0, byChannel: true, hasEnd: false };
  }
  const groups = Math.floor(outC / lanes);
  const hasEnd = outC % lanes > 0;
  return { groups, step: lanes / multiplier, byChannel: false, hasEnd };
}

/** Consecutive taps, all in one column or all in one row, are summed in one run. */
const isByColumn = ({ kernelH, kernelW }: WindowShape) => kernelH > kernelW;

/** For each row of the output the number of window rows inside the image; the same for columns. */
function tapsInside(shape: WindowShape): readonly [rows: readonly number[], columns: number[]] {
  const inside = (
    outs: number,
    taps: number,
    extent: number,
    at: (o: number, tap: number) => number,
  ) =>
    Array.from(
      { length: outs },
      (_, o) =>
        Array.from({ length: taps }, (_, tap) => at(o, tap)).filter((i) => i >= 0 && i < extent)
          .length,
    );
  const { inH, inW, outH, outW, kernelH, kernelW } = shape;
  return [
    inside(
      outH,
      kernelH,
      inH,
      (o, tap) => o * shape.strideH - shape.padTop + tap * shape.dilationH,
    ),
    inside(
      outW,
      kernelW,
      inW,
      (o, tap) => o * shape.strideW - shape.padLeft + tap * shape.dilationW,
    ),
  ];
}

/** Cycles of a tap, for all lanes. */
const fewCycles: Readonly<Record<string, number>> = { mono: 6, duo: 8, trio: 11 };
const finishCycles = { linear: 50, twice: 66, once: 58 };

const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

/** @param describe called for nodes for which `when` holds */
export function smladDepthwiseTaps<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/depthwise_conv2d_taps',
    needs: ['dsp'],
    match(view, context) {
      const convolution = describe(view);
      const finish = finishFor(view, convolution, context);
      if (finish === null) return null;
      const { shape } = convolution;
      const { inC, outC } = shape;
      const isWhole = readingOf(shape) !== 'single' || (outC / inC) % lanes === 0;
      // Lanes that overlap within the outputs of one channel count as single ones.
      const channelBlock = isWhole || outC / inC < lanes ? lanesOf(shape) : 1;
      const lead = windowLead(shape, { channelBlock, depthwise: true });
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead, exact: false }],
        work: () => tapsWork(convolution, finish),
        calls: () => [tapsCall(view, convolution, finish)],
      };
    },
  };
}

function tapsWork(convolution: Convolution, finish: Finish): Readonly<Record<string, WorkTerm>> {
  const { shape } = convolution;
  const { batches, outH, outW, outC } = shape;
  const pixels = batches * outH * outW;
  const groups = groupsOf(shape).length;
  const reading = readingOf(shape);
  const grouping = groupingOf(shape, finish);
  const [rows, columns] = tapsInside(shape);
  const taps = batches * groups * sum(rows) * sum(columns);
  const meets = (counts: readonly number[]) => counts.filter((count) => count > 0).length;
  const runs = isByColumn(shape) ? meets(rows) * sum(columns) : sum(rows) * meets(columns);
  const calls = (grouping?.byChannel ? shape.inC : 1) + (grouping?.hasEnd ? 1 : 0);
  return {
    ...(outC < lanes && reading !== 'single'
      ? { few_taps: { count: taps * (fewCycles[reading] ?? 0), cycles: 1 } }
      : { [`${reading}_taps`]: { count: taps, cycles: 10 } }),
    runs: { count: batches * groups * runs, cycles: 11 },
    ...(grouping === null
      ? { [finish.method]: { count: groups * pixels, cycles: finishCycles[finish.method] } }
      : { grouped: { count: groups * pixels, cycles: 33 } }),
    pixels: { count: pixels, cycles: 30 },
    ...(grouping === null ? {} : { calls: { count: calls * pixels, cycles: 30 } }),
    ...exceptionWork(finish, pixels * outC, 30),
    ...clampWork(finish, pixels * outC),
  };
}

function tapsCall(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  accumulated: Finish,
): KernelCall {
  const { shape, stage } = convolution;
  const finish = startingFromZero(view, convolution, accumulated);
  const groups = groupsOf(shape);
  const reading = readingOf(shape);
  const grouping = groupingOf(shape, finish);
  const zero = -inputZeroPoint(view);
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...Object.fromEntries(readings.map((one) => [one, one === reading])),
      grouped: grouping !== null,
      by_channel: grouping?.byChannel ?? false,
      has_end: grouping?.hasEnd ?? false,
      by_column: isByColumn(shape),
      ...finishFlags(finish),
      clamped: finish.isClamped,
    },
    words: { reading, finish: finishWords(finish), ...directionOf(shape) },
    numbers: {
      batches: shape.batches,
      in_h: shape.inH,
      in_w: shape.inW,
      in_c: shape.inC,
      out_c: shape.outC,
      ...windowNumbers(shape),
      zero: word(zero, zero),
      ...(grouping === null ? { lanes: lanesOf(shape) } : numbersOf(grouping, shape)),
      ...(reading === 'single' && (grouping?.byChannel ?? true)
        ? { multiplier: shape.outC / shape.inC }
        : {}),
      ...(finish.method === 'linear' ? { finish_offset: finish.offset } : {}),
      ...(finish.isClamped ? { lowest: stage.min, highest: stage.max } : {}),
    },
    tables: {
      weights: { data: tapWords(view, convolution, finish, groups), role: 'weights' },
      stage: { data: stageWords(groups, shape.outC, finish), role: 'table' },
    },
  };
}

/** Along the longer side of the window: what a run steps along, and what runs are beside each other. */
function directionOf(shape: WindowShape) {
  const [row, column] = [
    { extent: 'kernel_w', step: 'step', taps: 'right - left' },
    { extent: 'kernel_h', step: 'pitch', taps: 'bottom - top' },
  ] as const;
  const [along, across] = isByColumn(shape) ? [column, row] : [row, column];
  const first = isByColumn(shape) ? 'left * kernel_h + top' : 'top * kernel_w + left';
  return { along, across, first_weight: first };
}

function numbersOf({ groups, step, hasEnd }: Grouping, { inC }: WindowShape) {
  return { groups, x_group: step, ...(hasEnd ? { x_end: inC - step } : {}) };
}

/**
 * These kernels sum products with x − zeroPoint, but a finish expects products with x, and a bias
 * that includes −zeroPoint · Σ weights. So sums start with that share added, modulo 2^32, and end
 * equal.
 */
function startingFromZero(
  view: NodeView<AccumulationAttrs>,
  { filters }: Convolution,
  finish: Finish | null,
): Finish {
  const { channels, ...rest } = finish as Finish;
  const weights = weightsOf(view);
  const share = (channel: number) => {
    let sum = 0;
    for (let i = 0; i < filters.depth; i += 1) {
      sum += weights[filters.position(channel, i)] as number;
    }
    return scale * inputZeroPoint(view) * sum;
  };
  return {
    ...rest,
    channels: channels.map((channel, i) =>
      channel.isConstant ? channel : { ...channel, start: (channel.start + share(i)) | 0 },
    ),
  };
}

/**
 * int32[groups][taps][2]: 256 times the weights of channels 0 and 2, then 1 and 3; or 0 and 1, then
 * 2 and 3.
 */
function tapWords(
  view: NodeView<AccumulationAttrs>,
  { shape, filters }: Convolution,
  finish: Finish,
  groups: readonly number[],
): Uint32Array {
  const taps = isByColumn(shape) ? columnByColumn(filters, shape) : filters;
  const live = liveWeights(view, taps, finish);
  const scaled = (channel: number, tap: number) => scale * live(channel, tap);
  const isShared = ['pair', 'single'].includes(readingOf(shape));
  const pairs = isShared ? [[0, 1] as const, [2, 3] as const] : [[0, 2] as const, [1, 3] as const];
  return Uint32Array.from(
    groups.flatMap((first) =>
      Array.from({ length: filters.depth }, (_, i) =>
        pairs.map(([low, high]) => word(scaled(first + low, i), scaled(first + high, i))),
      ).flat(),
    ),
  );
}
