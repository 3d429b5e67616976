/**
 * How a depthwise convolution is cut into lines of packed pixels.
 *
 * A line runs along one axis of the image, the inner one. Its outputs are halved: word i of a line
 * stands for output i and, in the upper lane, for output i + lane, so that one 32-bit product does
 * both. Windows are cut into segments of three taps along the line.
 */
import type { Overlap } from '../../ir/op.js';
import type { WindowShape } from '../overlap.js';
import { dilated } from '../window.js';

/** One of the image's two axes. */
export interface Axis {
  /** Pixels in and out. */
  readonly extent: number;
  readonly outputs: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  /** Bytes from one pixel to the next, in and out. */
  readonly inStep: number;
  readonly outStep: number;
}

/** Three neighbouring taps along a line. */
export interface Segment {
  /** Of the first one's word from the window's first. */
  readonly offset: number;
  /** Positions of their weights in the filter; null: none. */
  readonly taps: readonly (number | null)[];
}

export interface Inside {
  /** None, only the upper one, both, only the lower one, none. */
  readonly before: number;
  readonly upper: number;
  readonly both: number;
  readonly lower: number;
  readonly after: number;
}

/** How an image is worked on. */
export interface Lines {
  readonly inner: Axis;
  readonly outer: Axis;
  /** Outputs from one lane to the other, and words of a line that are stored. */
  readonly lane: number;
  readonly words: number;
  /** How many words of x in a line have which of their two pixels inside the image, in order. */
  readonly inside: Inside;
  /** Words of x in a line, and in all lines of a band. */
  readonly pitch: number;
  readonly planeWords: number;
  /** Lines of output at once. */
  readonly band: number;
  readonly segments: readonly Segment[];
}

/** Words of x that a pair of outputs reads under a segment. */
const reachOf = ({ stride }: Axis) => 3 + stride;

/** A line's results wait on the stack, eight bytes a word. */
const maxWords = 96;
/** A plane of this many bytes is never cut into bands; a band of one line may need more. */
const planeBytes = 960;
function axesOf(shape: WindowShape): readonly [vertical: Axis, horizontal: Axis] {
  const { inH, inW, inC, outH, outW, outC, kernelH, kernelW } = shape;
  return [
    {
      extent: inH,
      outputs: outH,
      taps: kernelH,
      stride: shape.strideH,
      dilation: shape.dilationH,
      pad: shape.padTop,
      inStep: inW * inC,
      outStep: outW * outC,
    },
    {
      extent: inW,
      outputs: outW,
      taps: kernelW,
      stride: shape.strideW,
      dilation: shape.dilationW,
      pad: shape.padLeft,
      inStep: inC,
      outStep: outC,
    },
  ];
}

/** The cheaper of rows and columns as lines; null where neither's length and stride will do. */
export function linesOf(shape: WindowShape): Lines | null {
  const [vertical, horizontal] = axesOf(shape);
  const ways = [cut(vertical, horizontal, true), cut(horizontal, vertical, false)]
    .filter((lines) => lines !== null)
    .sort((a, b) => cycles(a) - cycles(b));
  return ways[0] ?? null;
}

/** `isByRow`: the inner axis is the horizontal one, weights lie row after row. */
function cut(outer: Axis, inner: Axis, isByRow: boolean): Lines | null {
  const words = Math.ceil(inner.outputs / 2);
  if (inner.stride > 2 || words > maxWords) return null;
  const span = dilated(inner.taps, inner.dilation);
  const pitch = (words - 1) * inner.stride + span;
  const inside = insideOf(inner, pitch, inner.outputs - words);
  if (inside === null) return null;
  const segments: Segment[] = [];
  for (let line = 0; line < outer.taps; line += 1) {
    const position = (tap: number) => (isByRow ? line * inner.taps + tap : tap * outer.taps + line);
    for (let tap = 0; tap < inner.taps; ) {
      const at = tap * inner.dilation;
      const taps = [0, 1, 2].map((k) => {
        const under = (at + k) / inner.dilation;
        return Number.isInteger(under) && under < inner.taps ? position(under) : null;
      });
      segments.push({ offset: line * outer.dilation * pitch + at, taps });
      tap += taps.filter((under) => under !== null).length;
    }
  }
  const linesOf = (band: number) => (band - 1) * outer.stride + dilated(outer.taps, outer.dilation);
  // What the last pair of the last line reads, used or not.
  const last = segments.at(-1)?.offset ?? 0;
  const wordsOf = (band: number) =>
    Math.max(
      linesOf(band) * pitch,
      (band - 1) * outer.stride * pitch +
        (Math.ceil(words / 2) - 1) * 2 * inner.stride +
        last +
        reachOf(inner),
    );
  let band = outer.outputs;
  while (band > 1 && wordsOf(band) * 4 > planeBytes) band -= 1;
  return {
    inner,
    outer,
    lane: inner.outputs - words,
    words,
    inside,
    pitch,
    planeWords: wordsOf(band),
    band,
    segments,
  };
}

/** Null where words without any pixel lie between others: padding larger than the image. */
function insideOf({ pad, extent, stride }: Axis, words: number, lane: number): Inside | null {
  const isInside = (pixel: number) => pixel >= 0 && pixel < extent;
  const kinds = Array.from({ length: words }, (_, i) => {
    const pixel = i - pad;
    return (isInside(pixel) ? 1 : 0) + (isInside(pixel + lane * stride) ? 2 : 0);
  });
  const count = (kind: number) => kinds.filter((other) => other === kind).length;
  const [upper, both, lower] = [count(2), count(3), count(1)];
  const before = kinds.findIndex((kind) => kind !== 0);
  const after = words - before - upper - both - lower;
  const isSolid = before >= 0 && kinds.slice(before, words - after).every((kind) => kind !== 0);
  return isSolid ? { before, upper, both, lower, after } : null;
}

/** Estimate for one channel. */
function cycles(lines: Lines): number {
  const { outer, words, pitch, band, segments } = lines;
  const bands = Math.ceil(outer.outputs / band);
  const gathered = outer.extent * pitch * 9 + bands * 200;
  return gathered + outer.outputs * (60 + words * 29 + Math.ceil(words / 2) * segments.length * 34);
}

/**
 * Where a line's first pair begins, in words of x, and then the way to each segment in bytes: from
 * where the one before it stopped reading, which for the first is the last one of another pair.
 */
export function stepsOf(order: readonly Segment[], inner: Axis): readonly number[] {
  const ends = order.map(({ offset }) => offset + reachOf(inner));
  const start = (ends.at(-1) ?? 0) - 2 * inner.stride;
  const steps = order.map(({ offset }, i) => 4 * (offset - (i === 0 ? start : (ends[i - 1] ?? 0))));
  return [start, ...steps];
}

/**
 * The output may lie on the input, channel on channel, if no band overwrites a pixel that a later
 * one packs: each channel is read and written by itself.
 */
export function overlapOf(shape: WindowShape, lines: Lines): readonly Overlap[] {
  const { inner, outer, band } = lines;
  const [inImage, outImage] = [shape.inH * shape.inW, shape.outH * shape.outW];
  const written = new Uint8Array(Math.max(inImage, outImage) * shape.batches);
  for (let batch = 0; batch < shape.batches; batch += 1) {
    let next = 0;
    for (let first = 0; first < outer.outputs; first += band) {
      const last = Math.min(first + band, outer.outputs) - 1;
      const end = last * outer.stride - outer.pad + dilated(outer.taps, outer.dilation);
      for (; next < Math.min(end, outer.extent); next += 1) {
        for (let i = 0; i < inner.extent; i += 1) {
          const pixel = (next * outer.inStep + i * inner.inStep) / shape.inC;
          if (written[batch * inImage + pixel] === 1) return [];
        }
      }
      for (let line = first; line <= last; line += 1) {
        for (let i = 0; i < inner.outputs; i += 1) {
          const pixel = (line * outer.outStep + i * inner.outStep) / shape.outC;
          written[batch * outImage + pixel] = 1;
        }
      }
    }
  }
  return [{ input: 0, lead: 0, exact: true }];
}
