/**
 * Convolutions and fully connected layers of int16 inputs and int8 weights: the values under a
 * window are copied to scratch and multiplied by four output channels at a time.
 * templates/kernels/portable/conv2d_16x8_patch.hbs is the text for every instruction set.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  accumulatorStarts,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import { fitsWords } from '../../ops/arithmetic/accumulator-reach.js';
import { inputOf } from '../../ops/shape/operands.js';
import { noRounding, roundingFlags } from '../portable/dense.js';
import { elementBytes, type IntegerSums, scaleHelper, scaleRow, sumsOf } from '../portable/wide.js';
import type { KernelCall, KernelVariant, VariantTraits, WorkTerm } from '../variant.js';
import { asRow, type Convolution, isPixelRow, pixelsOf } from './convolution.js';
import { isFew, laneBlocks, lanes } from './interleave.js';
import { windowLead } from './overlap.js';
import { windowNumbers } from './window-numbers.js';

/** A row of weights, multiplied by a vector. */
export interface DotRow {
  /** The value from which its sum begins. */
  readonly start: number;
  /** int16 at a position of the vector. */
  weight(position: number): number;
}

/** How an instruction set multiplies. */
export interface WideDots {
  readonly traits: Pick<VariantTraits, 'template' | 'needs'>;
  /** Chooses the helpers; by default those of Armv6-M. */
  readonly hasSmlad: boolean;
  /** The words of all groups of four rows of `depth` weights, as the helper reads them. */
  table(rows: readonly DotRow[], depth: number): Int32Array;
  readonly cycles: Readonly<
    Record<'steps' | 'groups' | 'copied' | 'lines' | 'pixels' | IntegerSums, number>
  >;
}

/** Elements of a vector that are multiplied in one step. */
const stepElements = 4;

/** Channels whose sums are made before they become outputs, by C and by Armv6-M's assembly. */
const blockChannels = { inC: 32, quick: lanes };

/** A layer that the kernel can compute. */
interface Layer extends Convolution {
  readonly sums: IntegerSums;
  /** Pixels are read where they lie. */
  readonly isInPlace: boolean;
  /** Assembly makes outputs of sums, of four channels at least. */
  readonly isQuick: boolean;
}

/**
 * @param when whether the node is one layer, not a group of convolutions
 * @param describe called for nodes for which `when` holds
 */
export function wideRows<A extends AccumulationAttrs>(
  dots: WideDots,
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    ...dots.traits,
    text: 'portable/conv2d_16x8_patch',
    types: ['int16'],
    match(view) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const sums = sumsOf(view, convolution);
      if (sums === 'real') return null;
      const layer = layerOf(view, convolution, sums, dots);
      if (!fitsWords(view, layer.filters)) return null;
      const { depth } = layer.filters;
      const channelBlock = blockChannels[layer.isQuick ? 'quick' : 'inC'];
      const lead = elementBytes * windowLead(layer.shape, layer.isInPlace ? { channelBlock } : {});
      return {
        scratchBytes: layer.isInPlace ? 0 : elementBytes * stepElements * stepsOf(depth),
        weightPasses: pixelsOf(layer.shape),
        overlaps: [{ input: 0, lead, exact: false }],
        work: () => workOf(layer, dots.cycles),
        calls: () => [callOf(view, layer, dots)],
      };
    },
  };
}

function layerOf(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  sums: IntegerSums,
  { hasSmlad }: WideDots,
): Layer {
  const shape = asRow(convolution.shape);
  // Words are loaded: constants begin anywhere, all other tensors at words of the arena.
  const hasWords = shape.inC % stepElements === 0 && inputOf(view, 0).data === null;
  const isInPlace = isPixelRow(shape) && hasWords;
  const isQuick = !hasSmlad && sums === 'reduced' && !isFew(convolution.filters.channels);
  return { ...convolution, shape, sums, isInPlace, isQuick };
}

const stepsOf = (depth: number) => Math.ceil(depth / stepElements);

function workOf(
  { shape, filters, sums, isInPlace }: Layer,
  cycles: WideDots['cycles'],
): Readonly<Record<string, WorkTerm>> {
  const pixels = pixelsOf(shape);
  const groups = pixels * Math.ceil(filters.channels / lanes);
  const counts = {
    steps: groups * stepsOf(filters.depth),
    groups,
    [sums]: pixels * filters.channels,
    copied: isInPlace ? 0 : pixels * filters.depth,
    lines: isPixelRow(shape) ? 0 : pixels * shape.kernelH,
    pixels,
  };
  return Object.fromEntries(
    Object.entries(counts).map(([term, count]) => [
      term,
      { count, cycles: cycles[term as keyof WideDots['cycles']] },
    ]),
  );
}

function callOf(view: NodeView<AccumulationAttrs>, layer: Layer, dots: WideDots): KernelCall {
  const { shape, filters, stage, sums, isInPlace, isQuick } = layer;
  const { channels, depth } = filters;
  const all = weightRows(view, filters);
  const starts = accumulatorStarts(stage);
  const inRows = isQuick
    ? laneBlocks(channels).flatMap((first) => [0, 1, 2, 3].map((lane) => first + lane))
    : Array.from({ length: channels }, (_, channel) => channel);
  const rows = inRows.map((channel) => ({
    start: starts[channel] as number,
    weight: (i: number) => all[channel * depth + i] as number,
  }));
  const pointwise = isPixelRow(shape);
  const window = { in_h: shape.inH, in_w: shape.inW, in_c: shape.inC, ...windowNumbers(shape) };
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...{ smlad: dots.hasSmlad, quick: isQuick },
      ...{ wide: sums === 'wide', reduced: sums === 'reduced', pointwise, in_place: isInPlace },
      ...(sums === 'whole' ? roundingFlags(stage) : noRounding),
      by_tap: shape.dilationW > 1,
      // 16 bytes at a time, by instructions that Armv6-M has.
      eights: !dots.hasSmlad && shape.inC % 8 === 0,
    },
    words: {
      scale: scaleHelper(sums),
      dot_rows: dots.hasSmlad ? 'dsp/dot_rows' : 'thumb1/dot_byte_rows',
      patch: isInPlace ? 'in' : 'patch',
    },
    numbers: {
      ...(pointwise ? {} : window),
      ...{ depth, channels, steps: stepsOf(depth), pixels: pixelsOf(shape) },
      ...{ low: stage.min, high: stage.max },
    },
    tables: {
      weights: { data: dots.table(rows, depth), role: 'weights' },
      stage: {
        data: Int32Array.from(inRows.flatMap((channel) => scaleRow(stage, sums, channel))),
        role: 'table',
      },
    },
  };
}
