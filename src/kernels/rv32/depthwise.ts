/**
 * Depthwise convolution channel by channel: the channel's plane is copied with its padding, so that
 * rows lie close and the output may lie on the input; weights stay in registers. The window walks
 * down the plane, so that a pixel of 3×3 windows is loaded once for three outputs.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  inputZeroPoint,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import type { Convolution } from '../layout/convolution.js';
import { type HighMultiply, highMultiplies } from '../layout/high-multiply.js';
import type { WindowShape } from '../layout/overlap.js';
import { isSliding, planeOf, planeOverlap } from '../layout/plane.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { highStages, isLifted } from './stage.js';

/** @param describe its filters have one input channel */
export function rv32Depthwise<A extends AccumulationAttrs>(
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'rv32/depthwise_conv2d',
    needs: ['mul32', 'rv32'],
    match(view, { facts }) {
      const convolution = describe(view);
      const { shape, stage } = convolution;
      const multiplies = highMultiplies(stage, facts.accumulator(view));
      if (multiplies === null) return null;
      return {
        scratchBytes: planeOf(shape).bytes,
        overlaps: planeOverlap(shape),
        work: () => workOf(shape),
        calls: () => [callOf(view, convolution, multiplies)],
      };
    },
  };
}

function workOf(shape: WindowShape): Readonly<Record<string, WorkTerm>> {
  const { batches, inC, outC, outH, outW, kernelH, kernelW, strideH } = shape;
  const outputs = batches * outC * outH * outW;
  const plane = { plane: { count: batches * inC * planeOf(shape).bytes, cycles: 4 } };
  const channels = { channels: { count: batches * outC, cycles: 60 } };
  return isSliding(shape)
    ? {
        ...plane,
        ...channels,
        [`outputsBy${strideH}`]: { count: outputs, cycles: 26 + 3 * strideH },
      }
    : {
        ...{ ...plane, ...channels, outputs: { count: outputs, cycles: 20 } },
        taps: { count: outputs * kernelH * kernelW, cycles: 4.5 },
      };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  { shape, filters }: Convolution,
  multiplies: readonly HighMultiply[],
): KernelCall {
  const { batches, inH, inW, inC, outH, outW, outC, strideH, strideW } = shape;
  const { rows, pitch } = planeOf(shape);
  const sliding = isSliding(shape);
  const general = {
    kernel_h: shape.kernelH,
    kernel_w: shape.kernelW,
    dilation_h: shape.dilationH,
    dilation_w: shape.dilationW,
    stride_h: strideH,
  };
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...{ sliding, by_2: sliding && strideH === 2, siblings: outC > inC },
      dilated: !sliding && shape.dilationW > 1,
      lifted: multiplies.some(isLifted),
    },
    numbers: {
      batches,
      in_h: inH,
      in_w: inW,
      in_c: inC,
      in_zp: inputZeroPoint(view),
      out_h: outH,
      out_w: outW,
      out_c: outC,
      stride_w: strideW,
      pad_top: shape.padTop,
      pad_left: shape.padLeft,
      rows,
      pitch,
      ...(sliding ? {} : general),
      ...(outC > inC ? { multiplier: outC / inC } : {}),
    },
    tables: {
      weights: {
        data: weightRows(view, filters),
        role: 'weights',
      },
      stage: highStages(multiplies, biasesFor(view, filters, true)),
    },
  };
}
