/** Depthwise convolutions: a tap of eight channels at once. */
import type { NodeView } from '../../ir/graph.js';
import type { Facts } from '../../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { inputOf } from '../../ops/shape/operands.js';
import { dilated } from '../../ops/shape/window.js';
import { type Convolution, columnByColumn } from '../layout/convolution.js';
import { lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { stageNumbers } from '../portable/dense.js';
import type { KernelCall, KernelVariant, Table, WorkTerm } from '../variant.js';
import {
  blocksFrom,
  consecutive,
  stageFlags,
  vectorForm,
  vectorStage,
  windowNumbers,
} from './vectors.js';

/** Channels of a depthwise convolution computed at once. */
const depthwiseLanes = 8;
/** The most taps that the kernel holds; their rows are on the stack. */
const mostTaps = 64;
const fewRows = 16;

/**
 * A depthwise convolution: products of two taps are summed in 16 bits. If a vector of the output is
 * not a vector of the input, because of a depth multiplier or few channels, its inputs are
 * gathered.
 */
export function vectorDepthwise<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'mve/depthwise_conv2d',
    needs: ['mve'],
    match(view, { facts }) {
      const layer = describe(view);
      const { shape, filters } = layer;
      const hasRoom = filters.depth <= mostTaps && shape.inC < 2 ** 16;
      if (!hasRoom || !pairsFit(view, columnByColumn(filters, shape), facts)) return null;
      const pixel = pixelBytes(shape);
      // The vector that begins at the last row's last pixel extends past the row.
      const lines = rowReach(shape) * shape.inW * shape.inC + pixel - shape.inC;
      return {
        scratchBytes: 2 * pixel + (hasLines(shape) ? lines : 0),
        overlaps: [{ input: 0, lead: depthwiseLead(shape, hasLines(shape)), exact: false }],
        work: () => depthwiseWork(layer),
        calls: () => [depthwiseCall(view, layer)],
      };
    },
  };
}

function depthwiseWork({ shape, filters }: Convolution): Readonly<Record<string, WorkTerm>> {
  const pixels = shape.batches * shape.outH * shape.outW;
  const blocks = pixels * Math.ceil(shape.outC / depthwiseLanes);
  const spread = isSpread(shape) ? 'spread_' : '';
  const taps =
    filters.depth === 9
      ? { [`${spread}nines`]: { count: blocks, cycles: 55 } }
      : { [`${spread}pairs`]: { count: blocks * Math.ceil(filters.depth / 2), cycles: 18 } };
  return {
    rows: { count: shape.batches * shape.outH, cycles: 50 },
    pixels: { count: pixels, cycles: 50 },
    blocks: { count: blocks, cycles: 32 },
    ...taps,
  };
}

/** Whether the channels of a vector are gathered. */
function isSpread(shape: WindowShape): boolean {
  // Vectors of the second-to-last pixel must end within the last pixel, the only one that is
  // copied.
  return shape.outC !== shape.inC || pixelBytes(shape) > 2 * shape.inC;
}

/** Bytes of a pixel, rounded up to whole vectors. */
function pixelBytes({ inC }: WindowShape): number {
  return Math.ceil(inC / depthwiseLanes) * depthwiseLanes;
}

/** Rows from the one under the first tap to the one under the last. */
function rowReach({ kernelH, dilationH }: WindowShape): number {
  return dilated(kernelH, dilationH) - 1;
}

/**
 * Without copies of rows the output lies a row or more before its input, and this adds up over
 * layers.
 */
function hasLines(shape: WindowShape): boolean {
  return shape.strideH === 1 && depthwiseLead(shape, true) < depthwiseLead(shape, false);
}

function depthwiseLead(shape: WindowShape, lines: boolean): number {
  const walk = { channelBlock: depthwiseLanes };
  const lineBuffer = { rows: rowReach(shape), newest: false };
  return windowLead(shape, lines ? { ...walk, lineBuffer } : walk);
}

function depthwiseCall(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage: given }: Convolution,
): KernelCall {
  const stage = vectorForm(given);
  const { channels, depth } = filters;
  const blocks = blocksFrom(channels, depthwiseLanes);
  const nine = depth === 9;
  const filled = !nine && depth % 2 === 1;
  const lines = hasLines(shape);
  const spread = isSpread(shape);
  const pairs = Math.ceil(depth / 2);
  const turns = [0, 1].map((odd) => consecutive(0, lanes).map((i) => 2 * i + odd));
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...stageFlags(stage), nine, lines, filled, spread, tall: shape.kernelH > fewRows },
    words: {
      add: `mve/add_${nine ? 'nine_' : ''}taps${spread ? '_spread' : ''}`,
      outputs: spread ? 'out_c' : 'channels',
      most_taps: nine ? '12' : '68',
      most_rows: shape.kernelH > fewRows ? '64' : '16',
    },
    numbers: {
      batches: shape.batches,
      out_h: shape.outH,
      out_w: shape.outW,
      channels: shape.inC,
      ...(spread ? { out_c: channels } : {}),
      pixel_bytes: pixelBytes(shape),
      ...(nine ? {} : { pairs }),
      ...(filled ? { taps: depth } : {}),
      ...(lines ? { row_span: rowReach(shape) } : {}),
      ...windowNumbers(view, shape),
      kernel_w: shape.kernelW,
      ...stageNumbers(stage),
    },
    tables: {
      weights: tapVectors(
        blocks,
        weightsOf(view),
        columnByColumn(filters, shape),
        nine ? depth : 2 * pairs,
      ),
      stage: vectorStage(
        blocks.map((first) => turns.map((turn) => turn.map((i) => first + i))),
        stage,
        biasesFor(view, filters, true),
      ),
      ...(spread ? { offsets: channelOffsets(shape) } : {}),
    },
  };
}

/** uint16[blocks][8]: the input channel of each output channel; unused lanes repeat the last. */
function channelOffsets({ inC, outC }: WindowShape): Table {
  const count = Math.ceil(outC / depthwiseLanes) * depthwiseLanes;
  const offsets = consecutive(0, count).map((o) => Math.min(inC - 1, Math.floor((o * inC) / outC)));
  return { data: Uint16Array.from(offsets), role: 'table' };
}

/** Whether the products of taps 0 and 1, 2 and 3 and so on sum to an int16 in every channel. */
function pairsFit(view: NodeView<object>, filters: Filters, facts: Facts): boolean {
  const { min, max } = facts.range(inputOf(view, 0));
  const multiplier = filters.channels / min.length;
  const zeroPoint = inputZeroPoint(view);
  const weights = weightsOf(view);
  for (let channel = 0; channel < filters.channels; channel += 1) {
    // A tap in the padding is the zero point.
    const input = Math.floor(channel / multiplier);
    const low = Math.min(zeroPoint, min[input] as number);
    const high = Math.max(zeroPoint, max[input] as number);
    for (let tap = 0; tap < filters.depth; tap += 2) {
      let [least, most] = [0, 0];
      for (let i = tap; i < Math.min(tap + 2, filters.depth); i += 1) {
        const weight = weights[filters.position(channel, i)] as number;
        least += Math.min(weight * low, weight * high);
        most += Math.max(weight * low, weight * high);
      }
      if (least < -(2 ** 15) || most >= 2 ** 15) return false;
    }
  }
  return true;
}

/**
 * Weights of eight channels under each tap in turn: int8[blocks][taps][8]. Missing weights are 0.
 */
function tapVectors(
  blocks: readonly number[],
  weights: Int8Array,
  { channels, depth, position }: Filters,
  taps: number,
): Table {
  const data = new Int8Array(blocks.length * taps * depthwiseLanes);
  blocks.forEach((first, block) => {
    for (let lane = 0; lane < depthwiseLanes && first + lane < channels; lane += 1) {
      for (let tap = 0; tap < depth; tap += 1) {
        const at = (block * taps + tap) * depthwiseLanes + lane;
        data[at] = weights[position(first + lane, tap)] as number;
      }
    }
  });
  return { data, role: 'weights' };
}
