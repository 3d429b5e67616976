/**
 * Convolutions of 3×3 at stride 1 by Winograd's F(2×2, 3×3): 16 products where 36 are usual (Lavin and
 * Gray, 'Fast Algorithms for Convolutional Neural Networks', 2015). In integers: the filters'
 * transformation has halves in it, so it is done on four times the filter, and every sum is exact
 * modulo 2^32; the accumulator that comes out is the convolution's.
 */
import type { NodeView } from '../../ir/graph.js';
import type { KernelVariant } from '../../ir/op.js';
import { type AccumulationAttrs, inputZeroPoint } from '../accumulation.js';
import { lanes } from '../interleave.js';
import type { Convolution } from '../mve.js';
import { windowLead } from '../overlap.js';
import { residualOperands } from '../residual.js';
import { type Finish, finishFor } from './finish.js';
import { skipOverlap } from './multiply.js';
import { liveWeights, stageWords, sumsAreInt8, type WeightAt, word } from './words.js';

const support = [
  ...['winograd_input', 'winograd_products', 'winograd_output', 'copy_pixel', 'clamp_outputs'],
  ...['finish_linear', 'finish_twice', 'finish_once', 'saturate8', 'load_word'],
  ...['smlad', 'smmla', 'smmlar', 'shadd16', 'shsub16'],
]
  .map((name) => `dsp/support/${name}`)
  .concat('dsp/support/add_residual8', 'portable/support/add_residual');

/** Positions of a transformed window. */
const positions = 16;

/** @param describe of nodes for which `when` holds */
export function winogradConvolution<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/conv2d_winograd',
    needs: ['dsp'],
    support,
    addsResidual: true,
    when(view, context) {
      if (!when(view)) return false;
      const convolution = describe(view);
      const { kernelH, kernelW, strideH, strideW, dilationH, dilationW } = convolution.shape;
      const { inC, outC } = convolution.shape;
      const fits =
        kernelH === 3 && kernelW === 3 && strideH * strideW * dilationH * dilationW === 1;
      const isWhole = inC % lanes === 0 && outC % lanes === 0;
      return fits && isWhole && finishFor(view, convolution, context) !== null;
    },
    scratch(view) {
      const { inC } = describe(view).shape;
      // Transformed pixels, sums of four filters, a window of int8.
      return positions * (2 * inC + 4 * lanes + inC);
    },
    work(view) {
      const { batches, outH, outW, inC, outC } = describe(view).shape;
      const tiles = batches * Math.ceil(outH / 2) * Math.ceil(outW / 2);
      const groups = outC / lanes;
      return {
        steps: { count: (tiles * groups * positions * inC) / lanes, cycles: 11 },
        positions: { count: tiles * groups * positions, cycles: 14 },
        outputs: { count: tiles * outC, cycles: 75 },
        inputs: { count: tiles * inC, cycles: 62 },
        tiles: { count: tiles, cycles: 250 },
      };
    },
    overlap(view) {
      const lead = windowLead(describe(view).shape, { tileRows: 2, tilePixels: 2 });
      return [{ input: 0, lead, exact: false }, ...skipOverlap(view)];
    },
    lower(view, context) {
      const convolution = describe(view);
      const { shape, filters, stage } = convolution;
      const finish = finishFor(view, convolution, context) as Finish;
      const operands = residualOperands(view);
      const groups = Array.from({ length: shape.outC / lanes }, (_, group) => group * lanes);
      const weights = groups.flatMap((first) =>
        filterWords(first, shape.inC, liveWeights(view, filters, finish)),
      );
      return [
        {
          ...operands,
          flags: {
            ...operands.flags,
            residual8: sumsAreInt8(operands),
            linear: finish.form === 'linear',
            twice: finish.form === 'twice',
            clamped: finish.isClamped,
          },
          numbers: {
            ...operands.numbers,
            batches: shape.batches,
            in_h: shape.inH,
            in_w: shape.inW,
            in_c: shape.inC,
            in_zp: inputZeroPoint(view),
            out_h: shape.outH,
            out_w: shape.outW,
            out_c: shape.outC,
            pad_top: shape.padTop,
            pad_left: shape.padLeft,
            ...(finish.form === 'linear' ? { finish_offset: finish.offset } : {}),
            ...(finish.isClamped ? { lowest: stage.min, highest: stage.max } : {}),
          },
          tables: {
            ...operands.tables,
            weights: { data: Int32Array.from(weights), role: 'weights' },
            stage: { data: stageWords(groups, shape.outC, finish), role: 'table' },
          },
        },
      ];
    },
  };
}

/** As winograd_products() reads four filters: int32[16][channels / 4][2][4]. */
function filterWords(first: number, channels: number, weightAt: WeightAt): readonly number[] {
  const filters = [0, 1, 2, 3].map((lane) =>
    Array.from({ length: channels }, (_, channel) =>
      transformed(
        Array.from({ length: 9 }, (_, tap) => weightAt(first + lane, tap * channels + channel)),
      ),
    ),
  );
  const at = (lane: number, channel: number, position: number) =>
    filters[lane]?.[channel]?.[position] as number;
  const fours = Array.from({ length: channels / 4 }, (_, four) => 4 * four);
  return Array.from({ length: positions }, (_, position) =>
    fours.flatMap((channel) =>
      [channel, channel + 1].flatMap((low) =>
        [0, 1, 2, 3].map((lane) => word(at(lane, low, position), at(lane, low + 2, position))),
      ),
    ),
  ).flat();
}

/** 2G of the source: sums of three taps of a row or column, the outer ones doubled. */
const steps = [
  [2, 0, 0],
  [1, 1, 1],
  [1, -1, 1],
  [0, 0, 2],
] as const;

/** Four times G·g·Gᵀ of a filter of 3×3 taps: at most 9 · 128, 4×4 values row by row. */
function transformed(taps: readonly number[]): readonly number[] {
  return steps.flatMap((row) =>
    steps.map((column) =>
      taps.reduce(
        (sum, tap, i) => sum + tap * (row[Math.floor(i / 3)] as number) * (column[i % 3] as number),
        0,
      ),
    ),
  );
}
