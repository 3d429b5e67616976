/**
 * Depthwise convolutions of any window and multiplier, tap after tap from where the input lies: four
 * output channels at a time, whose input channels are four, two or one. No scratch.
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
import type { KernelVariant } from '../variant.js';
import { clampWork, type Finish, finishFor, scale } from './finish.js';
import { liveWeights, stageWords, word } from './words.js';

const support = [
  ...[
    'taps_inside',
    'define_add_taps',
    'add_taps_quad',
    'add_taps_pair',
    'add_taps_single',
    'clamp_outputs',
  ].map((name) => `dsp/support/${name}`),
  ...['finish_linear', 'finish_twice', 'finish_once', 'smmla', 'smmlar', 'saturate8'].map(
    (name) => `dsp/support/${name}`,
  ),
];

/** How many input channels four output channels read. */
type Reading = 'quad' | 'pair' | 'single';

function readingOf({ inC, outC }: WindowShape): Reading {
  if (inC === outC && inC >= lanes) return 'quad';
  return 2 * inC === outC && inC > 1 ? 'pair' : 'single';
}

/** Output channels that are computed at once. */
function lanesOf(shape: WindowShape): number {
  return readingOf(shape) === 'single' ? Math.min(lanes, shape.outC / shape.inC) : lanes;
}

/** The first output channel of each group of lanes; those of 'single' read one input channel. */
function groupsOf(shape: WindowShape): readonly number[] {
  const { inC, outC } = shape;
  if (readingOf(shape) !== 'single') return laneBlocks(outC);
  const multiplier = outC / inC;
  return Array.from({ length: inC }, (_, c) =>
    multiplier < lanes ? [c * multiplier] : laneBlocks(multiplier, c * multiplier),
  ).flat();
}

/** Taps that follow one another, all in one column or all in one row, are added up in one run. */
const isByColumn = ({ kernelH, kernelW }: WindowShape) => kernelH > kernelW;

/** How many rows of the window lie inside the image, of each row of the output; columns likewise. */
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

const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

/** @param describe of nodes for which `when` holds */
export function smladDepthwiseTaps<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/depthwise_conv2d_taps',
    needs: ['dsp'],
    support,
    when: (view, context) => finishFor(view, describe(view), context) !== null,
    scratch: () => 0,
    work(view, context) {
      const convolution = describe(view);
      const { shape } = convolution;
      const { batches, outH, outW, outC } = shape;
      const pixels = batches * outH * outW;
      const groups = groupsOf(shape).length;
      const finish = finishFor(view, convolution, context) as Finish;
      const { form } = finish;
      const [rows, columns] = tapsInside(shape);
      const meets = (counts: readonly number[]) => counts.filter((count) => count > 0).length;
      const runs = isByColumn(shape) ? meets(rows) * sum(columns) : sum(rows) * meets(columns);
      return {
        [`${readingOf(shape)}_taps`]: {
          count: batches * groups * sum(rows) * sum(columns),
          cycles: 10,
        },
        runs: { count: batches * groups * runs, cycles: 12 },
        [form]: { count: groups * pixels, cycles: { linear: 50, twice: 66, once: 58 }[form] },
        pixels: { count: pixels, cycles: 80 },
        ...clampWork(finish, pixels * outC),
      };
    },
    overlap(view) {
      const { shape } = describe(view);
      const { inC, outC } = shape;
      const isWhole = readingOf(shape) !== 'single' || (outC / inC) % lanes === 0;
      // Lanes that overlap within the outputs of one channel are taken for single ones.
      const channelBlock = isWhole ? lanes : outC / inC < lanes ? outC / inC : 1;
      return [
        { input: 0, lead: windowLead(shape, { channelBlock, depthwise: true }), exact: false },
      ];
    },
    lower(view, context) {
      const convolution = describe(view);
      const { shape, stage } = convolution;
      const finish = startingFromZero(view, convolution, finishFor(view, convolution, context));
      const groups = groupsOf(shape);
      const reading = readingOf(shape);
      const zero = -inputZeroPoint(view);
      return [
        {
          inputs: [0],
          outputs: [0],
          flags: {
            single: reading === 'single',
            pair: reading === 'pair',
            few: lanesOf(shape) < lanes,
            by_column: isByColumn(shape),
            linear: finish.form === 'linear',
            twice: finish.form === 'twice',
            clamped: finish.isClamped,
          },
          numbers: {
            batches: shape.batches,
            in_h: shape.inH,
            in_w: shape.inW,
            in_c: shape.inC,
            out_c: shape.outC,
            kernel_h: shape.kernelH,
            kernel_w: shape.kernelW,
            stride_h: shape.strideH,
            stride_w: shape.strideW,
            dilation_h: shape.dilationH,
            dilation_w: shape.dilationW,
            pad_top: shape.padTop,
            pad_left: shape.padLeft,
            out_h: shape.outH,
            out_w: shape.outW,
            zero: word(zero, zero),
            lanes: lanesOf(shape),
            ...(reading === 'single' ? { multiplier: shape.outC / shape.inC } : {}),
            ...(finish.form === 'linear' ? { finish_offset: finish.offset } : {}),
            ...(finish.isClamped ? { lowest: stage.min, highest: stage.max } : {}),
          },
          tables: {
            weights: { data: tapWords(view, convolution, finish, groups), role: 'weights' },
            stage: { data: stageWords(groups, shape.outC, finish), role: 'table' },
          },
        },
      ];
    },
  };
}

/**
 * Sums of products with x − zeroPoint, where a finish expects those with x and a bias that has taken
 * in −zeroPoint · Σ weights: they begin with that share more, modulo 2^32, and end with the same.
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

/** int32[groups][taps][2]: 256 times the weights of channels 0 and 2, 1 and 3; else of 0 and 1 … */
function tapWords(
  view: NodeView<AccumulationAttrs>,
  { shape, filters }: Convolution,
  finish: Finish,
  groups: readonly number[],
): Int32Array {
  const { kernelH, kernelW } = shape;
  const live = liveWeights(view, filters, finish);
  const scaled = (channel: number, tap: number) => scale * live(channel, tap);
  const order = isByColumn(shape)
    ? (i: number) => (i % kernelH) * kernelW + Math.floor(i / kernelH)
    : (i: number) => i;
  const pairs =
    readingOf(shape) === 'quad'
      ? [[0, 2] as const, [1, 3] as const]
      : [[0, 1] as const, [2, 3] as const];
  return Int32Array.from(
    groups.flatMap((first) =>
      Array.from({ length: filters.depth }, (_, i) =>
        pairs.map(([low, high]) =>
          word(scaled(first + low, order(i)), scaled(first + high, order(i))),
        ),
      ).flat(),
    ),
  );
}
