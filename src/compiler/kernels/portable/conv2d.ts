/**
 * conv2d: four channels at once over the whole image; a pointwise convolution as rows of pixels.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  biasesFor,
  inputZeroPoint,
  outputStage,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import {
  type Conv2dAttrs,
  type Conv2dDims,
  conv2d,
  conv2dDims,
  conv2dFilters,
} from '../../ops/conv2d.js';
import { type TransposeConvAttrs, transposeConv } from '../../ops/transpose_conv.js';
import { asRow, convolutionOf, isPointwise, pixelsOf } from '../layout/convolution.js';
import {
  isFew,
  laneBlocks,
  laneWeights,
  laneWords,
  stageTable,
  storedLanes,
} from '../layout/interleave.js';
import type { WindowShape } from '../layout/overlap.js';
import { phasesOf, spreadCall } from '../layout/phases.js';
import { windowNumbers } from '../layout/window-numbers.js';
import type { KernelCall, KernelVariant } from '../variant.js';
import {
  fullyConnectedCalls,
  lanesWork,
  pixelOverlaps,
  residualKernel,
  roundingFlags,
  stageNumbers,
} from './dense.js';

export const pointwiseVariant: KernelVariant<Conv2dAttrs> = {
  ...residualKernel('fully_connected'),
  match(view, context) {
    if (!isPointwise(view)) return null;
    const { shape, filters, stage } = convolutionOf(view);
    return {
      scratchBytes: 0,
      weightPasses: pixelsOf(shape),
      overlaps: pixelOverlaps(view, shape),
      work: () => lanesWork(view, conv2d.macs(view), shape.outC, 5.5),
      calls: () => fullyConnectedCalls(view, filters, stage, context),
    };
  },
};

export const conv2dVariant: KernelVariant<Conv2dAttrs> = {
  ...residualKernel('conv2d'),
  match(view) {
    const dims = conv2dDims(view);
    const { outC, groups } = dims;
    const shape = asRow({ ...view.attrs, ...dims });
    const blocks = groups * laneBlocks(outC / groups).length;
    const segments = pixelsOf(dims) * blocks * shape.kernelH;
    return {
      scratchBytes: 0,
      weightPasses: pixelsOf(dims),
      overlaps: pixelOverlaps(view, convolutionOf(view).shape, groups),
      work: () => ({
        ...lanesWork(view, conv2d.macs(view), outC / groups, 6.2),
        segments: { count: segments, cycles: 40 },
      }),
      calls: () => lower(view, asRow({ ...view.attrs, ...dims })),
    };
  },
};

/** Every phase is a convolution, whose pixels are spread over the output. */
export const transposeConvVariant: KernelVariant<TransposeConvAttrs> = {
  template: 'portable/transpose_conv',
  text: 'portable/conv2d',
  needs: [],
  match(view) {
    const { channels } = conv2dFilters(view);
    return {
      scratchBytes: 0,
      overlaps: [],
      work: () => lanesWork(view, transposeConv.macs(view), channels, 6.2),
      calls: () =>
        phasesOf(view).flatMap(({ convolution, spread }) =>
          lower(convolution, { ...convolution.attrs, ...conv2dDims(convolution) }).map((call) =>
            spreadCall(call, spread),
          ),
        ),
    };
  },
};

/** One call per convolution group. */
function lower(
  view: NodeView<Conv2dAttrs>,
  shape: WindowShape & Conv2dDims,
): readonly KernelCall[] {
  const { batches, inC, outC, filterC, groups } = shape;
  const stage = outputStage(view, outC, 'per-channel');
  const filters = conv2dFilters(view);
  const biases = biasesFor(view, filters, true);
  const channels = outC / groups;
  const { kernel_h, kernel_w, ...steps } = windowNumbers(shape);
  return Array.from({ length: groups }, (_, group): KernelCall => {
    const blocks = laneBlocks(channels, group * channels);
    const end = (group + 1) * channels;
    return {
      inputs: [0],
      outputs: [0],
      flags: {
        by_tap: shape.dilationW > 1 || groups > 1,
        spread: false,
        ...roundingFlags(stage),
        few: isFew(channels),
      },
      words: laneWords(channels),
      numbers: {
        batches,
        in_h: shape.inH,
        in_w: shape.inW,
        in_c: inC,
        in_first: group * filterC,
        in_zp: inputZeroPoint(view),
        kernel_h,
        kernel_w,
        filter_c: filterC,
        ...steps,
        out_c: outC,
        out_first: group * channels,
        channels,
        lanes: storedLanes(channels),
        ...stageNumbers(stage),
      },
      tables: {
        weights: laneWeights(group * channels, channels, weightsOf(view), filters),
        stage: stageTable(blocks, stage, biases, end),
      },
    };
  });
}
