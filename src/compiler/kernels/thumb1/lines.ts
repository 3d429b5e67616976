/**
 * Cuts a depthwise convolution into lines of packed pixels.
 *
 * A line runs along one axis of the image, the inner one. Word i of a line's results holds output i
 * in its lower lane and output i + lane in its upper one, so one 32-bit product computes both. Each
 * window is cut into segments of three taps along the line.
 */
import { dilated } from '../../ops/shape/window.js';
import { type Access, leadOf, type WindowShape } from '../layout/overlap.js';
import type { Overlap } from '../variant.js';

/** One of the two axes of the image. */
export interface Axis {
  /** Pixels of the input and of the output. */
  readonly extent: number;
  readonly outputs: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  /** Bytes from one pixel to the next, in the input and in the output. */
  readonly inStep: number;
  readonly outStep: number;
  /** First byte of the first pixel, in the input and in the output. */
  readonly inFirst: number;
  readonly outFirst: number;
}

/** Three neighbouring taps along a line. */
export interface Segment {
  /** Offset of the first tap's word from the window's first word. */
  readonly offset: number;
  /** Positions of the weights in the filter; null for no tap. */
  readonly taps: readonly (number | null)[];
}

/** The words of a line, in order, counted by which of their two pixels lie inside the image. */
export interface Inside {
  /** None, only the upper one, both, only the lower one, none. */
  readonly before: number;
  readonly upper: number;
  readonly both: number;
  readonly lower: number;
  readonly after: number;
}

/** The lines of an image, or of one phase of it. x is the packed input. */
export interface Lines {
  readonly inner: Axis;
  readonly outer: Axis;
  /** Outputs from the lower lane to the upper one. */
  readonly lane: number;
  /** Words of results of a line. */
  readonly words: number;
  /** Words computed at once. */
  readonly chunk: number;
  readonly inside: Inside;
  /** Words of x in a line. */
  readonly pitch: number;
  /** Words of x in all lines under a band. */
  readonly planeWords: number;
  /** Output lines computed at once. */
  readonly band: number;
  readonly segments: readonly Segment[];
}

/** Words of x that a segment reads for two neighbouring words of results. */
const reachOf = ({ stride }: Axis) => 3 + stride;

/** The largest step between outputs that the assembly supports. */
const maxStride = 3;
/** A line's results wait on the stack, eight bytes per word. */
const maxWords = 96;
/** A larger plane is cut into bands; a band of one line may still be larger. */
const planeBytes = 960;

/** Rows and columns of the image. */
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
      inFirst: 0,
      outFirst: 0,
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
      inFirst: 0,
      outFirst: 0,
    },
  ];
}

/**
 * The way with the fewest estimated cycles: lines are rows or columns, and the image is whole or,
 * if taps are dilated, cut into phases that are computed one after the other. null if no way
 * supports the stride and the padding.
 */
export function linesOf(shape: WindowShape): readonly Lines[] | null {
  const [vertical, horizontal] = axesOf(shape);
  const ways = [
    ...[[horizontal], phasesOf(horizontal)].map((axes) => cutAll(vertical, axes, true)),
    ...[[vertical], phasesOf(vertical)].map((axes) => cutAll(horizontal, axes, false)),
  ]
    .filter((lines) => lines !== null)
    .sort((a, b) => cyclesOf(a) - cyclesOf(b));
  return ways[0] ?? null;
}

/**
 * With stride 1, outputs `dilation` apart read pixels `dilation` apart. Such outputs are a phase: an
 * axis on which taps are neighbours. Empty for other strides, or without dilation.
 */
function phasesOf(axis: Axis): readonly Axis[] {
  const { extent, outputs, stride, dilation, pad, inStep, outStep } = axis;
  if (dilation === 1 || stride !== 1) return [];
  return Array.from({ length: Math.min(dilation, outputs) }, (_, first) => {
    const pixel = (((first - pad) % dilation) + dilation) % dilation;
    return {
      ...axis,
      extent: Math.ceil((extent - pixel) / dilation),
      outputs: Math.ceil((outputs - first) / dilation),
      dilation: 1,
      pad: (pixel - (first - pad)) / dilation,
      inStep: inStep * dilation,
      outStep: outStep * dilation,
      inFirst: pixel * inStep,
      outFirst: first * outStep,
    };
  });
}

/** Cuts every phase; null if one cannot be cut, or there is none. */
function cutAll(outer: Axis, inner: readonly Axis[], isByRow: boolean): readonly Lines[] | null {
  const lines = inner.map((axis) => cut(outer, axis, isByRow)).filter((cut) => cut !== null);
  return lines.length > 0 && lines.length === inner.length ? lines : null;
}

/**
 * @param isByRow whether the inner axis is horizontal; weights are stored row by row
 * @returns null if the stride or the padding is not supported
 */
function cut(outer: Axis, inner: Axis, isByRow: boolean): Lines | null {
  const words = Math.ceil(inner.outputs / 2);
  if (inner.stride > maxStride) return null;
  const pitch = (words - 1) * inner.stride + dilated(inner.taps, inner.dilation);
  const inside = insideOf(inner, pitch, inner.outputs - words);
  if (inside === null) return null;
  const segments = segmentsOf(outer, inner, pitch, isByRow);
  const linesUnder = (band: number) =>
    (band - 1) * outer.stride + dilated(outer.taps, outer.dilation);
  // The last two words of the last line read up to here, even words that they do not use.
  const lastRead =
    (Math.ceil(words / 2) - 1) * 2 * inner.stride + (segments.at(-1)?.offset ?? 0) + reachOf(inner);
  const wordsOf = (band: number) =>
    Math.max(linesUnder(band) * pitch, (band - 1) * outer.stride * pitch + lastRead);
  let band = outer.outputs;
  while (band > 1 && wordsOf(band) * 4 > planeBytes) band -= 1;
  return {
    inner,
    outer,
    lane: inner.outputs - words,
    words,
    chunk: chunkOf(words),
    inside,
    pitch,
    planeWords: wordsOf(band),
    band,
    segments,
  };
}

/** The segments of a window, line by line. With dilation, a segment may hold a single tap. */
function segmentsOf(outer: Axis, inner: Axis, pitch: number, isByRow: boolean): readonly Segment[] {
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
  return segments;
}

/** Words computed at once: an even number, about the same for each chunk of a line. */
function chunkOf(words: number): number {
  if (words <= maxWords) return words;
  return 2 * Math.ceil(words / Math.ceil(words / maxWords) / 2);
}

/** null if the padding is larger than the image, so that empty words lie between others. */
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

/** Estimate for one input channel with one output channel. */
function cyclesOf(all: readonly Lines[]): number {
  const cycles = all.map(({ outer, words, pitch, band, segments }) => {
    const bands = Math.ceil(outer.outputs / band);
    const gathered = outer.extent * pitch * 9 + bands * 200;
    const pairs = Math.ceil(words / 2);
    return gathered + outer.outputs * (60 + words * 29 + pairs * segments.length * 34);
  });
  return cycles.reduce((sum, n) => sum + n, 0) + 300 * all.length;
}

/**
 * Where the pointer begins on a line, in words of x, then its step to each segment, in bytes. A step
 * begins where the segment before it has stopped reading; the first one begins after the last
 * segment of the two words of results before.
 */
export function stepsOf(order: readonly Segment[], inner: Axis): readonly number[] {
  const ends = order.map(({ offset }) => offset + reachOf(inner));
  const start = (ends.at(-1) ?? 0) - 2 * inner.stride;
  const steps = order.map(({ offset }, i) => 4 * (offset - (i === 0 ? start : (ends[i - 1] ?? 0))));
  return [start, ...steps];
}

/** The input pixels that are packed before a band is computed, and the output pixels of the band. */
interface Band {
  readonly batch: number;
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}

/** The bands of one channel, in order. */
function* bandsOf(shape: WindowShape, all: readonly Lines[]): Generator<Band> {
  for (const { inner, outer, band } of all) {
    const across = Array.from({ length: inner.extent }, (_, i) => i).filter((i) => i >= -inner.pad);
    for (let batch = 0; batch < shape.batches; batch += 1) {
      let next = 0;
      for (let first = 0; first < outer.outputs; first += band) {
        const last = Math.min(first + band, outer.outputs) - 1;
        const end = last * outer.stride - outer.pad + dilated(outer.taps, outer.dilation);
        const from = Math.max(next, first * outer.stride - outer.pad);
        next = Math.max(next, Math.min(end, outer.extent));
        const reads = integers(from, next).flatMap((line) =>
          across.map((i) => (inner.inFirst + line * outer.inStep + i * inner.inStep) / shape.inC),
        );
        const writes = integers(first, last + 1).flatMap((line) =>
          integers(0, inner.outputs).map(
            (i) => (inner.outFirst + line * outer.outStep + i * inner.outStep) / shape.outC,
          ),
        );
        yield { batch, reads, writes };
      }
    }
  }
}

/** From `from` to before `end`. */
function integers(from: number, end: number): readonly number[] {
  return Array.from({ length: Math.max(0, end - from) }, (_, i) => from + i);
}

/**
 * Channels are read and written one after the other. With one output channel per input channel the
 * output may replace the input, if no band overwrites a pixel that a later band packs.
 */
export function overlapOf(shape: WindowShape, all: readonly Lines[]): readonly Overlap[] {
  const { inC, outC, batches } = shape;
  const [inImage, outImage] = [shape.inH * shape.inW, shape.outH * shape.outW];
  const bands = [...bandsOf(shape, all)];
  if (inC !== outC) {
    const siblings = outC / inC;
    const accesses = integers(0, inC).flatMap((c) =>
      bands.map(({ batch, reads, writes }): Access => {
        const first = reads.reduce((least, pixel) => Math.min(least, pixel), Infinity);
        const last = writes.reduce((most, pixel) => Math.max(most, pixel), 0);
        return {
          reads: (batch * inImage + first) * inC + c,
          end: (batch * outImage + last) * outC + (c + 1) * siblings,
        };
      }),
    );
    return [{ input: 0, lead: leadOf(accesses, batches * inImage * inC), exact: false }];
  }
  const written = new Uint8Array(Math.max(inImage, outImage) * batches);
  for (const { batch, reads, writes } of bands) {
    if (reads.some((pixel) => written[batch * inImage + pixel] === 1)) return [];
    for (const pixel of writes) written[batch * outImage + pixel] = 1;
  }
  return [{ input: 0, lead: 0, exact: true }];
}
