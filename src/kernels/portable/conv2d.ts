/** conv2d: four channels at once over the whole image; a pointwise one as rows of pixels. */
import type { NodeView } from '../../ir/graph.js';
import {
  biasesFor,
  inputZeroPoint,
  outputStage,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { type Conv2dAttrs, conv2d, conv2dDims, conv2dFilters } from '../../ops/conv2d.js';
import { asRow, convolutionOf, isPointwise, pixelsOf } from '../layout/convolution.js';
import { isFew, laneBlocks, laneWeights, stageTable, storedLanes } from '../layout/interleave.js';
import { residualOperands } from '../layout/residual.js';
import type { KernelCall, DescribedVariant as KernelVariant } from '../variant.js';
import {
  fullyConnectedCalls,
  lanesWork,
  pixelOverlaps,
  residualKernel,
  stageNumbers,
} from './dense.js';

const weightPasses = (view: NodeView<Conv2dAttrs>) => pixelsOf(conv2dDims(view));

export const pointwiseVariant: KernelVariant<Conv2dAttrs> = {
  ...residualKernel('fully_connected', ['dot4', 'dot_few']),
  when: isPointwise,
  work: (view) => lanesWork(view, conv2d.macs(view), conv2dDims(view).outC, 5.5),
  weightPasses,
  overlap: (view) => pixelOverlaps(view, convolutionOf(view).shape),
  lower(view, context) {
    const { filters, stage } = convolutionOf(view);
    return fullyConnectedCalls(view, filters, stage, context);
  },
};

export const conv2dVariant: KernelVariant<Conv2dAttrs> = {
  ...residualKernel('conv2d', ['dot4', 'dot_few', 'pad4', 'pad_few', 'clip_taps']),
  when: () => true,
  work(view) {
    const { outC, kernelH, groups } = asRow({ ...view.attrs, ...conv2dDims(view) });
    const blocks = groups * laneBlocks(outC / groups).length;
    const segments = pixelsOf(conv2dDims(view)) * blocks * kernelH;
    return {
      ...lanesWork(view, conv2d.macs(view), outC / groups, 6.2),
      segments: { count: segments, cycles: 40 },
    };
  },
  weightPasses,
  overlap: (view) => pixelOverlaps(view, convolutionOf(view).shape, conv2dDims(view).groups),
  lower,
};

/** One call for each convolution group. */
function lower(view: NodeView<Conv2dAttrs>): readonly KernelCall[] {
  const shape = asRow({ ...view.attrs, ...conv2dDims(view) });
  const { batches, inC, outC, filterC, groups } = shape;
  const stage = outputStage(view, outC, 'per-channel');
  const filters = conv2dFilters(view);
  const biases = biasesFor(view, filters, true);
  const channels = outC / groups;
  const operands = residualOperands(view);
  return Array.from({ length: groups }, (_, group): KernelCall => {
    const blocks = laneBlocks(channels, group * channels);
    const end = (group + 1) * channels;
    return {
      ...operands,
      flags: {
        ...operands.flags,
        by_tap: shape.dilationW > 1 || groups > 1,
        single_rounding: stage.rounding === 'single',
        few: isFew(channels),
      },
      numbers: {
        ...operands.numbers,
        batches,
        in_h: shape.inH,
        in_w: shape.inW,
        in_c: inC,
        in_first: group * filterC,
        in_zp: inputZeroPoint(view),
        kernel_h: shape.kernelH,
        kernel_w: shape.kernelW,
        filter_c: filterC,
        stride_h: shape.strideH,
        stride_w: shape.strideW,
        dilation_h: shape.dilationH,
        dilation_w: shape.dilationW,
        pad_top: shape.padTop,
        pad_left: shape.padLeft,
        out_h: shape.outH,
        out_w: shape.outW,
        out_c: outC,
        out_first: group * channels,
        channels,
        lanes: storedLanes(channels),
        ...stageNumbers(stage),
      },
      tables: {
        ...operands.tables,
        weights: laneWeights(group * channels, channels, weightsOf(view), filters),
        stage: stageTable(blocks, stage, biases, end),
      },
    };
  });
}
