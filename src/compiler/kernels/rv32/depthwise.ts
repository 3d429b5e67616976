/**
 * Depthwise convolution channel by channel: the channel's plane is copied with its padding, so that
 * rows lie close and the output may lie on the input; weights stay in registers. The window walks
 * down the plane, so that a pixel of 3×3 windows is loaded once for three outputs.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  inputZeroPoint,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import { type Convolution, columnByColumn, turned } from '../layout/convolution.js';
import type { WindowShape } from '../layout/overlap.js';
import { planeOf, planeOverlap } from '../layout/plane.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import {
  type ChannelMultiply,
  channelMultiplies,
  floatWork,
  highStages,
  scalingWords,
  stageFlags,
} from './stage.js';

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
    match(view, context) {
      if (!when(view)) return null;
      const { shape, filters, stage } = describe(view);
      const multiplies = channelMultiplies(view, stage, context);
      if (multiplies === null) return null;
      return {
        scratchBytes: planeOf(shape).bytes,
        overlaps: planeOverlap(shape),
        work: () => ({
          ...workOf(shape),
          ...floatWork(multiplies, shape.batches * shape.outH * shape.outW * shape.outC),
        }),
        calls: () => [
          isSliding(shape)
            ? slidingCall(view, shape, filters, multiplies)
            : walkingCall(view, shape, filters, multiplies),
        ],
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

function slidingCall(
  view: NodeView<AccumulationAttrs>,
  shape: WindowShape,
  filters: Filters,
  multiplies: readonly ChannelMultiply[],
): KernelCall {
  const { kernelH, kernelW } = shape;
  const call = callOf(view, shape, filters, multiplies);
  return {
    ...call,
    flags: {
      ...{ ...call.flags, sliding: true, by_2: shape.strideH === 2 },
      ...{ rows_1: kernelH === 1, rows_2: kernelH === 2 },
      ...{ columns_1: kernelW === 1, columns_2: kernelW === 2 },
    },
    words: { ...call.words, slide: windowWords(shape) },
    numbers: { ...call.numbers, stride_w: shape.strideW, window: kernelH * kernelW },
  };
}

/** A window of up to 3x3 that slides down, and its rows, by the names that helpers have for them. */
function windowWords({ kernelH, kernelW, strideH }: WindowShape) {
  const [rows, columns] = [Math.min(kernelH, 3), Math.min(kernelW, 3)];
  const row = columns < 3 ? `columns_${columns}` : '';
  const words = [strideH === 2 ? 'by_2' : '', rows < 3 ? `rows_${rows}` : '', row];
  return {
    word: words.filter((word) => word !== '').join('_'),
    ...{ rows: `${rows}`, columns: `${columns}` },
    ...{
      apart: strideH === 2 ? 'two rows' : 'a row',
      pitch: strideH === 2 ? '2 * pitch' : 'pitch',
    },
    loop: `rv32/slide_${rows}${rows > 1 && strideH === 2 ? '_by_2' : ''}`,
    weights: `rv32/scaled_rows_${rows}`,
    row: { word: row, text: `rv32/row_of_${columns}`, weights: `rv32/scaled_row_${columns}` },
  };
}

/**
 * The inner loop is over the taps of a row, so rows and columns are exchanged where a window is
 * higher than wide: in the copied plane, the weights, and the steps of input and output.
 */
function walkingCall(
  view: NodeView<AccumulationAttrs>,
  image: WindowShape,
  filters: Filters,
  multiplies: readonly ChannelMultiply[],
): KernelCall {
  const isHigh = image.kernelH > image.kernelW;
  const steps = (width: number, channels: number) =>
    isHigh ? [channels, width * channels] : [width * channels, channels];
  const [inRow = 0, inColumn = 0] = steps(image.inW, image.inC);
  const [outRow = 0, outColumn = 0] = steps(image.outW, image.outC);
  const shape = isHigh ? turned(image) : image;
  const { outH, outW, strideH, strideW } = shape;
  const { pitch } = planeOf(shape);
  const down = { count: outH, step: strideH * pitch, out: outRow };
  const across = { count: outW, step: strideW, out: outColumn };
  const isAcross = lineCycles(outW) * outH < lineCycles(outH) * outW;
  const [line, next] = isAcross ? [across, down] : [down, across];
  const call = callOf(view, shape, isHigh ? columnByColumn(filters, image) : filters, multiplies);
  return {
    ...call,
    flags: { ...call.flags, sliding: false, dilated: shape.dilationW > 1 },
    numbers: {
      ...call.numbers,
      ...{ kernel_h: shape.kernelH, kernel_w: shape.kernelW },
      ...{ dilation_h: shape.dilationH, dilation_w: shape.dilationW },
      ...{ in_row: inRow, in_column: inColumn },
      ...{ lines: next.count, line_step: next.step, line_out: next.out },
      ...{ outputs: line.count, step: line.step, out_step: line.out },
    },
  };
}

/** In units of an output of four: one that is computed alone takes about twice as long. */
function lineCycles(outputs: number): number {
  return outputs + (outputs % 4);
}

/** What both kinds of windows need. */
function callOf(
  view: NodeView<AccumulationAttrs>,
  shape: WindowShape,
  filters: Filters,
  multiplies: readonly ChannelMultiply[],
): KernelCall {
  const { inC, outC } = shape;
  const { rows, pitch } = planeOf(shape);
  return {
    inputs: [0],
    outputs: [0],
    flags: { siblings: outC > inC, ...stageFlags(multiplies) },
    words: { scaling: scalingWords(multiplies) },
    numbers: {
      batches: shape.batches,
      in_h: shape.inH,
      in_w: shape.inW,
      in_c: inC,
      in_zp: inputZeroPoint(view),
      out_h: shape.outH,
      out_w: shape.outW,
      out_c: outC,
      pad_top: shape.padTop,
      pad_left: shape.padLeft,
      rows,
      pitch,
      ...(outC > inC ? { multiplier: outC / inC } : {}),
    },
    tables: {
      weights: { data: weightRows(view, filters), role: 'weights' },
      stage: highStages(multiplies, biasesFor(view, filters, true)),
    },
  };
}
