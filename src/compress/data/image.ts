/** Images: PNG and JPEG as bytes, resized to the model's input. */

import { inflateSync } from 'node:zlib';
import type { Shape } from '../../compiler/ir/graph.js';
import { optional } from '../../optional.js';
import { badData } from './dataset.js';
import { parsed } from './samples.js';

export interface Image {
  readonly width: number;
  readonly height: number;
  /** 1: grey; 3: red, green, blue. Transparency is left out. */
  readonly channels: 1 | 3;
  /** height × width × channels, each from 0 to 255. */
  readonly data: Float32Array;
}

/** More pixels than any camera's image that a microcontroller takes. */
const maxPixels = 2 ** 24;
const repair = 'repair the image, or remove it';

export type ImageReader = (bytes: Uint8Array, where: string) => Image;

/** The decoders, which load when the first image is read. */
export async function pngReader(): Promise<ImageReader> {
  const { decode } = await optional(['fast-png'], () => import('fast-png'));
  return (bytes, where) => {
    const checked = criticalChunks(bytes, where);
    return parsed(where, 'PNG', repair, () => {
      const { width, height, depth, channels, palette, data } = decode(checked, { checkCrc: true });
      const values = depth < 8 ? unpacked(data, width, height, depth) : data;
      if (palette === undefined) {
        return opaque(values, { width, height }, channels, 2 ** depth - 1);
      }
      const colors = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
        const color = palette[values[Math.floor(i / 3)] as number];
        if (color === undefined) throw new RangeError('a pixel has a color beyond the palette');
        return color[i % 3] as number;
      });
      return opaque(colors, { width, height }, 3, 255);
    });
  };
}

export async function jpegReader(): Promise<ImageReader> {
  const { decode } = (await optional(['jpeg-js'], () => import('jpeg-js'))).default;
  const limits = { maxResolutionInMP: maxPixels / 1e6, maxMemoryUsageInMB: 512 };
  return (bytes, where) =>
    parsed(where, 'JPEG', repair, () => {
      if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new RangeError('its magic number is wrong');
      if (scansOf(bytes) > maxScans) throw new RangeError(`it has more than ${maxScans} scans`);
      const { width, height, data } = decode(bytes, {
        ...{ useTArray: true, formatAsRGBA: false },
        ...limits,
      });
      return opaque(data, { width, height }, 3, 255);
    });
}

/** Each scan goes over all pixels, and may have a few bytes; encoders write about ten. */
const maxScans = 100;

/** Markers of scans, with those of a thumbnail: compressed data do not contain one. */
function scansOf(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes[at + 1] === 0xda) count += 1;
  }
  return count;
}

const pngSignature = '89504e470d0a1a0a';

/**
 * The file without its optional chunks (profiles, texts, transparency), when all that it declares
 * fits the limits: pixels, and what its data unpack to.
 */
function criticalChunks(bytes: Uint8Array, where: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const refuse = (message: string) => badData(where, message, repair);
  if (Buffer.from(bytes.subarray(0, 8)).toString('hex') !== pngSignature || bytes.length < 33) {
    throw refuse('is no PNG: its magic number is wrong, or it ends in its header');
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (width === 0 || height === 0 || width * height > maxPixels) {
    throw refuse(`has ${width} by ${height} pixels; at most ${maxPixels} are possible`);
  }
  const kept = [bytes.subarray(0, 8)];
  const packed: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const end = at + 12 + length;
    if (end > bytes.length) throw refuse('ends in a chunk: the file is cut off');
    const name = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1');
    if (['IHDR', 'PLTE', 'IDAT', 'IEND'].includes(name)) kept.push(bytes.subarray(at, end));
    if (name === 'IDAT') packed.push(bytes.subarray(at + 8, end - 4));
    at = end;
  }
  // Four channels of 16 bits, a byte for each row of each of the seven images when interlaced.
  const maxOutputLength = 8 * width * height + 2 * height + 1024;
  parsed(where, 'PNG', repair, () => inflateSync(Buffer.concat(packed), { maxOutputLength }));
  return Buffer.concat(kept);
}

/** One channel of less than a byte each; rows begin with a byte of their own. */
function unpacked(
  data: ArrayLike<number>,
  width: number,
  height: number,
  depth: number,
): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  const values = new Uint8Array(width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)] as number;
      values[y * width + x] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return values;
}

/** Grey, grey with alpha, color, color with alpha → grey or color. */
function opaque(
  values: ArrayLike<number>,
  { width, height }: { readonly width: number; readonly height: number },
  stored: number,
  most: number,
): Image {
  const channels = stored < 3 ? 1 : 3;
  const pixels = width * height;
  if (values.length !== pixels * stored) {
    throw new RangeError(`it has ${values.length} values for ${pixels} pixels of ${stored}`);
  }
  const data = new Float32Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    for (let c = 0; c < channels; c += 1) {
      data[pixel * channels + c] = ((values[pixel * stored + c] as number) * 255) / most;
    }
  }
  return { width, height, channels, data };
}

/** Luma of red, green and blue (ITU-R BT.601). */
const luma = [0.299, 0.587, 0.114] as const;

/** [height, width], [height, width, 1] or [height, width, 3], or null for no shape of an image. */
export function imageExtents(shape: Shape): readonly [number, number, 1 | 3] | null {
  const [height, width, channels = 1] = shape;
  if (height === undefined || width === undefined || shape.length > 3) return null;
  return channels === 1 || channels === 3 ? [height, width, channels] : null;
}

/** The image stretched to these extents: height × width × channels, each from 0 to 255. */
export function resized(
  image: Image,
  [height, width, channels]: readonly [number, number, 1 | 3],
): Float32Array {
  const columns = taps(image.width, width);
  const rows = taps(image.height, height);
  const c = image.channels;
  const wide = new Float32Array(image.height * width * c);
  const narrow = new Float32Array(height * width * c);
  for (let y = 0; y < image.height; y += 1) {
    columns.forEach(({ first, weights }, x) => {
      for (let k = 0; k < c; k += 1) {
        const at = (tap: number) => image.data[(y * image.width + first + tap) * c + k] as number;
        wide[(y * width + x) * c + k] = weights.reduce((sum, w, tap) => sum + w * at(tap), 0);
      }
    });
  }
  rows.forEach(({ first, weights }, y) => {
    for (let i = 0; i < width * c; i += 1) {
      const at = (tap: number) => wide[(first + tap) * width * c + i] as number;
      narrow[y * width * c + i] = weights.reduce((sum, w, tap) => sum + w * at(tap), 0);
    }
  });
  return recolored(narrow, c, channels);
}

interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** A triangle around the center of each output pixel, as wide as the pixel is in the input. */
function taps(from: number, to: number): readonly Taps[] {
  const ratio = from / to;
  const reach = Math.max(1, ratio);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * ratio - 0.5;
    const first = Math.max(0, Math.ceil(center - reach));
    const last = Math.min(from - 1, Math.floor(center + reach));
    const raw = Array.from({ length: last - first + 1 }, (__, tap) =>
      Math.max(0, 1 - Math.abs(first + tap - center) / reach),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}

function recolored(data: Float32Array, from: 1 | 3, to: 1 | 3): Float32Array {
  if (from === to) return data;
  const pixels = data.length / from;
  if (from === 1) {
    return Float32Array.from({ length: 3 * pixels }, (_, i) => data[Math.floor(i / 3)] as number);
  }
  return Float32Array.from({ length: pixels }, (_, i) =>
    luma.reduce((sum, share, c) => sum + share * (data[3 * i + c] as number), 0),
  );
}
