/**
 * Convolutions and fully connected layers that skip the weights that are 0, with SMLABB and SMLATB:
 * one instruction for each pixel and weight that is left.
 *
 * The same tap of four or eight output pixels lies side by side in scratch, as int16; a weight's
 * address and value come from a stream (sparse/stream.ts). A single row has no other pixel to share
 * that with: its input is read where it is.
 */
import type { NodeView } from '../../ir/graph.js';
import type { KernelCall, KernelContext, KernelVariant } from '../../ir/op.js';
import { type AccumulationAttrs, inputZeroPoint } from '../accumulation.js';
import { type Convolution, isPixelRow } from '../convolution.js';
import { type WindowShape, windowLead } from '../overlap.js';
import { hasResidual, residualOperands, residualOverlap, residualWork } from '../residual.js';
import {
  type Channel,
  isWithinReach,
  type StreamForm,
  storedEntries,
  streamOf,
} from '../sparse/stream.js';
import { type Finish, finishFor } from './finish.js';
import { clampNumbers } from './multiply.js';
import { liveWeights } from './words.js';

type Layer = Pick<Convolution, 'filters' | 'stage'>;

const support = [
  ...['eight', 'four', 'one'].flatMap((shape) => [
    `sparse_${shape}`,
    ...['linear', 'twice', 'once'].map((form) => `sparse_${shape}_${form}`),
  ]),
  ...['linear', 'twice', 'once'].flatMap((form) => [`finish_${form}`, `multiply_${form}`]),
  ...['define_sparse', 'clamp_outputs', 'smmla', 'smmlar', 'saturate8'],
  ...['sparse_columns', 'sparse_pixels', 'sparse_windows'],
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
    skipsZeros: true,
    when: (view, context) => when(view) && isPossible(view, describe(view), form, context),
    scratch(view) {
      const convolution = describe(view);
      const { shape, filters } = convolution;
      // What pads a window is not needed any more when there are outputs.
      const padding = isPixelRow(shape) ? 0 : shape.inC;
      const sums = hasResidual(view) ? tile * filters.channels : 0;
      return columnsBytes(convolution) + Math.max(padding, sums);
    },
    work(view, context) {
      const convolution = describe(view);
      const { shape, filters } = convolution;
      const count = Math.ceil((shape.batches * shape.outH * shape.outW) / tile);
      const { stored, finishing } = streamed(view, convolution, form, context);
      const pointwise = isPixelRow(shape);
      // What is left over of four channels goes byte by byte.
      const isShallow = shape.inC % 4 !== 0;
      return {
        entries: { count: count * stored, cycles: tile === 8 ? 11.6 : 6.6 },
        channels: { count: count * filters.channels, cycles: tile === 8 ? 20.5 : 15.5 },
        [finishing]: { count: count * tile * filters.channels, cycles: finishCycles[finishing] },
        widened: { count: count * tile * filters.depth, cycles: isShallow ? 2.3 : 1.7 },
        tiles: { count, cycles: 60 },
        windows: { count: pointwise ? 0 : count * tile, cycles: 55 },
        runs: { count: pointwise ? 0 : runsOf(shape), cycles: isShallow ? 110 : 85 },
        ...residualWork(view, 19),
      };
    },
    overlap(view) {
      const { shape } = describe(view);
      // Pixel by pixel needs no less than a tile at a time.
      return [{ input: 0, lead: windowLead(shape), exact: false }, ...residualOverlap(view)];
    },
    lower(view, context) {
      const convolution = describe(view);
      const { shape } = convolution;
      const pointwise = isPixelRow(shape);
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
    skipsZeros: true,
    when: (view, context) => when(view) && isPossible(view, describe(view), row, context),
    scratch: () => 0,
    work(view, context) {
      const layer = describe(view);
      const { channels } = layer.filters;
      const { stored, finishing } = streamed(view, layer, row, context);
      return {
        entries: { count: stored, cycles: 3.3 },
        channels: { count: channels, cycles: 9 },
        [finishing]: { count: channels, cycles: finishCycles[finishing] },
      };
    },
    lower: (view, context) => [sparseCall(view, describe(view), row, context)],
  };
}

/** What it takes to finish an output. */
const finishCycles = { linear: 2, twice: 6.2, once: 3.2 } as const;

/** Runs of taps that four windows side by side have in the image, and single taps elsewhere. */
function runsOf(shape: WindowShape): number {
  const { batches, inH, inW, outH, outW, kernelH, kernelW } = shape;
  const { strideH, strideW, dilationH, dilationW, padTop, padLeft } = shape;
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
    const perRow = dilationW > 1 || end <= begin ? kernelW : kernelW - (end - begin) + 1;
    for (let ky = 0; ky < kernelH; ky += 1) {
      const isInside = top + ky * dilationH >= 0 && bottom + ky * dilationH < inH;
      runs += isInside ? perRow : kernelW;
    }
  }
  return batches * runs;
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

/** Entries of all channels as they are stored, and how sums are finished. */
function streamed(
  view: NodeView<AccumulationAttrs>,
  layer: Layer,
  form: StreamForm,
  context: KernelContext,
) {
  const finish = finishFor(view, layer, context) as Finish;
  const stored = channelsOf(view, layer, finish).reduce(
    (sum, { entries }) => sum + storedEntries(entries.length, form),
    0,
  );
  return { stored, finishing: finish.form };
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
