/** Bad data: one clear BonsaiError, whatever the bytes, and no more memory than is allowed. */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { encode as encodePng } from 'fast-png';
import { zipSync } from 'fflate';
import jpeg from 'jpeg-js';
import { loadDataset } from '../../../src/compress/data/load.js';
import type { LoadOptions } from '../../../src/compress/data/samples.js';
import { makeRandom } from '../../../src/compress/random.js';
import { BonsaiError } from '../../../src/errors.js';
import { type Files, idx, inFolder, npy, wav } from './files.js';

const f32 = (...values: number[]) => Float32Array.from(values);
const i32 = (...values: number[]) => Int32Array.from(values);
const u8 = (...values: number[]) => Uint8Array.from(values);
const x = npy(f32(1, 2, 3, 4), [2, 2]);
const sound = wav(Int16Array.of(1, 2, 3, 4));
const png = encodePng({ width: 2, height: 2, channels: 1, data: u8(1, 2, 3, 4) });
const jpg = jpeg.encode({ width: 8, height: 8, data: new Uint8Array(256) }, 90).data;
const pair = {
  'images-idx3-ubyte': idx(u8(1, 2, 3, 4), [2, 2, 1]),
  'labels-idx1-ubyte': idx(u8(0, 1), [2]),
};
const two = { shape: [2] };

/** `bytes` with others at `offset`. */
function patched(bytes: Uint8Array, offset: number, ...others: number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(others.slice(0, Math.max(0, copy.length - offset)), offset);
  return copy;
}

/** An archive whose first file is damaged behind its header. */
function brokenLate(archive: Uint8Array): Uint8Array {
  return patched(archive, 140, 0xff, 0xff, 0xff, 0xff);
}

/** Bytes that cannot be packed. */
function noise(length: number): Uint8Array {
  const random = makeRandom(1);
  return Uint8Array.from({ length }, () => 256 * random());
}

/** An archive with another size of its only file in its directory. */
function declaring(archive: Uint8Array, size: number): Uint8Array {
  const directory = Buffer.from(archive).indexOf('PK\x01\x02');
  return patched(archive, directory + 24, size & 0xff, size >> 8);
}

/** A JPEG of 8 by 8 pixels with this many scans. */
function scansOf(count: number): Uint8Array {
  const segment = (marker: number, ...body: number[]) => [
    0xff,
    marker,
    0,
    body.length + 2,
    ...body,
  ];
  const table = [1, ...new Array<number>(15).fill(0), 0];
  const scan = [...segment(0xda, 1, 1, 0, 0, 0, 0), 0, 0];
  return u8(
    ...[0xff, 0xd8, ...segment(0xdb, 0, ...new Array<number>(64).fill(1))],
    ...segment(0xc2, 8, 0, 8, 0, 8, 1, 1, 0x11, 0),
    ...[...segment(0xc4, 0, ...table), ...segment(0xc4, 16, ...table)],
    ...[...new Array<number[]>(count).fill(scan).flat(), 0xff, 0xd9],
  );
}

/** A PNG whose checksums are right, of these chunks. */
function pngOf(width: number, height: number, data: Uint8Array): Buffer {
  const crc = (bytes: Uint8Array) => {
    let c = 0xffffffff;
    for (const byte of bytes) {
      c ^= byte;
      for (let k = 0; k < 8; k += 1) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    }
    return (c ^ 0xffffffff) >>> 0;
  };
  const word = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const chunk = (name: string, body: Uint8Array) => {
    const named = Buffer.concat([Buffer.from(name), body]);
    return Buffer.concat([word(body.length), named, word(crc(named))]);
  };
  const header = Buffer.concat([word(width), word(height), u8(8, 0, 0, 0, 0)]);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', u8()),
  ]);
}

type Row = readonly [
  edge: string,
  files: Files,
  path: string,
  options: LoadOptions,
  says: RegExp,
  code?: string,
];

const rows: readonly Row[] = [
  ['no such path', {}, 'none', two, /does not exist/, 'usage'],
  ['an unknown form', { 'a.zip': 'x' }, 'a.zip', two, /no form of data/, 'usage'],
  ['a model', { 'a.tflite': 'x' }, 'a.tflite', two, /no form of data/, 'usage'],
  ['an empty folder', {}, '', two, /no samples/],
  ['a column of arrays', { 'x.npy': x }, '', { ...two, label: 'y' }, /takes no --label/, 'usage'],
  [
    'a sample rate of a table',
    { 'a.csv': '1,2\n3,4' },
    'a.csv',
    { ...two, sampleRate: 8000 },
    /takes no --sample-rate/,
    'usage',
  ],
  [
    'an offset of a table',
    { 'a.csv': '1,2\n3,4' },
    'a.csv',
    { ...two, offset: 0 },
    /takes no --offset/,
    'usage',
  ],
  // Contents of any form.
  ['NaN', { 'x.npy': npy(f32(1, NaN, 3, 4), [2, 2]) }, '', two, /sample 0 has the element NaN/],
  ['infinite', { 'a.csv': '1,2\n1,1e999\n' }, 'a.csv', two, /sample 1 has the element Infinity/],
  [
    'float64 beyond float32',
    { 'x.npy': npy(Float64Array.of(1, 2, 3, 1e300), [2, 2]) },
    '',
    two,
    /Infinity/,
  ],
  [
    'the same in every sample',
    { 'x.npy': npy(f32(1, 2, 1, 2), [2, 2]) },
    '',
    two,
    /same values in every sample/,
  ],
  ['one class only', { 'x.npy': x, 'y.npy': npy(i32(0, 0)) }, '', two, /one class only/],
  [
    'one folder of a class',
    { 'a/1.wav': sound, 'a/2.wav': wav(Int16Array.of(9)) },
    '',
    two,
    /one class only, "a"/,
  ],
  [
    'a class without samples',
    { 'x.npy': x, 'y.npy': npy(i32(0, 2)) },
    '',
    two,
    /class 1 has no samples, class 2 has some/,
  ],
  [
    'one class only, of those that are named',
    { 'a.csv': '1,2,b\n3,4,b' },
    'a.csv',
    { shape: [2], classes: ['a', 'b', 'c'] },
    /one class only, "b"/,
  ],
  [
    'an empty folder of a class',
    { 'a/1.wav': sound, 'b/': '' },
    '',
    two,
    /class "b" has no samples/,
  ],
  [
    'a label beyond the classes',
    { 'x.npy': x, 'y.npy': npy(i32(0, 2)) },
    '',
    { shape: [2], classes: ['a', 'b'] },
    /sample 1 has the label 2; there are 2/,
  ],
  ['a negative label', { 'x.npy': x, 'y.npy': npy(i32(0, -1)) }, '', two, /label -1/],
  ['a huge label', { 'x.npy': x, 'y.npy': npy(i32(0, 2 ** 31 - 1)) }, '', two, /at most 65536/],
  [
    'a label that is no class',
    { 'a.csv': '1,2,a\n3,4,c' },
    'a.csv',
    { shape: [2], classes: ['a', 'b'] },
    /"c", which no class has/,
  ],
  [
    'fewer labels than samples',
    { 'x.npy': x, 'y.npy': npy(i32(0)) },
    '',
    two,
    /1 labels for 2 samples/,
  ],
  [
    'a part without labels',
    { 'x_train.npy': x, 'y_train.npy': npy(i32(0, 1)), 'x_test.npy': x },
    '',
    two,
    /no labels, but other parts/,
  ],
  ['another shape', { 'x.npy': x }, '', { shape: [3] }, /shape \[2\]; the model's input is \[3\]/],
  [
    'the extents in another order',
    { 'x.npy': npy(new Float32Array(12), [2, 2, 3]) },
    '',
    { shape: [3, 2] },
    /input is \[3, 2\]/,
  ],
  [
    'a table: a line of a million cells',
    { 'a.csv': ','.repeat(1_000_000) },
    'a.csv',
    two,
    /shape \[4 or more\].*2 columns, or 3/,
  ],
  [
    'a table: a line that does not end',
    { 'a.csv': `1,2\n${'1'.repeat(65_729)}` },
    'a.csv',
    two,
    /a row of more than 65728 bytes/,
  ],
  [
    'a table: a quote that does not end',
    { 'a.csv': `"1,2\n${'1,2\n'.repeat(16_432)}` },
    'a.csv',
    two,
    /a row of more than 65728 bytes/,
  ],
  // .npy and .npz
  ['.npy: wrong magic', { 'x.npy': patched(x, 0, 1) }, '', two, /magic number/],
  ['.npy: empty', { 'x.npy': '' }, '', two, /magic number/],
  ['.npy: ends in the header', { 'x.npy': x.subarray(0, 40) }, '', two, /ends in its header/],
  ['.npy: ends after the magic', { 'x.npy': x.subarray(0, 7) }, '', two, /ends in its header/],
  [
    '.npy: cut off',
    { 'x.npy': x.subarray(0, x.length - 1) },
    '',
    two,
    /15 bytes of data; \[2, 2\] of f4 take 16/,
  ],
  ['.npy: too long', { 'x.npy': Buffer.concat([x, u8(0)]) }, '', two, /17 bytes of data/],
  [
    '.npy: huge declared size',
    { 'x.npy': npy(f32(1), [2 ** 40, 2]) },
    '',
    two,
    /declares 2199023255552 elements/,
  ],
  ['.npy: big endian', { 'x.npy': npy(f32(1, 2), [1, 2], { descr: '>f4' }) }, '', two, /type >f4/],
  ['.npy: objects', { 'x.npy': npy(f32(1, 2), [1, 2], { descr: '|O' }) }, '', two, /type \|O/],
  ['.npy: text', { 'x.npy': npy(f32(1, 2), [1, 2], { descr: '<U4' }) }, '', two, /type <U4/],
  ['.npy: integers as samples', { 'x.npy': npy(i32(1, 2, 3, 4), [2, 2]) }, '', two, /type i4/],
  [
    '.npy: floats as labels',
    { 'x.npy': x, 'y.npy': npy(f32(0, 1)) },
    '',
    two,
    /labels are one integer/,
  ],
  [
    '.npy: one-hot labels',
    { 'x.npy': x, 'y.npy': npy(u8(0, 1, 1, 0), [2, 2]) },
    '',
    two,
    /labels are one integer/,
  ],
  ['.npy: no extents at all', { 'x.npy': npy(f32(1), []) }, '', two, /shape|no samples/],
  ['.npy: no samples', { 'x.npy': npy(f32(), [0, 2]) }, '', two, /no samples/],
  ['a folder of y alone', { 'y.npy': npy(i32(0)) }, '', two, /no x\.npy/],
  ['an array of an unknown name', { 'x_more.npy': x }, '', two, /x_more/],
  ['.npz: no archive', { 'a.npz': 'PK nothing' }, 'a.npz', two, /no readable \.npz/],
  [
    '.npz: cut off',
    { 'a.npz': zipSync({ 'x.npy': x }).subarray(0, 90) },
    'a.npz',
    two,
    /no readable \.npz/,
  ],
  ['.npz: no x', { 'a.npz': zipSync({ 'z.npy': x }) }, 'a.npz', two, /holds z\.npy, and no x\.npy/],
  ['.npz: an empty archive', { 'a.npz': zipSync({}) }, 'a.npz', two, /holds nothing/],
  [
    '.npz: what is in it is broken',
    { 'a.npz': zipSync({ 'x.npy': x.subarray(0, x.length - 3) }) },
    'a.npz',
    two,
    /bytes of data|header/,
  ],
  [
    '.npz: samples of another shape, refused before they are unpacked',
    { 'a.npz': brokenLate(zipSync({ 'x.npy': npy(new Float32Array(60_000), [20_000, 3]) })) },
    'a.npz',
    two,
    /shape \[3\]/,
  ],
  [
    '.npz: too few labels, before the samples are unpacked',
    {
      'a.npz': brokenLate(
        zipSync({ 'x.npy': npy(new Float32Array(60_000), [30_000, 2]), 'y.npy': npy(i32(1)) }),
      ),
    },
    'a.npz',
    two,
    /has 1 labels for 30000 samples/,
  ],
  [
    '.npz: rows of y that no output has, before they are unpacked',
    {
      'a.npz': brokenLate(
        zipSync({
          'y.npy': npy(new Float32Array(60_000), [2, 30_000]),
          'x.npy': npy(f32(1, 2, 3, 4), [2, 2]),
        }),
      ),
    },
    'a.npz',
    two,
    /f4 of the shape \[2, 30000\]; labels are one integer/,
  ],
  [
    '.npz: unpacks to more than its directory says',
    { 'a.npz': declaring(zipSync({ 'x.npy': npy(f32(1, 2, 3, 4), [2, 2]) }), 128 + 8) },
    'a.npz',
    two,
    /66 bytes of data; \[2, 2\] of f4 take 16/,
  ],
  // idx
  [
    'idx: gzip of samples of another shape, refused before they are unpacked',
    {
      'images-idx3-ubyte.gz': gzipSync(idx(new Uint8Array(2 ** 16), [2 ** 14, 2, 2])).subarray(
        0,
        60,
      ),
    },
    '',
    two,
    /shape \[2, 2\]/,
  ],
  [
    'idx: wrong magic',
    { ...pair, 'images-idx3-ubyte': patched(pair['images-idx3-ubyte'], 0, 1) },
    '',
    two,
    /magic number/,
  ],
  [
    'idx: cut off',
    { ...pair, 'images-idx3-ubyte': pair['images-idx3-ubyte'].subarray(0, 19) },
    '',
    two,
    /3 bytes of data; \[2, 2, 1\] take 4/,
  ],
  [
    'idx: ends in its header',
    { ...pair, 'images-idx3-ubyte': u8(0, 0, 8, 3, 0) },
    '',
    two,
    /ends in its header/,
  ],
  [
    'idx: huge declared size',
    { ...pair, 'images-idx3-ubyte': idx(u8(1), [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1]) },
    '',
    two,
    /samples of the shape \[4294967295/,
  ],
  [
    'idx: floats',
    { ...pair, 'images-idx3-ubyte': idx(u8(1, 2, 3, 4), [2, 2, 1], 13) },
    '',
    two,
    /type 0xd/,
  ],
  [
    'idx: more labels than samples, before they are unpacked',
    {
      'images-idx3-ubyte': pair['images-idx3-ubyte'],
      'labels-idx1-ubyte.gz': patched(
        gzipSync(idx(noise(300_000), [300_000])),
        100_000,
        0xff,
        0,
        0xff,
        0,
      ),
    },
    '',
    two,
    /has 300000 labels for 2 samples/,
  ],
  [
    'idx: labels of two dimensions',
    { ...pair, 'labels-idx1-ubyte': idx(u8(0, 1), [2, 1]) },
    '',
    two,
    /labels have one/,
  ],
  [
    'idx: gzip that ends early',
    { 'images-idx3-ubyte.gz': gzipSync(pair['images-idx3-ubyte']).subarray(0, 25) },
    '',
    two,
    /no readable gzip/,
  ],
  [
    'idx: another size',
    { ...pair },
    '',
    { shape: [28, 28, 1] },
    /shape \[2, 1\]; the model's input is \[28, 28, 1\]/,
  ],
  // csv
  ['csv: no number', { 'a.csv': '1,2\n3,x\n' }, 'a.csv', two, /holds "x", which is no number/],
  ['csv: an empty cell', { 'a.csv': '1,2\n3,\n' }, 'a.csv', two, /holds "", which is no number/],
  ['csv: rows of different length', { 'a.csv': '1,2\n3,4,5\n' }, 'a.csv', two, /no readable table/],
  ['csv: an open quote', { 'a.csv': '1,"2\n3,4' }, 'a.csv', two, /no readable table/],
  ['csv: other columns', { 'a.csv': '1,2,3,4\n' }, 'a.csv', two, /2 columns, or 3 with labels/],
  ['csv: empty', { 'a.csv': '' }, 'a.csv', two, /no samples/],
  ['csv: a header alone', { 'a.csv': 'a,b,label\n' }, 'a.csv', two, /no samples/],
  [
    'csv: no such column',
    { 'a.csv': 'a,b,label\n1,2,0' },
    'a.csv',
    { shape: [2], label: 'kind' },
    /no column "kind"/,
  ],
  [
    'csv: fractions as labels',
    { 'a.csv': '1,2,0.5\n3,4,1.5\n5,6,0.5\n' },
    'a.csv',
    { shape: [2], classes: ['a'] },
    /"0\.5", which no class has/,
  ],
  // recordings
  ['wav: no RIFF', { '1.wav': patched(sound, 0, 1) }, '', two, /RIFF/],
  ['wav: empty', { '1.wav': '' }, '', two, /RIFF/],
  [
    'wav: cut off',
    { '1.wav': sound.subarray(0, sound.length - 3) },
    '',
    two,
    /declares 8 bytes of samples, but holds 5/,
  ],
  ['wav: no data', { '1.wav': sound.subarray(0, 36) }, '', two, /no chunk "data"/],
  ['wav: no format', { '1.wav': Buffer.from('RIFF....WAVE') }, '', two, /no chunk "fmt "/],
  ['wav: no samples', { '1.wav': wav(Int16Array.of()) }, '', two, /no samples/],
  [
    'wav: compressed',
    { '1.wav': wav(Int16Array.of(1), { tag: 0x11, bits: 4 }) },
    '',
    two,
    /encoding 0x11/,
  ],
  ['wav: no channels', { '1.wav': wav(Int16Array.of(1), { channels: 0 }) }, '', two, /0 channels/],
  ['wav: a rate of 0', { '1.wav': wav(Int16Array.of(1), { rate: 0 }) }, '', two, /at 0 Hz/],
  ['wav: NaN', { '1.wav': wav(f32(NaN, 1)) }, '', two, /element NaN/],
  [
    'wav for a model of images',
    { '1.wav': sound },
    '',
    { shape: [28, 28, 1] },
    /shape \[4\]; the model's input is \[28, 28, 1\]/,
  ],
  // images
  ['jpg: 101 scans', { '1.jpg': scansOf(101) }, '', { shape: [8, 8] }, /more than 100 scans/],
  ['png: wrong magic', { '1.png': patched(png, 1, 0) }, '', { shape: [2, 2] }, /magic number/],
  ['png: empty', { '1.png': '' }, '', { shape: [2, 2] }, /no PNG/],
  ['png: cut off in its data', { '1.png': png.subarray(0, 45) }, '', { shape: [2, 2] }, /cut off/],
  [
    'png: cut off between chunks',
    { '1.png': png.subarray(0, 33) },
    '',
    { shape: [2, 2] },
    /no readable PNG/,
  ],
  [
    'png: a wrong checksum',
    { '1.png': patched(png, 29, 0, 0, 0, 0) },
    '',
    { shape: [2, 2] },
    /no readable PNG/,
  ],
  [
    'png: huge declared extents',
    { '1.png': pngOf(2 ** 31 - 1, 2 ** 31 - 1, deflateSync(u8(0))) },
    '',
    { shape: [2, 2] },
    /pixels; at most/,
  ],
  [
    'png: data that unpack to far more',
    { '1.png': pngOf(2, 2, deflateSync(Buffer.alloc(2 ** 20))) },
    '',
    { shape: [2, 2] },
    /no readable PNG/,
  ],
  [
    'png: fewer rows than declared',
    { '1.png': pngOf(2, 2, deflateSync(u8(0, 1, 2))) },
    '',
    { shape: [2, 2] },
    /no readable PNG/,
  ],
  ['jpg: wrong magic', { '1.jpg': patched(jpg, 0, 0) }, '', { shape: [2, 2] }, /magic number/],
  ['jpg: empty', { '1.jpg': '' }, '', { shape: [2, 2] }, /no readable JPEG/],
  [
    'jpg: cut off in its header',
    { '1.jpg': jpg.subarray(0, 100) },
    '',
    { shape: [2, 2] },
    /no readable JPEG/,
  ],
  [
    'jpg: huge declared extents',
    { '1.jpg': patched(jpg, jpg.indexOf(Buffer.from([0xff, 0xc0])) + 5, 255, 255, 255, 255) },
    '',
    { shape: [2, 2] },
    /no readable JPEG \(maxResolution/,
  ],
  [
    'an image for a model of sound',
    { '1.png': png },
    '',
    { shape: [16000] },
    /shape \[2, 2, 1\]; the model's input is \[16000\]/,
  ],
  [
    'an image for four channels',
    { '1.png': png },
    '',
    { shape: [2, 2, 4] },
    /input is \[2, 2, 4\]/,
  ],
  // folders
  [
    'a file of no known kind',
    { 'a/1.wav': sound, 'b/1.mp3': 'x' },
    '',
    two,
    /no \.wav, \.png or \.jpg/,
  ],
  [
    'a file beside classes',
    { 'a/1.wav': sound, 'b/1.wav': sound, '2.wav': sound },
    '',
    two,
    /beside folders of classes/,
  ],
  ['folders inside of a class', { 'a/b/1.wav': sound }, '', two, /has folders of its own/],
  // modules
  [
    'module: does not load',
    { 'a.mjs': 'export default [' },
    'a.mjs',
    two,
    /does not load/,
    'usage',
  ],
  [
    'module: no default',
    { 'a.mjs': 'export const a = 1' },
    'a.mjs',
    two,
    /no default export/,
    'usage',
  ],
  ['module: no such file', {}, 'a.mjs', two, /does not exist/, 'usage'],
  [
    'module: default is a number',
    { 'a.mjs': 'export default 5' },
    'a.mjs',
    two,
    /yields no batches/,
  ],
  ['module: nothing', { 'a.mjs': 'export default []' }, 'a.mjs', two, /no samples/],
  [
    'module: an empty batch',
    { 'a.mjs': 'export default [{ x: [] }]' },
    'a.mjs',
    two,
    /batch 0 is empty|is empty/,
  ],
  [
    'module: empty batches without end',
    { 'a.mjs': 'export default function* () { for (;;) yield { x: [] } }' },
    'a.mjs',
    two,
    /is empty/,
  ],
  [
    'module: a batch beyond all memory',
    { 'a.mjs': 'export default [{ x: new Uint8Array(2 ** 28 + 2) }]' },
    'a.mjs',
    two,
    /at most 268435456/,
  ],
  ['module: no x', { 'a.mjs': 'export default [{ y: [1] }]' }, 'a.mjs', two, /no numbers as x/],
  ['module: null', { 'a.mjs': 'export default [null]' }, 'a.mjs', two, /ends with an error/],
  [
    'module: text as x',
    { 'a.mjs': "export default [{ x: ['1', '2'] }]" },
    'a.mjs',
    two,
    /element NaN/,
  ],
  [
    'module: a part of a sample',
    { 'a.mjs': 'export default [{ x: [1, 2, 3] }]' },
    'a.mjs',
    two,
    /shape \[3\]/,
  ],
  [
    'module: too few labels',
    { 'a.mjs': 'export default [{ x: [1, 2, 3, 4], y: [1] }]' },
    'a.mjs',
    two,
    /1 labels for 2 samples/,
  ],
  [
    'module: labels in some batches',
    { 'a.mjs': 'export default [{ x: [1, 2], y: [1] }, { x: [1, 2] }]' },
    'a.mjs',
    two,
    /has no labels, unlike/,
  ],
  [
    'module: an unknown part',
    { 'a.mjs': "export default [{ x: [1, 2], part: 'extra' }]" },
    'a.mjs',
    two,
    /the part "extra"/,
  ],
  [
    'module: it throws',
    { 'a.mjs': "export default function* () { throw new Error('no disk') }" },
    'a.mjs',
    two,
    /ends with an error: no disk/,
  ],
];

async function failure(path: string, options: LoadOptions): Promise<BonsaiError | null> {
  try {
    await loadDataset(path, options);
    return null;
  } catch (error) {
    if (error instanceof BonsaiError) return error;
    throw error;
  }
}

describe('bad data', () => {
  for (const [edge, files, path, options, says, code = 'bad-data'] of rows) {
    it(edge, () =>
      inFolder(files, async (folder) => {
        const error = await failure(join(folder, path), options);
        expect(error?.message ?? 'was read').to.match(says);
        expect(error?.code).to.equal(code);
        expect(error?.hint, 'what to do next').not.to.equal('');
        expect(error?.where).to.include(folder);
      }),
    );
  }

  it('csv: whoever leaves before the end hears of no second error, whatever the row', async () => {
    // More rows than a stream holds, so that it has some left.
    for (let wrong = 0; wrong < 20; wrong += 1) {
      const rows = Array.from({ length: 20 }, (_, row) => (row === wrong ? '1,x,up' : '1,2,up'));
      const error = await inFolder({ 'a.csv': ['1,2,up', ...rows].join('\n') }, (folder) =>
        failure(join(folder, 'a.csv'), two),
      );
      expect(error?.message).to.equal('holds "x", which is no number');
      await setTimeout(2);
    }
  });
});
