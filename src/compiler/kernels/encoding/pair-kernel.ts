/** The portable kernel for fully connected layers whose weights are coded in pairs (pairs.ts). */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import { type Convolution, pixelsOf } from '../layout/convolution.js';
import { windowLead } from '../layout/overlap.js';
import { roundingFlags, stageNumbers } from '../portable/dense.js';
import type { KernelCall, KernelVariant } from '../variant.js';
import { isWorthwhile, rowsOf, scaleOperands } from './layer.js';
import { encodePairs, mostPairTaps, type PairChoice, pairChoice } from './pairs.js';
import type { WeightRows } from './positions.js';

/** Weights are decoded again for each row, so layers with more rows use kernels with tiles. */
const mostRows = 3;

/** @param describe treats rows as pixels */
export function pairKernel<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'portable/fully_connected_coded',
    packs: true,
    needs: [],
    match(view) {
      const layer = describe(view);
      const rows = pixelsOf(layer.shape);
      if (rows > mostRows || layer.filters.depth > mostPairTaps) return null;
      const weights = rowsOf(view, layer.filters);
      const choice = pairChoice(weights);
      if (!isWorthwhile(choice.bytes, weights)) return null;
      const lead = windowLead(layer.shape, { channelBlock: 2 });
      return {
        scratchBytes: 0,
        weightPasses: rows,
        overlaps: [{ input: 0, lead, exact: false }],
        work: () => workOf(layer, choice),
        calls: () => [callOf(view, layer, weights, choice)],
      };
    },
  };
}

/** Cycles on the RP2040, like all costs here. */
function workOf({ shape, filters }: Convolution, { lowBits, words, exceptions }: PairChoice) {
  const rows = pixelsOf(shape);
  const pairs = lowBits.length;
  return {
    pairs: { count: rows * pairs * filters.depth, cycles: 29 },
    words: { count: rows * words, cycles: 19 },
    exceptions: { count: rows * exceptions, cycles: 30 },
    channels: { count: rows * 2 * pairs, cycles: 150 },
  };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage }: Convolution,
  weights: WeightRows,
  choice: PairChoice,
): KernelCall {
  const { heads, codes, lows } = encodePairs(weights, choice);
  const scaling = scaleOperands(view, filters, stage, true);
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...scaling.flags, ...roundingFlags(stage) },
    numbers: {
      ...scaling.numbers,
      ...stageNumbers(stage),
      rows: pixelsOf(shape),
      depth: filters.depth,
      channels: filters.channels,
    },
    tables: {
      ...scaling.tables,
      heads: { data: heads, role: 'weights' },
      codes: { data: codes, role: 'weights' },
      lows: { data: lows, role: 'weights' },
    },
  };
}
