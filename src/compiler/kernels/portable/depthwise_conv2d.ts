/** depthwise_conv2d: one channel or four neighbouring ones at once, pixel after pixel. */
import type { NodeView } from '../../ir/graph.js';
import {
  biasesFor,
  inputZeroPoint,
  outputStage,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import {
  type DepthwiseConv2dAttrs,
  depthwiseConv2d,
  depthwiseDims,
  depthwiseFilters,
} from '../../ops/depthwise_conv2d.js';
import { asRow, depthwiseOf } from '../layout/convolution.js';
import { interleaveWeights, laneBlocks, lanes, stageTable } from '../layout/interleave.js';
import { windowLead } from '../layout/overlap.js';
import { windowNumbers } from '../layout/window-numbers.js';
import type { KernelCall, KernelVariant, Overlap } from '../variant.js';
import { multiplyKernel, multiplyWork, roundingFlags, stageNumbers } from './dense.js';

export const byFourVariant: KernelVariant<DepthwiseConv2dAttrs> = {
  ...multiplyKernel('depthwise_conv2d_by4'),
  match(view) {
    if (depthwiseDims(view).outC < lanes) return null;
    const [term, cycles] = isSpread(view)
      ? (['spread_macs', 14] as const)
      : (['macs', 11] as const);
    return {
      scratchBytes: 0,
      overlaps: overlaps(view, lanes),
      work() {
        const { macs, ...rest } = multiplyWork(view, depthwiseConv2d.macs(view), cycles);
        return { [term]: macs, ...rest };
      },
      calls: () => lower(view, true),
    };
  },
};

export const depthwiseVariant: KernelVariant<DepthwiseConv2dAttrs> = {
  ...multiplyKernel('depthwise_conv2d'),
  match: (view) => ({
    scratchBytes: 0,
    overlaps: overlaps(view, 1),
    work: () => multiplyWork(view, depthwiseConv2d.macs(view), 20),
    calls: () => lower(view, false),
  }),
};

/** Whether four neighbouring output channels read other than four neighbouring input channels. */
const isSpread = ({ attrs }: NodeView<DepthwiseConv2dAttrs>) => attrs.depthMultiplier > 1;

function lower(view: NodeView<DepthwiseConv2dAttrs>, by4: boolean): readonly KernelCall[] {
  const dims = asRow({ ...view.attrs, ...depthwiseDims(view) });
  const filters = depthwiseFilters(view);
  const stage = outputStage(view, dims.outC, 'per-channel');
  const biases = biasesFor(view, filters, false);
  const groups = by4 ? laneBlocks(dims.outC) : Array.from({ length: dims.outC }, (_, c) => c);
  return [
    {
      inputs: [0],
      outputs: [0],
      flags: {
        ...roundingFlags(stage),
        ...(by4 ? { spread: isSpread(view) } : {}),
      },
      numbers: {
        batches: dims.batches,
        in_h: dims.inH,
        in_w: dims.inW,
        in_c: dims.inC,
        in_zp: inputZeroPoint(view),
        ...windowNumbers(dims),
        ...(by4 && !isSpread(view)
          ? {}
          : { out_c: dims.outC, depth_multiplier: view.attrs.depthMultiplier }),
        ...stageNumbers(stage),
      },
      tables: {
        weights: by4
          ? interleaveWeights(groups, weightsOf(view), filters, dims.outC)
          : { data: weightsOf(view), role: 'weights' },
        stage: stageTable(groups, stage, biases, dims.outC, by4 ? lanes : 1),
      },
    },
  ];
}

/** Overlaps of a kernel that computes pixel after pixel, `channelBlock` channels at a time. */
function overlaps(view: NodeView<DepthwiseConv2dAttrs>, channelBlock: number): readonly Overlap[] {
  const lead = windowLead(depthwiseOf(view).shape, { channelBlock, depthwise: true });
  return [{ input: 0, lead, exact: false }];
}
