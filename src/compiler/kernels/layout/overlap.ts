/**
 * How far an output may overlap the input that it is computed from.
 *
 * A kernel that walks forward reads the input byte r of one piece of work after it has written the
 * output up to byte w of an earlier one. If the output begins `lead` bytes before the input, input
 * byte r lies at output byte lead + r, and is intact if lead + r ≥ w. So the least lead is the
 * largest w − r over every read and everything written before it. A larger lead is also correct;
 * with one byte less that read would find an output.
 *
 * Only reads whose value matters count: a kernel may load further bytes that it does not use.
 */
import type { Window, WindowDims } from '../../ops/shape/window.js';

/** One piece of work, in which all reads come before all writes. */
export interface Access {
  /** First input byte that it reads; Infinity if none. */
  readonly reads: number;
  /** End of the output bytes that it writes; 0 if none. */
  readonly end: number;
}

/**
 * The least lead of a kernel that does `accesses` in this order, but at least −`inputBytes`: an
 * output that begins at the input's end cannot harm it.
 */
export function leadOf(accesses: Iterable<Access>, inputBytes: number): number {
  let lead = -inputBytes;
  let written = 0;
  for (const { reads, end } of accesses) {
    if (written > 0) lead = Math.max(lead, written - reads);
    written = Math.max(written, end);
  }
  return lead;
}

/** A window over an NHWC image of int8: a convolution, a pool, or a row of pixels with 1×1 taps. */
export interface WindowShape extends Omit<Window, 'padBottom' | 'padRight'>, WindowDims {}

/**
 * The order in which a kernel walks over its output: image after image, in bands of `tileRows`
 * rows, and within a band in tiles of `tilePixels` columns. The last band, and the last tile of a
 * band, may be smaller. A kernel that ignores rows (a 1×1 convolution) treats its image as one row.
 */
export interface Walk {
  /** Columns of a tile; Infinity for whole rows. Default 1. */
  readonly tilePixels?: number;
  /** Rows of a tile. Default 1. */
  readonly tileRows?: number;
  /**
   * Absent: the kernel reads all inputs of a tile (into registers or scratch) before it writes.
   * Otherwise it computes this many channels of each pixel of the tile, reading and writing pixel
   * by pixel, then walks over the tile again for the next channels.
   */
  readonly channelBlock?: number;
  /**
   * Output channel c needs only input channel c · inC / outC (a depthwise convolution, a pool), and
   * a block reads no others. A block that is not full begins earlier: the last one overlaps the one
   * before.
   */
  readonly depthwise?: boolean;
  /** Copies of input rows in scratch, from which a tile reads where it can. */
  readonly lineBuffer?: LineBuffer;
}

export interface LineBuffer {
  /**
   * Number of rows kept: the highest ones copied. A band of one row of 3×3 taps at stride 1 finds
   * all its input in 3 rows and `newest`; in 2 rows without `newest` it finds all except the row
   * that it reads in place.
   */
  readonly rows: number;
  /**
   * Rows are copied before the band whose windows first need them is written. false: except the row
   * under the lowest tap of the band's last window, which is read in place.
   */
  readonly newest: boolean;
}

/** More pixels than any board has memory for: their walk takes seconds here. */
const mostPixels = 2 ** 19;

/** Whether the least lead is not worth its search: the output's size, which shares nothing, is right too. */
export function isBeyondBoards({ batches, outH, outW }: WindowShape): boolean {
  return batches * outH * outW > mostPixels;
}

export function outputBytes({ batches, outH, outW, outC }: WindowShape): number {
  return batches * outH * outW * outC;
}

/**
 * The least lead of a kernel that walks over a window's output as `walk` describes: Overlap.lead of
 * its input 0, with exact: false. It is exact for every shape. More channels out than in give a
 * large lead, up to the output's size, where nothing is shared any more.
 */
export function windowLead(shape: WindowShape, walk: Walk = {}): number {
  if (isBeyondBoards(shape)) return outputBytes(shape);
  const { batches, inH, inW, inC } = shape;
  return leadOf(accessesOf(shape, walk), batches * inH * inW * inC);
}

/**
 * The least lead of a kernel that reads all inputs of `pixels` outputs, counted across rows and
 * images, before it writes them, and then continues with the next ones.
 */
export function tilesLead(shape: WindowShape, pixels: number): number {
  if (isBeyondBoards(shape)) return outputBytes(shape);
  const { batches, inH, inW, inC, outH, outW, outC } = shape;
  const [vertical, horizontal] = axesOf(shape);
  const tops = Array.from({ length: outH }, (_, oy) => least(tapsInside(oy, vertical)));
  const lefts = Array.from({ length: outW }, (_, ox) => least(tapsInside(ox, horizontal)));
  const firstRead = (pixel: number) => {
    const [row, ox] = [Math.floor(pixel / outW), pixel % outW];
    const image = Math.floor(row / outH) * inH;
    return ((image + (tops[row % outH] ?? 0)) * inW + (lefts[ox] ?? 0)) * inC;
  };
  const tiles = chunks(batches * outH * outW, pixels).map((tile) => ({
    reads: least(tile.map(firstRead)),
    end: ((tile.at(-1) ?? 0) + 1) * outC,
  }));
  return leadOf(tiles, batches * inH * inW * inC);
}

function* accessesOf(shape: WindowShape, walk: Walk): Generator<Access> {
  const { batches, inH, inW, inC, outH, outW, outC } = shape;
  const { tilePixels = 1, tileRows = 1, channelBlock, depthwise = false, lineBuffer } = walk;
  const [vertical, horizontal] = axesOf(shape);
  const rows = Array.from({ length: outH }, (_, oy) => tapsInside(oy, vertical));
  const lefts = Array.from({ length: outW }, (_, ox) => least(tapsInside(ox, horizontal)));
  const tiles = chunks(outW, tilePixels);
  const blocks = chunks(outC, channelBlock ?? outC);
  for (let n = 0; n < batches; n++) {
    const read = (y: number, x: number) => ((n * inH + y) * inW + x) * inC;
    const copies = new RowCopies(rows, vertical, lineBuffer);
    for (const band of chunks(outH, tileRows)) {
      yield { reads: read(copies.make(band), 0), end: 0 };
      const tops = band.map((oy) => least((rows[oy] ?? []).filter((y) => !copies.has(y))));
      for (const tile of tiles) {
        const whole = {
          top: least(tops),
          left: least(tile.map((ox) => lefts[ox] ?? Infinity)),
          oy: band.at(-1) ?? 0,
          ox: tile.at(-1) ?? 0,
        };
        const pixels =
          channelBlock === undefined
            ? [whole]
            : band.flatMap((oy, i) =>
                tile.map((ox) => ({ top: tops[i] ?? 0, left: lefts[ox] ?? 0, oy, ox })),
              );
        for (const block of blocks) {
          const end = (block.at(-1) ?? 0) + 1;
          const first = Math.max(0, end - (channelBlock ?? outC));
          const channel = depthwise ? Math.floor((first * inC) / outC) : 0;
          for (const { top, left, oy, ox } of pixels) {
            const pixel = (n * outH + oy) * outW + ox;
            yield { reads: read(top, left) + channel, end: pixel * outC + end };
          }
        }
      }
    }
  }
}

/** The indices 0 to `extent` − 1 in chunks of `size`. */
function chunks(extent: number, size: number): readonly (readonly number[])[] {
  const step = Math.min(size, extent);
  return Array.from({ length: Math.ceil(extent / step) }, (_, chunk) =>
    Array.from({ length: Math.min(step, extent - chunk * step) }, (_, i) => chunk * step + i),
  );
}

function least(values: readonly number[]): number {
  return values.reduce((low, value) => Math.min(low, value), Infinity);
}

/** A window along one axis of an image. */
export interface Axis {
  readonly extent: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

export function axesOf(shape: WindowShape): readonly [vertical: Axis, horizontal: Axis] {
  const { inH, kernelH, strideH, dilationH, padTop } = shape;
  const { inW, kernelW, strideW, dilationW, padLeft } = shape;
  return [
    { extent: inH, taps: kernelH, stride: strideH, dilation: dilationH, pad: padTop },
    { extent: inW, taps: kernelW, stride: strideW, dilation: dilationW, pad: padLeft },
  ];
}

/** Coordinates inside the image that output `o` needs, ascending. */
export function tapsInside(
  o: number,
  { extent, taps, stride, dilation, pad }: Axis,
): readonly number[] {
  const origin = o * stride - pad;
  const first = Math.max(0, Math.ceil(-origin / dilation));
  const end = Math.min(taps, Math.ceil((extent - origin) / dilation));
  return Array.from(
    { length: Math.max(0, end - first) },
    (_, k) => origin + (first + k) * dilation,
  );
}

/** The line buffer of one image. */
class RowCopies {
  /** End of the rows that have been copied. */
  private copied = 0;

  /** @param rows input rows that each output row needs */
  constructor(
    private readonly rows: readonly (readonly number[])[],
    private readonly axis: Axis,
    private readonly buffer: LineBuffer = { rows: 0, newest: true },
  ) {}

  /**
   * Copies the rows that are copied before `band` is written. Returns the first row read, Infinity
   * if none.
   */
  make(band: readonly number[]): number {
    const { extent, taps, stride, dilation, pad } = this.axis;
    const lowest = (band.at(-1) ?? 0) * stride - pad + (taps - 1) * dilation;
    const end = Math.min(extent, this.buffer.newest ? lowest + 1 : lowest);
    const first = Math.max(this.copied, end - this.buffer.rows);
    this.copied = Math.max(this.copied, end);
    // Rows that strides skip, or that no later band needs, do not matter.
    const later = first < end ? this.rows.slice(band[0]).flat() : [];
    return least(later.filter((row) => row >= first && row < end));
  }

  has(row: number): boolean {
    return row < this.copied && row >= this.copied - this.buffer.rows;
  }
}
