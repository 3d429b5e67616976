/** Convolutions and fully connected layers whose output channels share words (lanes.ts). */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, weightRows } from '../../ops/arithmetic/accumulation.js';
import { type Convolution, isPixelRow, pixelsOf } from '../layout/convolution.js';
import { windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import type { KernelCall, KernelVariant, MatchContext } from '../variant.js';
import { channelsPerUnit, type LaneTable, laneTable } from './lanes.js';
import {
  gatherNumbers,
  gatherWork,
  inputRanges,
  type RescaleStage,
  rescaleOperands,
  rescaleStage,
  rescaleWork,
} from './layer.js';

/** Units whose sums the kernel holds at once. */
const block = 4;
const cyclesPerOutput = { rescaled: 24, lifted: 33, deep: 45, requantized: 100 } as const;

interface Tables {
  readonly lanes: LaneTable;
  readonly outputs: RescaleStage;
}

/**
 * @param when whether the node is one layer, not a group of convolutions
 * @param describe called for nodes for which `when` holds
 */
export function lanesKernel<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'swar/conv2d',
    needs: ['mul32', 'swar'],
    addsResidual: true,
    match(view, context) {
      if (!when(view)) return null;
      const layer = describe(view);
      const tables = makeTables(view, context, layer);
      if (tables === null) return null;
      const { shape, filters } = layer;
      const read = isPixelRow(shape) ? lastBlock(tables.lanes) : 0;
      const lead = windowLead(shape, read > 0 ? { channelBlock: read } : {});
      return {
        scratchBytes: isPixelRow(shape) ? 0 : filters.depth,
        weightPasses: pixelsOf(shape),
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => workOf(view, layer, tables),
        calls: () => [callOf(view, layer, tables)],
      };
    },
  };
}

function workOf(view: NodeView<object>, layer: Convolution, { lanes, outputs }: Tables) {
  const { shape, filters } = layer;
  const pixels = pixelsOf(shape);
  const count = pixels * filters.channels;
  return {
    products: { count: pixels * lanes.words * filters.depth, cycles: 3.95 },
    runs: { count: pixels * lanes.runs, cycles: 125 },
    ...rescaleWork(outputs, count, cyclesPerOutput),
    pixels: { count: pixels, cycles: 130 },
    ...residualWork(view, 40),
    ...gatherWork(layer),
  };
}

/** null if the weights do not fit into lanes. */
function makeTables(
  view: NodeView<AccumulationAttrs>,
  context: MatchContext,
  layer: Convolution,
): Tables | null {
  const { channels, depth } = layer.filters;
  const outputs = rescaleStage(view, context, layer, true);
  const weights = weightRows(view, layer.filters);
  const lanes = laneTable(
    Array.from(outputs.starts.subarray(0, channels), (start, channel) => ({
      weights: weights.subarray(channel * depth, (channel + 1) * depth),
      start,
    })),
    inputRanges(view, context.facts, layer),
  );
  return lanes === null ? null : { lanes, outputs };
}

/** The first channel of the last block. All earlier channels are stored when it is computed. */
function lastBlock({ format, wide, narrow }: LaneTable): number {
  const per = channelsPerUnit(format);
  const before = (units: number) => Math.floor((units - 1) / block) * block;
  return narrow > 0 ? wide * per.wide + before(narrow) * per.narrow : before(wide) * per.wide;
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  layer: Convolution,
  { lanes, outputs }: Tables,
): KernelCall {
  const { shape, filters } = layer;
  const rescale = rescaleOperands(layer, outputs.rescale, outputs.words);
  const pointwise = isPixelRow(shape);
  const pixels = pixelsOf(shape);
  const per = channelsPerUnit(lanes.format);
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...rescale.flags, pointwise, pairs: lanes.format === 'pairs' },
    numbers: {
      ...rescale.numbers,
      ...(pointwise ? { depth: filters.depth } : gatherNumbers(view, shape)),
      pixels,
      channels: filters.channels,
      wide: lanes.wide,
      units: lanes.wide + lanes.narrow,
      wide_channels: per.wide,
      narrow_channels: per.narrow,
    },
    tables: {
      ...rescale.tables,
      weights: { data: lanes.data, role: 'weights' },
    },
  };
}
