/**
 * Convolutions and fully connected layers that skip the weights that are 0, with SMLABB and SMLATB:
 * one instruction for each pixel and weight that is left.
 *
 * The same tap of four or eight output pixels lies side by side in scratch, as int16; a weight's
 * address and value come from a stream (sparse/stream.ts). A single row has no other pixel to share
 * that with: its input is read where it is.
 */
import type { NodeView } from '../../ir/graph.js';
import type { KernelCall, KernelContext, KernelVariant, WorkTerm } from '../../ir/op.js';
import { type AccumulationAttrs, inputZeroPoint } from '../accumulation.js';
import type { Convolution } from '../convolution.js';
import { windowLead } from '../overlap.js';
import { hasResidual, residualOperands } from '../residual.js';
import {
  type Channel,
  isWithinReach,
  type StreamForm,
  storedEntries,
  streamOf,
} from '../sparse/stream.js';
import { type Finish, finishFor } from './finish.js';
import { clampNumbers, skipOverlap } from './multiply.js';
import { liveWeights } from './words.js';

type Layer = Pick<Convolution, 'filters' | 'stage'>;

const support = [
  ...['eight', 'four', 'one'].flatMap((shape) => [
    `sparse_${shape}`,
    ...['linear', 'twice', 'once'].map((form) => `sparse_${shape}_${form}`),
  ]),
  ...['linear', 'twice', 'once'].flatMap((form) => [`finish_${form}`, `multiply_${form}`]),
  ...['define_sparse', 'clamp_outputs', 'smmla', 'smmlar', 'saturate8'],
  ...['sparse_columns', 'sparse_pixels', 'sparse_windows', 'load_word'],
  ...['sxtb16', 'sxtb16_odd', 'pack_low', 'pack_high'],
]
  .map((name) => `dsp/support/${name}`)
  .concat('portable/support/add_residual');

/** Pixels of a tile, and the loop over their columns. */
const tiles = {
  8: { tapBytes: 16, stepEntries: 2, stepBytes: 92 },
  4: { tapBytes: 8, stepEntries: 2, stepBytes: 52 },
} as const satisfies Record<number, StreamForm>;

type Tile = keyof typeof tiles;

/** The loop over a single pixel, whose taps are bytes. */
const row: StreamForm = { tapBytes: 1, stepEntries: 4, stepBytes: 52 };

/**
 * A convolution, so many output pixels at a time.
 *
 * @param describe of nodes for which `when` holds
 */
export function sparseConvolution<A extends AccumulationAttrs>(
  tile: Tile,
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  const form = tiles[tile];
  const columnsBytes = ({ filters }: Convolution) => 2 * tile * filters.depth;
  return {
    template: tile === 8 ? 'dsp/sparse_conv2d' : 'dsp/sparse_conv2d_by4',
    needs: ['dsp'],
    support,
    addsResidual: true,
    when: (view, context) => when(view) && isPossible(view, describe(view), form, context),
    scratch(view) {
      const convolution = describe(view);
      const { shape, filters } = convolution;
      // What pads a window is not needed any more when there are outputs.
      const padding = isPointwise(convolution) ? 0 : shape.inC;
      const sums = hasResidual(view) ? tile * filters.channels : 0;
      return columnsBytes(convolution) + Math.max(padding, sums);
    },
    work(view, context) {
      const convolution = describe(view);
      const { shape, filters } = convolution;
      const count = Math.ceil((shape.batches * shape.outH * shape.outW) / tile);
      const lines = isPointwise(convolution) ? 0 : shape.kernelH;
      return {
        entries: {
          count: count * entriesOf(view, convolution, form, context),
          cycles: tile === 8 ? 10.5 : 6.5,
        },
        channels: { count: count * filters.channels, cycles: tile === 8 ? 40 : 26 },
        widened: { count: count * tile * filters.depth, cycles: 1.7 },
        lines: { count: count * tile * lines, cycles: 20 },
        tiles: { count, cycles: 120 },
        ...residualWork(view, count * tile * filters.channels),
      };
    },
    overlap(view) {
      const { shape } = describe(view);
      // Pixel by pixel needs no less than a tile at a time.
      return [{ input: 0, lead: windowLead(shape), exact: false }, ...skipOverlap(view)];
    },
    lower(view, context) {
      const convolution = describe(view);
      const { shape } = convolution;
      const pointwise = isPointwise(convolution);
      const call = sparseCall(view, convolution, form, context);
      const needsColumns = !pointwise || hasResidual(view);
      const window = {
        in_h: shape.inH,
        in_w: shape.inW,
        in_zp: inputZeroPoint(view),
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
      };
      return [
        {
          ...call,
          flags: { ...call.flags, pointwise },
          numbers: {
            ...call.numbers,
            in_c: shape.inC,
            pixels: shape.batches * shape.outH * shape.outW,
            ...(needsColumns ? { columns_bytes: columnsBytes(convolution) } : {}),
            ...(pointwise ? {} : window),
          },
        },
      ];
    },
  };
}

/**
 * A fully connected layer on a single row.
 *
 * @param describe of nodes for which `when` holds
 */
export function sparseRow<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Layer,
): KernelVariant<A> {
  return {
    template: 'dsp/sparse_fully_connected',
    needs: ['dsp'],
    support,
    when: (view, context) => when(view) && isPossible(view, describe(view), row, context),
    scratch: () => 0,
    work(view, context) {
      const layer = describe(view);
      return {
        entries: { count: entriesOf(view, layer, row, context), cycles: 3.25 },
        channels: { count: layer.filters.channels, cycles: 13 },
      };
    },
    lower: (view, context) => [sparseCall(view, describe(view), row, context)],
  };
}

/** One input pixel for each output pixel, in order. */
function isPointwise({ shape }: Convolution): boolean {
  return shape.inH * shape.kernelH * shape.kernelW === 1 && shape.inW === shape.outW;
}

function isPossible(
  view: NodeView<AccumulationAttrs>,
  layer: Layer,
  form: StreamForm,
  context: KernelContext,
): boolean {
  return isWithinReach(layer.filters.depth, form) && finishFor(view, layer, context) !== null;
}

function channelsOf(
  view: NodeView<AccumulationAttrs>,
  { filters }: Layer,
  finish: Finish,
): readonly Channel[] {
  const weightAt = liveWeights(view, filters, finish);
  return finish.channels.map(({ start, constants }, channel) => {
    const weights = Array.from({ length: filters.depth }, (_, tap) => ({
      tap,
      weight: weightAt(channel, tap),
    }));
    return { entries: weights.filter(({ weight }) => weight !== 0), start: start | 0, constants };
  });
}

/** Entries of all channels as they are stored. */
function entriesOf(
  view: NodeView<AccumulationAttrs>,
  layer: Layer,
  form: StreamForm,
  context: KernelContext,
): number {
  const finish = finishFor(view, layer, context) as Finish;
  return channelsOf(view, layer, finish).reduce(
    (sum, { entries }) => sum + storedEntries(entries.length, form),
    0,
  );
}

function residualWork(view: NodeView<object>, count: number): Record<string, WorkTerm> {
  return hasResidual(view) ? { residuals: { count, cycles: 25 } } : {};
}

/** What the kernels above have in common. */
function sparseCall(
  view: NodeView<AccumulationAttrs>,
  layer: Layer,
  form: StreamForm,
  context: KernelContext,
): KernelCall {
  const finish = finishFor(view, layer, context) as Finish;
  const weights = streamOf(channelsOf(view, layer, finish), form);
  const operands = residualOperands(view);
  return {
    ...operands,
    flags: {
      ...operands.flags,
      linear: finish.form === 'linear',
      twice: finish.form === 'twice',
      clamped: finish.isClamped,
    },
    numbers: {
      ...operands.numbers,
      end: weights.length,
      finish_offset: finish.offset,
      out_c: layer.filters.channels,
      ...(finish.isClamped ? clampNumbers(layer.stage) : {}),
    },
    tables: { ...operands.tables, weights: { data: weights, role: 'weights' } },
  };
}
