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
import { planeOf, planeOverlap } from '../layout/plane.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { highStages, isLifted } from './stage.js';

/**
 * @param when whether each output channel reads one input channel
 * @param describe called for nodes for which `when` holds
 */
export function rv32Depthwise<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'rv32/depthwise_conv2d',
    needs: ['mul32', 'rv32'],
    match(view, { facts }) {
      if (!when(view)) return null;
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

/**
 * Whether a window has at most 3×3 neighbours, and windows are one or two rows apart: one that walks
 * down the plane loads a pixel once for all that share it, and its weights stay in registers.
 */
function isSliding({ kernelH, kernelW, strideH, dilationH, dilationW }: WindowShape): boolean {
  const isDilated = (kernelH > 1 && dilationH > 1) || (kernelW > 1 && dilationW > 1);
  return Math.max(kernelH, kernelW) <= 3 && strideH <= 2 && !isDilated;
}

function workOf(shape: WindowShape): Readonly<Record<string, WorkTerm>> {
  const { batches, inC, outC, outH, outW, kernelH, kernelW, strideH } = shape;
  const outputs = batches * outC * outH * outW;
  const plane = { plane: { count: batches * inC * planeOf(shape).bytes, cycles: 4 } };
  const channels = { channels: { count: batches * outC, cycles: 60 } };
  const columns = { columns: { count: batches * outC * outW, cycles: 20 } };
  // Rows of pixels that each output loads.
  const loaded = Math.min(strideH, kernelH) * kernelW;
  return isSliding(shape)
    ? {
        ...{ ...plane, ...channels, ...columns, outputs: { count: outputs, cycles: 12 } },
        pixels: { count: outputs * loaded, cycles: 1 },
        products: { count: outputs * kernelH * kernelW, cycles: 2 },
      }
    : {
        ...{ ...plane, ...channels, ...columns, walked: { count: outputs, cycles: 20 } },
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
      ...{ rows_1: sliding && shape.kernelH === 1, rows_2: sliding && shape.kernelH === 2 },
      ...{ columns_1: sliding && shape.kernelW === 1, columns_2: sliding && shape.kernelW === 2 },
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
      ...(sliding ? { window: shape.kernelH * shape.kernelW } : general),
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
