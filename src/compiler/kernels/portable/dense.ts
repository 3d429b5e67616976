/** Dot products over rows, for fully connected layers and 1×1 convolutions. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  type OutputStage,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { hasResidual } from '../../ops/arithmetic/residual.js';
import { outputOf } from '../../ops/shape/operands.js';
import {
  isFew,
  laneBlocks,
  lanes,
  laneWeights,
  laneWords,
  stageTable,
  storedLanes,
} from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import type { KernelCall, MatchContext, Overlap } from '../variant.js';

/** Traits of all variants that multiply and accumulate. */
export function multiplyKernel(template: string) {
  return {
    template: `portable/${template}`,
    needs: [],
  };
}

/** Traits of kernels that also add a residual. */
export function residualKernel(template: string) {
  return {
    ...multiplyKernel(template),
    addsResidual: true,
  };
}

/**
 * Where output 0 may lie for a kernel that computes a pixel completely before the next one, four
 * channels at a time, and adds the residual last.
 *
 * @param groups of the convolution; each covers the whole image
 */
export function pixelOverlaps(
  view: NodeView<object>,
  shape: WindowShape,
  groups = 1,
): readonly Overlap[] {
  const channels = shape.outC / groups;
  // Overlapping lanes are computed twice, so the residual must still be there.
  const isOnce = channels <= lanes || channels % lanes === 0;
  return [
    ...(groups > 1
      ? []
      : [{ input: 0, lead: windowLead(shape, { channelBlock: lanes }), exact: false }]),
    ...(isOnce ? residualOverlap(view) : []),
  ];
}

/** Work of the portable kernels, measured on the RP2040: few taps cost less than the rest. */
export function multiplyWork(view: NodeView<object>, macs: number, cyclesPerMac: number) {
  const outputs = elementCount(outputOf(view).shape);
  return {
    macs: { count: macs, cycles: cyclesPerMac },
    outputs: { count: outputs, cycles: 105 },
    ...residualWork(view, 35),
  };
}

/**
 * Work of a kernel that computes four channels at once, or fewer one by one.
 *
 * @param channels of the output that have the same inputs
 */
export function lanesWork(
  view: NodeView<object>,
  macs: number,
  channels: number,
  cyclesPerMac: number,
) {
  if (isFew(channels)) {
    const outputs = elementCount(outputOf(view).shape);
    return {
      singleMacs: { count: macs, cycles: 7.7 },
      singleOutputs: { count: outputs, cycles: 230 },
      ...residualWork(view, 35),
    };
  }
  const computed = lanes * laneBlocks(channels).length;
  return multiplyWork(view, (macs * computed) / channels, cyclesPerMac);
}

/** Which requantization the output stage needs. */
export function roundingFlags({ rounding }: Pick<OutputStage, 'rounding'>) {
  return { rounding: rounding === 'double' ? '' : rounding };
}

/** Flags where another form replaces the requantization. */
export const noRounding = roundingFlags({ rounding: 'double' });

/** Numbers of the output stage. */
export function stageNumbers(stage: OutputStage): Record<string, number> {
  return {
    // Clamp before adding the zero point, so that the sum cannot overflow.
    scaled_min: stage.min - stage.zeroPoint,
    scaled_max: stage.max - stage.zeroPoint,
    out_zp: stage.zeroPoint,
  };
}

/** Weights per call that exceed a cache, and the most calls of a node. */
export const pieceBytes = 8 * 1024;
const mostPieces = 32;

/**
 * Calls of the kernel 'portable/fully_connected': every row of the input by every filter. A single
 * row whose weights may lie in two memories has several calls, each for some channels.
 */
export function fullyConnectedCalls(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  stage: OutputStage,
  { target }: Pick<MatchContext, 'target'>,
): readonly KernelCall[] {
  const { channels, depth } = filters;
  const isRow = elementCount(outputOf(view).shape) === channels;
  if (!isRow || hasResidual(view) || !target.hasRegions) {
    return [fullyConnectedCall(view, filters, stage, 0, channels)];
  }
  const least = Math.max(channels / mostPieces, pieceBytes / depth);
  const size = lanes * Math.ceil(least / lanes);
  // A last piece with fewer channels than lanes would need a function of its own.
  const pieces = Math.max(1, Math.ceil((channels - lanes + 1) / size));
  return Array.from({ length: pieces }, (_, piece) => {
    const first = piece * size;
    const count = piece === pieces - 1 ? channels - first : size;
    return fullyConnectedCall(view, filters, stage, first, count);
  });
}

/** The call for `channels` output channels from `first`. */
function fullyConnectedCall(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  stage: OutputStage,
  first: number,
  channels: number,
): KernelCall {
  const groups = laneBlocks(channels, first);
  const end = first + channels;
  return {
    inputs: [0],
    outputs: [0],
    outputBytes: first,
    flags: {
      ...roundingFlags(stage),
      few: isFew(channels),
    },
    words: laneWords(channels),
    numbers: {
      rows: elementCount(outputOf(view).shape) / filters.channels,
      depth: filters.depth,
      out_c: channels,
      lanes: storedLanes(channels),
      ...stageNumbers(stage),
    },
    tables: {
      weights: laneWeights(first, channels, weightsOf(view), filters),
      stage: stageTable(groups, stage, biasesFor(view, filters, true), end),
    },
  };
}
