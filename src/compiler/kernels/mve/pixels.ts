/**
 * Convolutions to few channels, and depthwise ones: one filter by the windows of four pixels at a
 * time, where four filters or eight channels would not fill a vector.
 */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  inputZeroPoint,
  weightsOf,
} from '../../ops/arithmetic/accumulation.js';
import { type Convolution, isPixelRow } from '../layout/convolution.js';
import { lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { stageNumbers } from '../portable/dense.js';
import type { KernelCall, KernelVariant, Table, WorkTerm } from '../variant.js';
import { consecutive, stageFlags, vectorForm, vectorStage } from './vectors.js';

/** Bytes of a vector register. */
const vectorBytes = 16;
/** Channels of a plane widened at once. */
const planeLanes = 8;

/** The lines under the windows of a row of outputs, in bytes of one plane. */
interface Lines {
  /** One plane for all channels, or one per channel; the image interleaves them. */
  readonly planes: number;
  /** Bytes from one pixel's window to the next. */
  readonly step: number;
  /** Bytes of a row of a window. */
  readonly bytes: number;
  /** Vectors of a row of a window. */
  readonly vectors: number;
  readonly left: number;
  readonly inside: number;
  readonly right: number;
  /**
   * Pixels are computed four at a time. What lies under windows after the last pixel has no effect.
   */
  readonly pitch: number;
}

function linesOf(shape: WindowShape, isDepthwise: boolean): Lines {
  const { inC, inW, outW, kernelW, strideW, padLeft } = shape;
  const [planes, pixelBytes] = isDepthwise ? [inC, 1] : [1, inC];
  const columns = (outW - 1) * strideW + kernelW;
  const left = Math.min(padLeft, columns);
  const inside = Math.min(inW, columns - left);
  const step = strideW * pixelBytes;
  const bytes = kernelW * pixelBytes;
  return {
    planes,
    step,
    bytes,
    vectors: Math.ceil(bytes / vectorBytes),
    left: left * pixelBytes,
    inside: inside * pixelBytes,
    right: (columns - left - inside) * pixelBytes,
    pitch: (Math.ceil(outW / lanes) * lanes - 1) * step + bytes,
  };
}

/** Whether windows are pixels, which need no copy. */
function isInPlace(shape: WindowShape, { planes }: Lines): boolean {
  return isPixelRow(shape) && planes === 1;
}

/**
 * A convolution to fewer channels than a vector has lanes, or a depthwise one.
 *
 * @param describe called for nodes for which `when` holds
 */
export function vectorPixels<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
  { isDepthwise }: { readonly isDepthwise: boolean },
): KernelVariant<A> {
  return {
    template: 'mve/conv2d_pixels',
    needs: ['mve'],
    match(view) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const { shape } = convolution;
      const isFew = isDepthwise || shape.outC < lanes;
      if (!isFew || shape.dilationH * shape.dilationW > 1 || shape.inC >= 2 ** 13) return null;
      const lines = linesOf(shape, isDepthwise);
      const inPlace = isInPlace(shape, lines);
      const walk = inPlace
        ? { channelBlock: 1, tilePixels: Infinity }
        : { lineBuffer: { rows: shape.kernelH, newest: true } };
      return {
        scratchBytes: inPlace ? 0 : shape.kernelH * lines.planes * lines.pitch,
        overlaps: [{ input: 0, lead: windowLead(shape, walk), exact: false }],
        work: () => pixelsWork(shape, lines),
        calls: () => [pixelsCall(view, convolution, lines)],
      };
    },
  };
}

function pixelsWork(shape: WindowShape, lines: Lines): Readonly<Record<string, WorkTerm>> {
  const { batches, outH, outW, outC, kernelH, strideH } = shape;
  const { planes, vectors, inside, pitch } = lines;
  const filters = batches * outH * outC;
  const blocks = filters * Math.ceil(outW / lanes);
  const kept = Math.max(0, kernelH - strideH);
  const copied = batches * (kernelH + (outH - 1) * (kernelH - kept)) * planes;
  const moved = batches * (outH - 1) * Math.ceil((kept * planes * pitch) / vectorBytes);
  const perVector = planes > 1 ? planeLanes : vectorBytes;
  const placed = isInPlace(shape, lines)
    ? {}
    : {
        lines: { count: copied, cycles: 45 },
        copied: { count: copied * Math.ceil(inside / perVector) + moved, cycles: 4 },
        outputRows: { count: batches * outH, cycles: 60 },
      };
  return {
    vectors: { count: blocks * kernelH * vectors, cycles: 10 },
    windowRows: { count: blocks * kernelH, cycles: 7 },
    blocks: { count: blocks, cycles: 36 },
    filters: { count: filters, cycles: 14 },
    ...placed,
  };
}

function pixelsCall(
  view: NodeView<AccumulationAttrs>,
  { shape, filters, stage: given }: Convolution,
  lines: Lines,
): KernelCall {
  const stage = vectorForm(given);
  const { planes, step, bytes, vectors, left, inside, right, pitch } = lines;
  const inPlace = isInPlace(shape, lines);
  const image = {
    batches: shape.batches,
    in_h: shape.inH,
    in_zp: inputZeroPoint(view),
    row_bytes: shape.inW * shape.inC,
    stride_h: shape.strideH,
    pad_top: shape.padTop,
    out_h: shape.outH,
    per_plane: shape.outC / planes,
    ...{ planes, pitch, left, inside, right },
  };
  return {
    inputs: [0],
    outputs: [0],
    flags: { ...stageFlags(stage), in_place: inPlace },
    numbers: {
      ...(inPlace ? {} : image),
      out_w: shape.outW,
      out_c: shape.outC,
      ...{ step, bytes },
      rows: shape.kernelH,
      skip: planes * pitch - vectorBytes * vectors,
      filter_bytes: shape.kernelH * vectors * vectorBytes,
      ...stageNumbers(stage),
    },
    tables: {
      weights: filterRows(weightsOf(view), filters, shape, lines),
      stage: vectorStage(
        consecutive(0, shape.outC).map((channel) => [consecutive(0, lanes).map(() => channel)]),
        stage,
        biasesFor(view, filters, true),
      ),
    },
  };
}

/** int8[channels][rows][vectors][16]: rows of a filter, each padded with 0. */
function filterRows(
  weights: Int8Array,
  { channels, position }: Filters,
  { kernelH }: WindowShape,
  { bytes, vectors }: Lines,
): Table {
  const rowBytes = vectors * vectorBytes;
  const data = new Int8Array(channels * kernelH * rowBytes);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let i = 0; i < kernelH * bytes; i += 1) {
      const row = channel * kernelH + Math.floor(i / bytes);
      data[row * rowBytes + (i % bytes)] = weights[position(channel, i)] as number;
    }
  }
  return { data, role: 'weights' };
}
