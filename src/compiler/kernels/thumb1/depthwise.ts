/**
 * Depthwise convolution of packed pixels, two outputs a product, line by line (lines.ts), with the
 * weights in tables.
 */
import type { NodeView } from '../../ir/graph.js';
import type { Facts } from '../../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { inputOf } from '../../ops/shape/operands.js';
import { dilated } from '../../ops/shape/window.js';
import type { Convolution } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import type { TwoMultiply } from '../layout/two-multiply.js';
import type { KernelCall, KernelVariant, Table, WorkTerm } from '../variant.js';
import { type Lines, linesOf, overlapOf, type Segment, stepsOf } from './lines.js';
import { channelMultiplies, type FloatMultiply, isFloat, isLifted } from './stage.js';

/** Fields of struct depthwise_lines before its taps. */
const headerBytes = 92;

/** Segments of a window of 3×3, and their possible orders. */
const rotations = 3;

/**
 * The runs of products between separations of the lanes. whole: each segment is a run; split: two
 * taps of a segment, then its third; first-split: only the first segment is split.
 */
type Runs = 'whole' | 'first-split' | 'split';

/** A node that the kernel can compute. */
interface Work {
  readonly convolution: Convolution;
  /** Computed one after the other, with the same taps. */
  readonly phases: readonly Lines[];
  readonly channels: readonly Channel[];
}

/** Facts proved about a channel. */
interface Channel {
  readonly multiply: TwoMultiply | FloatMultiply;
  /** Added to a sum of raw products, it gives the input of `multiply`. */
  readonly base: number;
  readonly runs: Runs;
  /** The first segment; the others follow in order. */
  readonly first: number;
}

/**
 * @param when whether every output channel has one input channel
 * @param describe called for nodes for which `when` holds
 */
export function packedDepthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'thumb1/depthwise_conv2d',
    needs: ['mul32', 'thumb1'],
    match(view, { facts }) {
      const work = when(view) ? prove(view, facts, describe(view)) : null;
      if (work === null) return null;
      return {
        scratchBytes: scratchBytes(work),
        overlaps: overlapOf(work.convolution.shape, work.phases),
        work: () => termsOf(work),
        calls: () => callsOf(view, work),
      };
    },
  };
}

/** null if the shape is not supported or a channel cannot be computed exactly. */
function prove(
  view: NodeView<AccumulationAttrs>,
  facts: Facts,
  convolution: Convolution,
): Work | null {
  const phases = linesOf(convolution.shape);
  if (phases === null) return null;
  const channels = channelsOf(view, facts, convolution, phases[0] as Lines);
  return channels === null ? null : { convolution, phases, channels };
}

/**
 * What the weights and the input's bounds prove for each channel; null if the kernel cannot compute
 * one.
 */
function channelsOf(
  view: NodeView<AccumulationAttrs>,
  facts: Facts,
  { shape, filters, stage }: Convolution,
  { segments }: Lines,
): readonly Channel[] | null {
  const multiplies = channelMultiplies(stage, facts.accumulator(view));
  if (multiplies === null) return null;
  const biases = biasesFor(view, filters, true);
  const weights = weightsOf(view);
  const zeroPoint = inputZeroPoint(view);
  const input = facts.range(inputOf(view, 0));
  const proved: Channel[] = [];
  for (const [c, multiply] of multiplies.entries()) {
    const from = Math.floor(c / siblingsOf(shape));
    const low = Math.min(input.min[from] as number, zeroPoint);
    const high = Math.max(input.max[from] as number, zeroPoint);
    const runOf = (taps: Segment['taps']) =>
      taps.map((tap) => (tap === null ? 0 : (weights[filters.position(c, tap)] as number)));
    const fits = (taps: Segment['taps']) => isExact(runOf(taps), low, high);
    const order = orderOf(segments, fits);
    if (order === null) return null;
    proved.push({
      multiply,
      base: (biases[c] as number) - (isFloat(multiply) ? 0 : multiply.base),
      ...order,
    });
  }
  return proved;
}

/** Output channels per input channel. */
function siblingsOf({ inC, outC }: WindowShape): number {
  return outC / inC;
}

/** Of three segments, one at most may be split, and it comes first. Otherwise all are split. */
function orderOf(
  segments: readonly Segment[],
  fits: (taps: Segment['taps']) => boolean,
): Pick<Channel, 'runs' | 'first'> | null {
  if (!segments.every(({ taps }) => fits(taps.slice(0, 2)) && fits(taps.slice(2)))) return null;
  const broken = segments.flatMap(({ taps }, i) => (fits(taps) ? [] : [i]));
  if (segments.length !== rotations || broken.length > 1) {
    return { runs: 'split', first: 0 };
  }
  return broken.length === 0
    ? { runs: 'whole', first: 0 }
    : { runs: 'first-split', first: broken[0] as number };
}

function rotated(segments: readonly Segment[], first: number): readonly Segment[] {
  return [...segments.slice(first), ...segments.slice(0, first)];
}

/**
 * Whether the sum of a run of products fits a lane of 16 bits, for all pixels between `low` and
 * `high`. −32768 does not: if both lanes held it, the carry of the lower lane would take the upper
 * one out of the word.
 */
export function isExact(weights: readonly number[], low: number, high: number): boolean {
  let [least, greatest] = [0, 0];
  for (const weight of weights) {
    least += Math.min(weight * low, weight * high);
    greatest += Math.max(weight * low, weight * high);
  }
  return least >= -32767 && greatest <= 32767;
}

function scratchBytes({ phases }: Work): number {
  const bytes = phases.map((lines) => planeOffset(lines.segments.length) + 4 * lines.planeWords);
  return Math.max(...bytes);
}

function planeOffset(segments: number): number {
  return headerBytes + 16 * segments + 4;
}

function callsOf(view: NodeView<AccumulationAttrs>, work: Work): readonly KernelCall[] {
  const mixed = work.channels.some(({ multiply }) => isFloat(multiply));
  const lifted = work.channels.some(({ multiply }) => !isFloat(multiply) && isLifted(multiply));
  const weights = weightsTable(view, work);
  const stage = stageTable(work.channels, lifted);
  return work.phases.map((lines) => {
    const { inner, segments } = lines;
    const orders = segments.length === rotations ? [0, 1, 2] : [0];
    const steps = orders.flatMap((first) => stepsOf(rotated(segments, first), inner));
    const siblings = siblingsOf(work.convolution.shape);
    const chunked = siblings > 1 || lines.chunk < lines.words;
    return {
      inputs: [0],
      outputs: [0],
      outputBytes: inner.outFirst,
      flags: { by_2: inner.stride === 2, by_3: inner.stride === 3, lifted, mixed, chunked },
      words: {
        by: `${inner.stride}`,
        is_lifted: lifted ? '1' : '0',
        stage_size: lifted ? '8' : '6',
      },
      numbers: {
        ...numbersOf(work.convolution.shape, lines, inputZeroPoint(view)),
        ...(chunked ? { siblings, chunk: lines.chunk } : {}),
      },
      tables: { weights, stage, steps: { data: Int32Array.from(steps), role: 'table' } },
    };
  });
}

function stageTable(channels: readonly Channel[], lifted: boolean): Table {
  const words = channels.flatMap(({ multiply, base, runs, first }) => {
    const { lowest, highest, zeroPoint } = multiply;
    const bytes = [['whole', 'first-split', 'split'].indexOf(runs), lowest, highest, first];
    const word = bytes.reduce((sum, byte, i) => sum | ((byte & 255) << (8 * i)), 0);
    if (isFloat(multiply)) return [word, -1, zeroPoint, 0, multiply.float, base];
    const { top, high, low, offset, lift } = multiply;
    const common = [word, top, (offset + Math.imul(base, high)) | 0, low, high, base];
    if (!lifted) return common;
    const shifts = (lift === null ? 24 : 23) | (multiply.shift << 8);
    return [
      ...common,
      lift === null ? 0 : 2 ** lift,
      shifts | ((lift === null ? 0 : zeroPoint) << 16),
    ];
  });
  return { data: Int32Array.from(words), role: 'table' };
}

function weightsTable(view: NodeView<object>, { convolution, phases, channels }: Work): Table {
  const weights = weightsOf(view);
  const { position } = convolution.filters;
  const { segments } = phases[0] as Lines;
  const bytes = channels.flatMap(({ first }, c) =>
    rotated(segments, first).flatMap(({ taps }) =>
      taps.map((tap) => (tap === null ? 0 : (weights[position(c, tap)] as number))),
    ),
  );
  return { data: Int8Array.from(bytes), role: 'weights' };
}

function numbersOf(shape: WindowShape, lines: Lines, zeroPoint: number) {
  const { inner, outer, words, inside, segments } = lines;
  return {
    batches: shape.batches,
    channels: shape.inC,
    padding: (zeroPoint + (zeroPoint << 16)) | 0,
    plane: planeOffset(segments.length),
    segments: segments.length,
    pitch: lines.pitch,
    stride: inner.stride,
    start: inner.inFirst - inner.pad * inner.inStep,
    in_step: inner.inStep,
    lane_in: lines.lane * inner.stride * inner.inStep,
    words_before: inside.before,
    words_upper: inside.upper,
    words_both: inside.both,
    words_lower: inside.lower,
    words_after: inside.after,
    lines_in: outer.extent,
    lines_out: outer.outputs,
    lines_pad: outer.pad,
    lines_stride: outer.stride,
    lines_taps: dilated(outer.taps, outer.dilation),
    band: lines.band,
    in_line: outer.inStep,
    out_line: outer.outStep,
    in_image: shape.inH * shape.inW * shape.inC,
    out_image: shape.outH * shape.outW * shape.outC,
    words,
    out_step: inner.outStep,
    lane_out: lines.lane * inner.outStep,
  };
}

/** `code` and `packed` are cycles of instructions in the assembly; the other terms are C. */
function termsOf(work: Work): Readonly<Record<string, WorkTerm>> {
  const { batches, inC, outC } = work.convolution.shape;
  let [packed, code, bands, calls, exceptions] = [0, 0, 0, 0, 0];
  for (const lines of work.phases) {
    const { inner, outer, words, pitch, segments } = lines;
    const segment = 18 + 2 * inner.stride;
    const pairCycles: Record<Runs, number> = {
      whole: 3 * segment + 43,
      'first-split': 3 * segment + 49,
      split: (segment + 23) * segments.length + 21,
    };
    packed += inC * outer.extent * (pitch + 6.6);
    for (const { runs, multiply } of work.channels) {
      if (isFloat(multiply)) exceptions += outer.outputs * words;
      // With split runs an odd last word is half of a pair; otherwise it has code of its own.
      const odd = (words % 2) * (runs === 'split' ? pairCycles.split / 2 : 12);
      code += outer.outputs * (55 + (words / 2) * pairCycles[runs] + odd + 27.5 * words);
    }
    const perChannel = batches * Math.ceil(outer.outputs / lines.band);
    bands += perChannel * inC;
    calls += perChannel * (outC * Math.ceil(words / lines.chunk) - inC);
  }
  return {
    packed: { count: Math.round(batches * packed), cycles: 9.4 },
    code: { count: Math.round(batches * code), cycles: 1 },
    bands: { count: bands, cycles: 350 },
    // Two outputs each, in plain C.
    ...(exceptions > 0 ? { exceptions: { count: batches * exceptions, cycles: 700 } } : {}),
    // Calls beyond one per band.
    ...(calls > 0 ? { calls: { count: calls, cycles: 200 } } : {}),
  };
}
