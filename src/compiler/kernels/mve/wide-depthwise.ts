/** Depthwise convolution of int16 inputs and int8 weights, four channels at a time. */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, weightsOf } from '../../ops/arithmetic/accumulation.js';
import { fitsWords } from '../../ops/arithmetic/accumulator-reach.js';
import { asRow, type Convolution, pixelsOf } from '../layout/convolution.js';
import { lanes } from '../layout/interleave.js';
import { windowLead } from '../layout/overlap.js';
import { windowNumbers } from '../layout/window-numbers.js';
import { stageNumbers } from '../portable/dense.js';
import { elementBytes, sumsOf } from '../portable/wide.js';
import type { KernelCall, KernelVariant, Table } from '../variant.js';
import { blocksFrom, consecutive, wideStage } from './vectors.js';

/**
 * @param when whether every output channel has an input channel of its own
 * @param describe called for nodes for which `when` holds
 */
export function wideVectorDepthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'mve/depthwise_conv2d_16x8',
    needs: ['mve'],
    types: ['int16'],
    match(view) {
      if (!when(view)) return null;
      const described = describe(view);
      const layer = { ...described, shape: asRow(described.shape) };
      const { shape, filters } = layer;
      if (!fitsWords(view, filters)) return null;
      const walk = { channelBlock: lanes, depthwise: true };
      const blocks = pixelsOf(shape) * Math.ceil(filters.channels / lanes);
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead: elementBytes * windowLead(shape, walk), exact: false }],
        work: () => ({
          taps: { count: blocks * filters.depth, cycles: 7 },
          lines: { count: blocks * shape.kernelH, cycles: 8 },
          blocks: { count: blocks, cycles: 25 },
          pixels: { count: pixelsOf(shape), cycles: 40 },
        }),
        calls: () => [callOf(view, layer)],
      };
    },
  };
}

function callOf(view: NodeView<AccumulationAttrs>, layer: Convolution): KernelCall {
  const { shape, filters, stage } = layer;
  const sums = sumsOf(view, layer) === 'reduced' ? 'reduced' : 'wide';
  const blocks = blocksFrom(filters.channels, lanes).map((first) => consecutive(first, lanes));
  const { batches, inH, inW } = shape;
  return {
    inputs: [0],
    outputs: [0],
    flags: { reduced: sums === 'reduced', wide: sums === 'wide' },
    numbers: {
      ...windowNumbers(shape),
      ...{ batches, in_h: inH, in_w: inW, channels: filters.channels },
      ...stageNumbers(stage),
    },
    tables: {
      weights: tapsTable(blocks, layer, weightsOf(view)),
      stage: wideStage(
        blocks.map((channels) => [channels]),
        stage,
        sums,
      ),
    },
  };
}

/** int8[blocks][taps][4]; missing weights are 0. */
function tapsTable(
  blocks: readonly (readonly number[])[],
  { filters }: Convolution,
  weights: Int8Array,
): Table {
  const { channels, depth, position } = filters;
  const data = blocks.flatMap((inLanes) =>
    consecutive(0, depth).flatMap((tap) =>
      inLanes.map((c) => (c < channels ? (weights[position(c, tap)] as number) : 0)),
    ),
  );
  return { data: Int8Array.from(data), role: 'weights' };
}
