/**
 * MNIST's idx files, also with gzip: pairs of …images-idx3-ubyte and …labels-idx1-ubyte
 * (yann.lecun.com/exdb/mnist, 'The IDX file format'). Names that begin with t10k or test are the
 * part 'test'.
 */
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { readInput } from '../../files.js';
import { badData, type Part } from './dataset.js';
import {
  byteScale,
  checkRoom,
  fits,
  joined,
  type LoadOptions,
  maxElements,
  misfit,
  parsed,
  type Samples,
  wrongCount,
} from './samples.js';

const imagesName = /^(.*)images([-.]idx)\d([-.]ubyte)?(\.gz)?$/;

export function isIdx(name: string): boolean {
  return imagesName.test(name);
}

/** @param path a folder, or one file of images */
export function readIdx(path: string, names: readonly string[], options: LoadOptions): Samples {
  const folder = names.length > 0 ? path : dirname(path);
  const images = names.length > 0 ? names.filter(isIdx) : [basename(path)];
  const beside = names.length > 0 ? names : readdirSync(folder);
  const isDivided = images.length > 1;
  const given = [...images].sort().map((name): Samples & { part: Part | null } => {
    const [, prefix = ''] = imagesName.exec(name) ?? [];
    const where = join(folder, name);
    const { shape, data } = readArray(where, ([samples = 0, ...sample]) => {
      if (!fits(sample, options.shape)) throw misfit(where, sample, options);
      checkRoom(where, samples, options.shape);
    });
    const [count = 0] = shape;
    const labels = beside.find(
      (other) => /^labels[-.]idx1/.test(other.slice(prefix.length)) && other.startsWith(prefix),
    );
    return {
      ...{ where, count, x: Float32Array.from(data, byteScale(options)) },
      labels: labels === undefined ? null : labelsOf(join(folder, labels), count),
      part: isDivided ? (/^(t10k|test)/.test(prefix) ? 'test' : 'train') : null,
    };
  });
  return joined(path, given);
}

function labelsOf(where: string, samples: number): readonly number[] {
  const { data } = readArray(where, (shape) => {
    if (shape.length !== 1) {
      throw badData(where, `has ${shape.length} dimensions; labels have one`, 'check the file');
    }
    if (shape[0] !== samples) throw wrongCount(where, shape[0] ?? 0, samples);
  });
  return Array.from(data);
}

const cutOff = 'the file is cut off: fetch it again';

interface IdxArray {
  readonly shape: Shape;
  readonly data: Uint8Array;
}

/** @param check throws where the shape is wrong, before anything is unpacked for it */
function readArray(where: string, check: (shape: Shape) => void): IdxArray {
  const packed = readInput(where, 'data');
  const isPacked = packed[0] === 0x1f && packed[1] === 0x8b;
  const gzip = <T>(read: () => T) => parsed(where, 'gzip file', cutOff, read);
  // The header of a gzip file has a name of any length, which is rarely longer than this.
  const first = packed.subarray(0, 4096);
  const flush = { finishFlush: constants.Z_SYNC_FLUSH };
  const start = isPacked ? gzip(() => gunzipSync(first, flush)) : first;
  const { shape, dataAt } = headerOf(start, where);
  const needed = elementCount(shape);
  check(shape);
  const most = Math.min(maxElements, dataAt + needed + 1);
  const bytes = isPacked ? gzip(() => gunzipSync(packed, { maxOutputLength: most })) : packed;
  const stored = bytes.length - dataAt;
  if (stored !== needed) {
    const message = `has ${stored} bytes of data; [${shape.join(', ')}] take ${needed}`;
    throw badData(where, message, stored < needed ? cutOff : 'check the file');
  }
  return { shape, data: bytes.subarray(dataAt) };
}

function headerOf(bytes: Uint8Array, where: string): { shape: Shape; dataAt: number } {
  const [zero0, zero1, type, rank = 0] = bytes;
  if (bytes.length < 4 || zero0 !== 0 || zero1 !== 0 || rank < 1 || rank > 4) {
    throw badData(where, 'is no idx file: its magic number is wrong', 'check the file');
  }
  if (type !== 8) {
    const message = `holds elements of the type 0x${type?.toString(16)}; only bytes (0x8) are read`;
    throw badData(where, message, 'save the samples as .npy');
  }
  const dataAt = 4 + 4 * rank;
  if (bytes.length < dataAt) throw badData(where, 'ends in its header', cutOff);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { shape: Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d)), dataAt };
}
