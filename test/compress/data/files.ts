/** Files of each format, made in a few lines, in folders that are gone after the test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Shape } from '../../../src/compiler/ir/graph.js';
import { rawBytes } from '../../../src/compiler/ir/graph.js';

type Numbers = Float32Array | Float64Array | Uint8Array | Int32Array | BigInt64Array | Uint16Array;

export type Files = Readonly<Record<string, Uint8Array | string>>;

/** Writes files to a new folder, and gives its path to `use`. */
export async function inFolder<T>(
  files: Files,
  use: (folder: string) => T | Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-data-'));
  try {
    for (const [name, contents] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      if (!name.endsWith('/')) writeFileSync(join(folder, name), contents);
      else mkdirSync(join(folder, name), { recursive: true });
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const descriptions = new Map<unknown, string>([
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
  [Uint8Array, '|u1'],
  [Int32Array, '<i4'],
  [BigInt64Array, '<i8'],
  [Uint16Array, '<f2'],
]);

export function npy(
  data: Numbers,
  shape: Shape = [data.length],
  { descr = descriptions.get(data.constructor), fortran = false, version = 1 } = {},
): Buffer {
  const order = fortran ? 'True' : 'False';
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${extents}), }\n`;
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUInt16LE(text.length);
  const magic = Buffer.from('\x93NUMPY', 'latin1');
  const parts = [magic, Buffer.from([version, 0]), length, Buffer.from(text), rawBytes(data)];
  return Buffer.concat(parts);
}

export function idx(data: Uint8Array, shape: Shape, type = 8): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, type, shape.length]);
  shape.forEach((extent, d) => {
    header.writeUInt32BE(extent, 4 + 4 * d);
  });
  return Buffer.concat([header, data]);
}

/** PCM (or floats) of interleaved samples, as their bytes. */
export function wav(
  data: Uint8Array | Int16Array | Int32Array | Float32Array | Float64Array,
  { rate = 8000, channels = 1, bits = 8 * data.BYTES_PER_ELEMENT, tag = 0, extra = '' } = {},
): Buffer {
  const isFloat = data instanceof Float32Array || data instanceof Float64Array;
  const fmt = Buffer.alloc(16);
  fmt.writeUInt16LE(tag || (isFloat ? 3 : 1), 0);
  fmt.writeUInt16LE(channels, 2);
  fmt.writeUInt32LE(rate, 4);
  fmt.writeUInt16LE(bits, 14);
  const chunk = (name: string, body: Uint8Array) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.length);
    return Buffer.concat([Buffer.from(name), length, body, Buffer.alloc(body.length % 2)]);
  };
  const before = extra === '' ? [] : [chunk('LIST', Buffer.from(extra))];
  const body = [Buffer.from('WAVE'), ...before, chunk('fmt ', fmt), chunk('data', rawBytes(data))];
  return chunk('RIFF', Buffer.concat(body));
}
