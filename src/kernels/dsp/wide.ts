/** Convolutions and fully connected layers of int16 inputs and int8 weights, with SMLAD. */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  accumulatorReach,
  accumulatorStarts,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import { asRow, type Convolution, isPixelRow, pixelsOf } from '../layout/convolution.js';
import { windowLead } from '../layout/overlap.js';
import { windowNumbers } from '../layout/window-numbers.js';
import { elementBytes, type Sums, scaleRow, sumsOf } from '../portable/wide.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { dotSteps, dotTable, pairsInOrder } from './dot-rows.js';

/** Instructions of an output, by how its sum is requantized. */
const outputCycles: Readonly<Record<Sums, number>> = { reduced: 17, wide: 26, whole: 30 };

/**
 * @param when whether the node is one layer, not a group of convolutions
 * @param describe called for nodes for which `when` holds
 */
export function smladWide<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/conv2d_16x8',
    needs: ['dsp'],
    types: ['int16'],
    match(view) {
      if (!when(view)) return null;
      const described = describe(view);
      const layer = { ...described, shape: asRow(described.shape) };
      // The sums of SMLAD have 32 bits: every one of them, since only the last has to fit.
      if (accumulatorReach(view, layer.filters).some((reach) => reach >= 2 ** 31)) return null;
      const sums = sumsOf(view, layer);
      const lead = elementBytes * windowLead(layer.shape);
      return {
        scratchBytes: 8 * stepsOfDepth(layer.filters.depth),
        weightPasses: pixelsOf(layer.shape),
        overlaps: [{ input: 0, lead, exact: false }],
        work: () => workOf(layer, sums),
        calls: () => [callOf(view, layer, sums)],
      };
    },
  };
}

const stepsOfDepth = (depth: number) => dotSteps(pairsInOrder(depth));

function workOf({ shape, filters }: Convolution, sums: Sums): Readonly<Record<string, WorkTerm>> {
  const pixels = pixelsOf(shape);
  const groups = pixels * Math.ceil(filters.channels / 4);
  return {
    steps: { count: groups * stepsOfDepth(filters.depth), cycles: 11.1 },
    groups: { count: groups, cycles: 14 },
    [sums]: { count: pixels * filters.channels, cycles: outputCycles[sums] },
    copied: { count: pixels * filters.depth, cycles: 1 },
    lines: { count: isPixelRow(shape) ? 0 : pixels * shape.kernelH, cycles: 45 },
    pixels: { count: pixels, cycles: 60 },
  };
}

function callOf(view: NodeView<AccumulationAttrs>, layer: Convolution, sums: Sums): KernelCall {
  const { shape, filters, stage } = layer;
  const { channels, depth } = filters;
  const pairs = pairsInOrder(depth);
  const all = weightRows(view, filters);
  const starts = accumulatorStarts(stage);
  const rows = Array.from({ length: channels }, (_, channel) => ({
    start: starts[channel] as number,
    weight: (i: number) => all[channel * depth + i] as number,
  }));
  const pointwise = isPixelRow(shape);
  const window = { in_h: shape.inH, in_w: shape.inW, in_c: shape.inC, ...windowNumbers(shape) };
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...{ wide: sums === 'wide', reduced: sums === 'reduced', pointwise },
      single_rounding: sums === 'whole' && stage.rounding === 'single',
      by_tap: shape.dilationW > 1,
    },
    numbers: {
      ...(pointwise ? {} : window),
      ...{ depth, channels, steps: dotSteps(pairs), pixels: pixelsOf(shape) },
      ...{ low: stage.min, high: stage.max },
    },
    tables: {
      weights: { data: dotTable(rows, pairs), role: 'weights' },
      stage: {
        data: Int32Array.from(rows.flatMap((_, channel) => scaleRow(stage, sums, channel))),
        role: 'table',
      },
    },
  };
}
