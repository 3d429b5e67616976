/**
 * Depthwise convolution with 3×3 windows, channel by channel: the channel's plane is copied with its
 * padding, as unsigned values, which the core loads by one instruction (signed ones by three). The
 * window walks down the plane, so that a pixel is loaded once for three outputs.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  inputZeroPoint,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import type { Convolution } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import { isSliding, planeOf, planeOverlap } from '../layout/plane.js';
import { type RescaleStage, rescaleOperands, rescaleStage, rescaleWork } from '../swar/layer.js';
import { type KernelCall, type KernelVariant, once, type WorkTerm } from '../variant.js';

/** The plane has values plus this: 0 to 255. */
const unsignedOffset = 128;
const tapsPerWindow = 9;
const instructionsPerOutput = { rescaled: 16, lifted: 26, requantized: 75 } as const;

/**
 * @param when whether every output channel has an input channel of its own
 * @param describe called for nodes for which `when` holds
 */
export function slidingDepthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'xtensa/depthwise_conv2d_3x3',
    needs: ['mul32', 'xtensa'],
    match(view, context) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { shape } = layer;
      if (!isSliding(shape)) return null;
      const outputs = once(() => rescaleStage(view, context, layer));
      return {
        scratchBytes: planeOf(shape).bytes,
        overlaps: planeOverlap(shape),
        work: () => workOf(shape, outputs()),
        calls: () => [callOf(view, layer, outputs())],
      };
    },
  };
}

function workOf(shape: WindowShape, outputs: RescaleStage): Readonly<Record<string, WorkTerm>> {
  const { batches, outC, outH, outW, strideH } = shape;
  const lines = batches * outC * outW;
  return {
    plane: { count: batches * outC * planeOf(shape).bytes, cycles: 7 },
    lines: { count: lines, cycles: 80 },
    [`outputsBy${strideH}`]: { count: lines * outH, cycles: 30 + 4 * strideH },
    ...rescaleWork(outputs, lines * outH, instructionsPerOutput),
  };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  layer: Convolution,
  { rescale, starts, words }: RescaleStage,
): KernelCall {
  const { shape, filters } = layer;
  const { rows, pitch } = planeOf(shape);
  const operands = rescaleOperands(layer, rescale, words);
  const weights = weightRows(view, filters);
  const sumOf = (channel: number) =>
    weights
      .subarray(channel * tapsPerWindow, (channel + 1) * tapsPerWindow)
      .reduce((sum, weight) => sum + weight, 0);
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...operands.flags, by_2: shape.strideH === 2 },
    numbers: {
      ...operands.numbers,
      batches: shape.batches,
      in_h: shape.inH,
      in_w: shape.inW,
      channels: shape.inC,
      padding: inputZeroPoint(view) + unsignedOffset,
      out_h: shape.outH,
      out_w: shape.outW,
      stride_w: shape.strideW,
      pad_top: shape.padTop,
      pad_left: shape.padLeft,
      rows,
      pitch,
    },
    tables: {
      ...operands.tables,
      weights: { data: weights, role: 'weights' },
      starts: {
        data: starts.map((start, channel) => start - unsignedOffset * sumOf(channel)),
        role: 'table',
      },
    },
  };
}
