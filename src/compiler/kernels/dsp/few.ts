/**
 * Convolutions with fewer channels than kernels for four at a time can fill: one output after the
 * other, from the input in place or from padded copies of its lines.
 */
import type { NodeView } from '../../ir/graph.js';
import { type AccumulationAttrs, inputZeroPoint } from '../../ops/arithmetic/accumulation.js';
import { type Convolution, isPixelRow } from '../layout/convolution.js';
import { lanes } from '../layout/interleave.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import type { KernelCall, KernelVariant, WorkTerm } from '../variant.js';
import { type Finish, finishFor, scale } from './finish.js';
import { clampWork, exceptionWork, finishFlags, finishWords } from './finish-words.js';
import { clampNumbers } from './multiply.js';
import { liveWeights, word } from './words.js';

/** Products per word of the input. */
const wordBytes = 4;

/** Whether windows are pixels of whole words, which need no copy. */
function isInPlace(shape: WindowShape): boolean {
  return isPixelRow(shape) && shape.inC % wordBytes === 0;
}

/** Whether two pixels share the words of weights. */
const isPaired = (shape: WindowShape) => isInPlace(shape) && shape.outW > 1;

/** The lines under the windows of a row of outputs. */
function linesOf(shape: WindowShape) {
  const { inC, inW, outW, kernelH, kernelW, strideW, padLeft } = shape;
  const words = Math.ceil((kernelW * inC) / wordBytes);
  const columns = (outW - 1) * strideW + kernelW;
  const left = Math.min(padLeft, columns);
  const inside = Math.min(inW, columns - left);
  const reach = (outW - 1) * strideW * inC + wordBytes * words;
  const pitch = Math.ceil(reach / wordBytes) * wordBytes;
  return { words, columns, left, inside, right: columns - left - inside, pitch, lines: kernelH };
}

/** Consecutive words of a window in its longer direction form a run. */
const isByColumn = (shape: WindowShape) => shape.kernelH > linesOf(shape).words;

function runsOf(shape: WindowShape) {
  const { words, pitch } = linesOf(shape);
  const { kernelH } = shape;
  return isByColumn(shape)
    ? {
        words: kernelH,
        word_step: pitch,
        runs: words,
        x_skip: wordBytes - kernelH * pitch,
        w_skip: 8 * (kernelH - 1),
      }
    : {
        words,
        word_step: wordBytes,
        runs: kernelH,
        x_skip: pitch - wordBytes * words,
        w_skip: 0,
      };
}

/**
 * @param when whether the node has one group
 * @param describe called for nodes for which `when` holds
 */
export function smladFewChannels<A extends AccumulationAttrs>(
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: 'dsp/conv2d_few',
    needs: ['dsp'],
    match(view, context) {
      if (!when(view)) return null;
      const convolution = describe(view);
      const { shape } = convolution;
      const fits = shape.outC < lanes && shape.dilationH * shape.dilationW === 1;
      const finish = fits ? finishFor(view, convolution, context) : null;
      if (finish === null) return null;
      const { pitch, lines } = linesOf(shape);
      const walk = isInPlace(shape)
        ? { channelBlock: 1, tilePixels: Infinity }
        : { lineBuffer: { rows: shape.kernelH, newest: true } };
      return {
        scratchBytes: isInPlace(shape) ? 0 : lines * pitch,
        overlaps: [{ input: 0, lead: windowLead(shape, walk), exact: false }],
        work: () => fewChannelsWork(convolution, finish),
        calls: () => [fewChannelsCall(view, convolution, finish)],
      };
    },
  };
}

function fewChannelsWork(
  convolution: Convolution,
  finish: Finish,
): Readonly<Record<string, WorkTerm>> {
  const { shape } = convolution;
  const { batches, inH, inC, outH, outW, outC, kernelH } = shape;
  const { words, inside } = linesOf(shape);
  const outputs = batches * outH * outW * outC;
  const copied = isInPlace(shape)
    ? {}
    : {
        rows: { count: batches * outH, cycles: 60 },
        lines: { count: batches * Math.min(inH, outH * shape.strideH), cycles: 40 },
        copied: { count: batches * inH * inside * inC, cycles: 1.3 },
      };
  const perPixel = shape.outC * words;
  const pairs = Math.floor(shape.outW / 2);
  return {
    ...(isPaired(shape)
      ? {
          paired_words: { count: perPixel * pairs, cycles: 13 },
          words: { count: perPixel * (shape.outW % 2), cycles: 8 },
        }
      : { words: { count: outputs * kernelH * words, cycles: 8 } }),
    runs: { count: outputs * runsOf(shape).runs, cycles: 10 },
    [finish.method]: { count: outputs, cycles: { linear: 16, twice: 22, once: 20 }[finish.method] },
    ...copied,
    ...exceptionWork(finish, outputs, 30),
    ...clampWork(finish, outputs),
  };
}

function fewChannelsCall(
  view: NodeView<AccumulationAttrs>,
  convolution: Convolution,
  finish: Finish,
): KernelCall {
  const { shape, stage } = convolution;
  const { words, columns, left, inside, right, pitch } = linesOf(shape);
  const { inC, inW, kernelH } = shape;
  const inPlace = isInPlace(shape);
  const byColumn = isByColumn(shape);
  const image = {
    batches: shape.batches,
    in_h: shape.inH,
    in_zp: inputZeroPoint(view),
    row_bytes: inW * inC,
    kernel_h: kernelH,
    stride_h: shape.strideH,
    pad_top: shape.padTop,
    out_h: shape.outH,
    pitch,
    row_words: byColumn ? 2 : 2 * words,
    ...{ left: left * inC, inside: inside * inC, right: right * inC, line_bytes: columns * inC },
  };
  const stages = finish.channels.flatMap(({ start, constants }) => [start | 0, ...constants]);
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      in_place: inPlace,
      paired: isPaired(shape),
      ...finishFlags(finish),
      clamped: finish.isClamped,
    },
    words: { finish: finishWords(finish) },
    numbers: {
      ...(inPlace ? {} : image),
      out_w: shape.outW,
      out_c: shape.outC,
      step: inPlace ? inC : shape.strideW * inC,
      ...runsOf(shape),
      filter_words: 2 * words * (2 * kernelH - 1),
      ...(finish.method === 'linear' ? { finish_offset: finish.offset } : {}),
      ...(finish.isClamped ? clampNumbers(stage) : {}),
    },
    tables: {
      weights: { data: rowWords(view, convolution, finish), role: 'weights' },
      stage: { data: Int32Array.from(stages), role: 'table' },
    },
  };
}

/**
 * uint32[channels][2 · rows − 1][words][2], or [channels][words][2 · rows − 1][2]: 256 times the
 * weights of bytes 0 and 2, then 1 and 3 of a word of a row. After a filter's last row its rows
 * repeat, except the last.
 */
function rowWords(
  view: NodeView<AccumulationAttrs>,
  { shape, filters }: Convolution,
  finish: Finish,
): Uint32Array {
  const { kernelH, kernelW, inC, outC } = shape;
  const length = kernelW * inC;
  const live = liveWeights(view, filters, finish);
  const { words } = linesOf(shape);
  const rows = 2 * kernelH - 1;
  const data: number[] = [];
  for (let i = 0; i < outC * rows * words; i += 1) {
    const channel = Math.floor(i / (rows * words));
    const at = i % (rows * words);
    const [row, first] = isByColumn(shape)
      ? [at % rows, wordBytes * Math.floor(at / rows)]
      : [Math.floor(at / words), wordBytes * (at % words)];
    const tap = (byte: number) => {
      const isInside = first + byte < length;
      return scale * live(channel, isInside ? (row % kernelH) * length + first + byte : -1);
    };
    data.push(word(tap(0), tap(2)), word(tap(1), tap(3)));
  }
  return Uint32Array.from(data);
}
