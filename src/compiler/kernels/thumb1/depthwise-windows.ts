/**
 * Depthwise convolution window by window, for large strides and for layers with too few outputs for
 * lines (lines.ts), as in streaming networks. The weights are not packed: the offset of a channel's
 * pixel is also the offset of its weight.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, weightsOf } from '../../ops/arithmetic/accumulation.js';
import { asRow, type Convolution, pixelsOf } from '../layout/convolution.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import {
  gatherNumbers,
  type RescaleStage,
  rescaleOperands,
  rescaleStage,
  rescaleWork,
  stageRole,
} from '../swar/layer.js';
import { type KernelCall, type KernelVariant, once, type WorkTerm } from '../variant.js';

const cyclesPerOutput = { rescaled: 32, lifted: 85, requantized: 125 } as const;

/**
 * @param when whether every output channel has an input channel of its own
 * @param describe called for nodes for which `when` holds
 */
export function windowedDepthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'thumb1/depthwise_conv2d_windows',
    needs: ['mul32', 'thumb1'],
    match(view, context) {
      if (!when(view)) return null;
      const described = describe(view);
      const layer = { ...described, shape: asRow(described.shape) };
      const { shape, filters } = layer;
      // Channels are computed in pairs.
      if (shape.inC <= 1) return null;
      const outputs = once(() => rescaleStage(view, context, layer));
      const isGathered = windowStep(shape) === null;
      // Input that is not gathered is read pair by pair.
      const lead = windowLead(shape, isGathered ? {} : { channelBlock: 2, depthwise: true });
      return {
        scratchBytes: isGathered ? filters.depth * shape.inC : 0,
        weightPasses: pixelsOf(shape),
        overlaps: [{ input: 0, lead, exact: false }],
        work: () => termsOf(layer, outputs()),
        calls: () => [callOf(view, layer, outputs())],
      };
    },
  };
}

/**
 * Bytes from window to window if the pixels of each are contiguous and there is no padding;
 * otherwise null.
 */
function windowStep(shape: WindowShape): number | null {
  const { inH, inW, inC, outH, outW, kernelH, kernelW } = shape;
  const isDense = shape.dilationH * shape.dilationW === 1 && shape.padTop + shape.padLeft === 0;
  const isInside =
    (outH - 1) * shape.strideH + kernelH <= inH && (outW - 1) * shape.strideW + kernelW <= inW;
  if (!isDense || !isInside) return null;
  if (kernelW === inW) return shape.strideH * inW * inC;
  return inH === 1 ? shape.strideW * inC : null;
}

function termsOf(
  { shape, filters }: Convolution,
  outputs: RescaleStage,
): Readonly<Record<string, WorkTerm>> {
  const pixels = pixelsOf(shape);
  const gathered = pixels * filters.depth * shape.inC;
  return {
    // A tap of two channels.
    products: { count: pixels * Math.ceil(shape.inC / 2) * filters.depth, cycles: 14 },
    ...rescaleWork(outputs, pixels * shape.inC, cyclesPerOutput),
    pixels: { count: pixels, cycles: 150 },
    ...(windowStep(shape) === null
      ? {
          windowRows: { count: pixels * shape.kernelH, cycles: 120 },
          // By words if pixels begin at words.
          ...(shape.inC % 4 === 0
            ? { copied: { count: gathered, cycles: 1 } }
            : { gathered: { count: gathered, cycles: 8 } }),
        }
      : {}),
  };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  layer: Convolution,
  { rescale, starts, words }: Pick<RescaleStage, 'rescale' | 'starts' | 'words'>,
): KernelCall {
  const { shape, filters } = layer;
  const rescaled = rescale === 'rescaled';
  // An odd last channel is computed as a pair: the assembly reads constants behind its own.
  const isPadded = rescaled && shape.inC % 2 === 1;
  const padding = isPadded ? [(words[0] ?? []).map(() => 0)] : [];
  const operands = rescaleOperands(layer, rescale, [...words, ...padding]);
  const step = windowStep(shape);
  const { in_c: channels, ...window } = gatherNumbers(view, shape);
  const place =
    step === null
      ? window
      : { step, out_h: shape.outH * shape.outW, in_image: shape.inH * shape.inW * channels };
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...operands.flags, rescaled, gathered: step === null },
    numbers: {
      ...operands.numbers,
      ...place,
      channels,
      taps: filters.depth,
      pixels: pixelsOf(shape),
    },
    tables: {
      ...operands.tables,
      weights: { data: weightsOf(view), role: 'weights' },
      starts: { data: isPadded ? Int32Array.of(...starts, 0) : starts, role: stageRole(layer) },
    },
  };
}
