/** Every form of data, as samples of a model's input. */
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { encode as encodePng } from 'fast-png';
import { zipSync } from 'fflate';
import jpeg from 'jpeg-js';
import { loadDataset } from '../../../src/compress/data/load.js';
import type { LoadOptions } from '../../../src/compress/data/samples.js';
import { type Files, idx, inFolder, npy, wav } from './files.js';

interface Wanted {
  readonly x?: readonly number[];
  readonly count?: number;
  readonly labels?: readonly number[] | null;
  readonly classes?: readonly string[] | null;
  readonly parts?: readonly number[];
}
type Row = readonly [
  edge: string,
  files: Files,
  path: string,
  options: LoadOptions,
  wanted: Wanted,
];

const f32 = (...values: number[]) => Float32Array.from(values);
const u8 = (...values: number[]) => Uint8Array.from(values);
const i32 = (...values: number[]) => Int32Array.from(values);
const i16 = (...values: number[]) => Int16Array.from(values);
const two = { shape: [2] };
const four = f32(1, 2, 3, 4);
const bare = { labels: null, classes: null };
const grey = (values: number[], width = 2) =>
  encodePng({ width, height: values.length / width, data: u8(...values), channels: 1 });

const arrays: readonly Row[] = [
  [
    'x and y',
    { 'x.npy': npy(four, [2, 2]), 'y.npy': npy(i32(1, 0)) },
    '',
    two,
    { x: [1, 2, 3, 4], labels: [1, 0], classes: ['0', '1'] },
  ],
  ['x alone has no labels', { 'x.npy': npy(four, [2, 2]) }, '', two, { x: [1, 2, 3, 4], ...bare }],
  [
    'a .npy file alone',
    { 'some.npy': npy(four, [2, 2]) },
    'some.npy',
    two,
    { x: [1, 2, 3, 4], ...bare },
  ],
  [
    'bytes are divided by 255',
    { 'x.npy': npy(u8(0, 255, 51, 102), [2, 2]) },
    '',
    two,
    { x: [0, 1, 0.2, 0.4] },
  ],
  [
    'bytes with scale and offset',
    { 'x.npy': npy(u8(0, 255, 128, 1), [2, 2]) },
    '',
    { shape: [2], scale: 1, offset: -128 },
    { x: [-128, 127, 0, -127] },
  ],
  [
    'scale leaves floats alone',
    { 'x.npy': npy(four, [2, 2]) },
    '',
    { shape: [2], scale: 9 },
    { x: [1, 2, 3, 4] },
  ],
  [
    'float64, and labels of int64',
    { 'x.npy': npy(Float64Array.of(1, 2, 3, 4), [2, 2]), 'y.npy': npy(BigInt64Array.of(0n, 1n)) },
    '',
    two,
    { x: [1, 2, 3, 4], labels: [0, 1] },
  ],
  [
    'float16: 1, −2, 2^−24, 65504',
    { 'x.npy': npy(Uint16Array.of(0x3c00, 0xc000, 1, 0x7bff), [2, 2]) },
    '',
    two,
    { x: [1, -2, 2 ** -24, 65504] },
  ],
  [
    "Fortran's order",
    { 'x.npy': npy(f32(1, 4, 2, 5, 3, 6), [2, 3], { fortran: true }) },
    '',
    { shape: [3] },
    { x: [1, 2, 3, 4, 5, 6] },
  ],
  [
    "Fortran's order of three dimensions",
    { 'x.npy': npy(f32(0, 4, 2, 6, 1, 5, 3, 7), [2, 2, 2], { fortran: true }) },
    '',
    { shape: [2, 2] },
    { x: [0, 1, 2, 3, 4, 5, 6, 7] },
  ],
  [
    'a header of version 2',
    { 'x.npy': npy(four, [2, 2], { version: 2 }) },
    '',
    two,
    { x: [1, 2, 3, 4] },
  ],
  ['a channel of 1 added', { 'x.npy': npy(four, [2, 2, 1]) }, '', two, { x: [1, 2, 3, 4] }],
  [
    'flat rows for a shape of three',
    { 'x.npy': npy(f32(1, 2, 3, 4, 5, 6, 7, 8), [2, 4]) },
    '',
    { shape: [2, 2, 1] },
    { count: 2 },
  ],
  [
    'labels as a column',
    { 'x.npy': npy(four, [2, 2]), 'y.npy': npy(i32(1, 0), [2, 1]) },
    '',
    two,
    { labels: [1, 0] },
  ],
  [
    'given names of classes',
    { 'x.npy': npy(four, [2, 2]), 'y.npy': npy(i32(1, 0)) },
    '',
    { shape: [2], classes: ['no', 'yes'] },
    { labels: [1, 0], classes: ['no', 'yes'] },
  ],
  [
    'parts by name',
    {
      'x_train.npy': npy(four, [2, 2]),
      'y_train.npy': npy(i32(1, 0)),
      'x_test.npy': npy(f32(5, 6), [1, 2]),
      'y_test.npy': npy(i32(1)),
    },
    '',
    two,
    { x: [5, 6, 1, 2, 3, 4], labels: [1, 1, 0], parts: [2, 0, 0] },
  ],
  [
    '.npz',
    {
      'a.npz': zipSync({
        'x.npy': npy(four, [2, 2]),
        'y.npy': npy(u8(1, 0)),
        'other.npy': npy(four),
      }),
    },
    'a.npz',
    two,
    { x: [1, 2, 3, 4], labels: [1, 0] },
  ],
  [
    ".npz of Keras's names, stored without compression",
    {
      'a.npz': zipSync(
        { 'x_train.npy': npy(four, [2, 2]), 'x_test.npy': npy(four, [2, 2]) },
        { level: 0 },
      ),
    },
    'a.npz',
    two,
    { count: 4, parts: [2, 2, 0, 0], ...bare },
  ],
];

const pixels = u8(0, 51, 102, 153, 204, 255, 0, 255);
const images = idx(pixels, [2, 2, 2]);
const square = { shape: [2, 2, 1] };
const scaled = [0, 0.2, 0.4, 0.6, 0.8, 1, 0, 1];
const idxRows: readonly Row[] = [
  [
    'a folder of one pair',
    { 'train-images-idx3-ubyte': images, 'train-labels-idx1-ubyte': idx(u8(1, 0), [2]) },
    '',
    square,
    { x: scaled, labels: [1, 0] },
  ],
  [
    'with gzip',
    {
      'train-images-idx3-ubyte.gz': gzipSync(images),
      'train-labels-idx1-ubyte.gz': gzipSync(idx(u8(1, 0), [2])),
    },
    '',
    square,
    { x: scaled, labels: [1, 0] },
  ],
  [
    't10k is the test',
    {
      'train-images-idx3-ubyte': images,
      'train-labels-idx1-ubyte': idx(u8(1, 0), [2]),
      't10k-images-idx3-ubyte': images,
      't10k-labels-idx1-ubyte': idx(u8(0, 1), [2]),
    },
    '',
    square,
    { labels: [0, 1, 1, 0], parts: [2, 2, 0, 0] },
  ],
  [
    'one file, its labels beside it',
    {
      'train-images.idx3-ubyte': images,
      'train-labels.idx1-ubyte': idx(u8(1, 0), [2]),
      't10k-images.idx3-ubyte': images,
    },
    'train-images.idx3-ubyte',
    square,
    { count: 2, labels: [1, 0] },
  ],
  [
    'images without labels',
    { 'train-images-idx3-ubyte': images },
    '',
    square,
    { x: scaled, ...bare },
  ],
];

const csvRows: readonly Row[] = [
  [
    'no header, labels last',
    { 'a.csv': '1,2,0\n3,4,1\n' },
    'a.csv',
    two,
    { x: [1, 2, 3, 4], labels: [0, 1] },
  ],
  [
    'a header, labels by name, in front',
    { 'a.csv': 'label,a,b\n1,1,2\n0,3,4\n' },
    'a.csv',
    two,
    { x: [1, 2, 3, 4], labels: [1, 0] },
  ],
  [
    'a header of no known name: last',
    { 'a.csv': 'a,b,kind\n1,2,x\n3,4,w\n' },
    'a.csv',
    two,
    { labels: [1, 0], classes: ['w', 'x'] },
  ],
  [
    'names without a header',
    { 'a.csv': '1,2,yes\n3,4,no\n' },
    'a.csv',
    two,
    { x: [1, 2, 3, 4], labels: [1, 0], classes: ['no', 'yes'] },
  ],
  [
    'a header of numbers, as pandas writes',
    { 'a.csv': '0,1,label\n1,2,0\n3,4,1\n' },
    'a.csv',
    two,
    { x: [1, 2, 3, 4], labels: [0, 1] },
  ],
  [
    'the column that is asked for',
    { 'a.csv': 'Kind,a,label\n1,2,3\n0,5,6\n' },
    'a.csv',
    { shape: [2], label: 'kind' },
    { x: [2, 3, 5, 6], labels: [1, 0] },
  ],
  [
    'the column by index',
    { 'a.csv': '1,2,3\n0,5,6\n' },
    'a.csv',
    { shape: [2], label: '0' },
    { x: [2, 3, 5, 6], labels: [1, 0] },
  ],
  ['no labels', { 'a.csv': 'a,b\n1,2\n3,4\n' }, 'a.csv', two, { x: [1, 2, 3, 4], ...bare }],
  [
    'semicolons, byte order mark, CRLF, blank lines, quotes',
    { 'a.csv': '\ufeffa;b;label\r\n"1";2;0\r\n\r\n3;4e-1;1\r\n' },
    'a.csv',
    two,
    { x: [1, 2, 3, Math.fround(0.4)], labels: [0, 1] },
  ],
  ['tabs', { 'a.tsv': '1\t2\t0\n3\t4\t1' }, 'a.tsv', two, { x: [1, 2, 3, 4] }],
  [
    'classes in a given order',
    { 'a.csv': '1,2,yes\n3,4,no\n' },
    'a.csv',
    { shape: [2], classes: ['yes', 'no'] },
    { labels: [0, 1] },
  ],
  [
    'a named class without samples',
    { 'a.csv': '1,2,a\n3,4,c' },
    'a.csv',
    { shape: [2], classes: ['a', 'b', 'c'] },
    { labels: [0, 2], classes: ['a', 'b', 'c'] },
  ],
];

const folders: readonly Row[] = [
  [
    'classes in the order of their names',
    { 'b/1.wav': wav(i16(16384, -32768)), 'a/1.wav': wav(i16(0, 8192)) },
    '',
    two,
    { x: [0, 0.25, 0.5, -1], labels: [0, 1], classes: ['a', 'b'] },
  ],
  [
    'files alone have no labels',
    { '1.wav': wav(i16(1, 2)), '2.wav': wav(i16(3, 4)), '.DS_Store': '' },
    '',
    two,
    { count: 2, ...bare },
  ],
  [
    'train, val and test',
    {
      'train/a/1.wav': wav(i16(1, 2)),
      'train/b/1.wav': wav(i16(3, 4)),
      'val/a/1.wav': wav(i16(5, 6)),
      'test/b/1.wav': wav(i16(7, 8)),
    },
    '',
    two,
    { labels: [1, 0, 1, 0], parts: [2, 0, 0, 1] },
  ],
  [
    'short ones get zeros, long ones are cut',
    { '1.wav': wav(i16(16384)), '2.wav': wav(i16(0, 16384, 9)) },
    '',
    { shape: [2, 1] },
    { x: [0.5, 0, 0, 0.5] },
  ],
  [
    'two channels become their mean',
    { '1.wav': wav(i16(16384, 0, 0, -16384), { channels: 2 }), '2.wav': wav(i16(0, 1)) },
    '',
    two,
    { x: [0.25, -0.25, 0, 2 ** -15] },
  ],
  [
    '8 bits are unsigned',
    { '1.wav': wav(u8(128, 0)), '2.wav': wav(u8(192, 255)) },
    '',
    two,
    { x: [0, -1, 0.5, 127 / 128] },
  ],
  [
    '24 bits',
    {
      '1.wav': wav(u8(0, 0, 0x40, 0, 0, 0x80), { bits: 24 }),
      '2.wav': wav(u8(1, 0, 0, 0xff, 0xff, 0xff), { bits: 24 }),
    },
    '',
    two,
    { x: [0.5, -1, 2 ** -23, -(2 ** -23)] },
  ],
  [
    '32 bits',
    { '1.wav': wav(i32(2 ** 30, -(2 ** 31))), '2.wav': wav(i32(0, 2 ** 29)) },
    '',
    two,
    { x: [0.5, -1, 0, 0.25] },
  ],
  [
    'floats of 32 and 64 bits',
    { '1.wav': wav(f32(0.5, -1)), '2.wav': wav(Float64Array.of(0.25, 1)) },
    '',
    two,
    { x: [0.5, -1, 0.25, 1] },
  ],
  [
    'a chunk of odd length before',
    { '1.wav': wav(i16(16384, 0), { extra: 'odd' }), '2.wav': wav(i16(0, 16384)) },
    '',
    two,
    { x: [0.5, 0, 0, 0.5] },
  ],
  [
    'PNG in grey',
    { 'a/1.png': grey([0, 51, 102, 255]), 'b/1.PNG': grey([255, 255, 0, 0]) },
    '',
    square,
    { x: [0, 0.2, 0.4, 1, 1, 1, 0, 0], labels: [0, 1] },
  ],
  [
    'grey into three channels',
    { '1.png': grey([0, 255]), '2.png': grey([255, 0]) },
    '',
    { shape: [1, 2, 3] },
    { x: [0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0] },
  ],
  [
    'color into grey: luma',
    {
      '1.png': encodePng({
        width: 3,
        height: 1,
        channels: 3,
        data: u8(255, 0, 0, 0, 255, 0, 0, 0, 255),
      }),
      '2.png': grey([0, 0, 0], 3),
    },
    '',
    { shape: [1, 3, 1] },
    { x: [0.299, 0.587, 0.114, 0, 0, 0] },
  ],
  [
    'alpha is left out',
    {
      '1.png': encodePng({ width: 1, height: 1, channels: 4, data: u8(51, 102, 153, 0) }),
      '2.png': encodePng({ width: 1, height: 1, channels: 2, data: u8(255, 9) }),
    },
    '',
    { shape: [1, 1, 3] },
    { x: [0.2, 0.4, 0.6, 1, 1, 1] },
  ],
  [
    '16 bits',
    {
      '1.png': encodePng({
        width: 2,
        height: 1,
        depth: 16,
        channels: 1,
        data: Uint16Array.of(0, 65535),
      }),
      '2.png': grey([51, 0]),
    },
    '',
    { shape: [1, 2] },
    { x: [0, 1, 0.2, 0] },
  ],
  [
    'a palette of 1 bit, rows of less than a byte',
    {
      '1.png': encodePng({
        width: 2,
        height: 2,
        depth: 1,
        channels: 1,
        data: u8(0x40, 0x80),
        palette: [
          [0, 0, 0],
          [255, 255, 255],
        ],
      }),
      '2.png': grey([0, 0, 0, 0]),
    },
    '',
    square,
    { x: [0, 1, 1, 0, 0, 0, 0, 0] },
  ],
  [
    'shrunk: the mean of what a pixel covers',
    { '1.png': grey([0, 0, 255, 255, 0, 0, 255, 255], 4), '2.png': grey([0, 0], 1) },
    '',
    { shape: [1, 1, 1] },
    { x: [0.5, 0] },
  ],
  [
    'JPEG',
    {
      'a/1.jpg': jpeg.encode(
        { width: 8, height: 8, data: u8(...Array<number>(256).fill(255)) },
        100,
      ).data,
      'b/1.jpeg': jpeg.encode({ width: 8, height: 8, data: u8(...Array<number>(256).fill(0)) }, 100)
        .data,
    },
    '',
    { shape: [2, 2, 1] },
    { x: [1, 1, 1, 1, 0, 0, 0, 0], labels: [0, 1] },
  ],
];

const modules: readonly Row[] = [
  [
    'a generator',
    { 'a.mjs': 'export default function* () { yield { x: [[1, 2], [3, 4]], y: [0, 1] } }' },
    'a.mjs',
    two,
    { x: [1, 2, 3, 4], labels: [0, 1] },
  ],
  [
    'an asynchronous generator, batches of different sizes',
    {
      'a.mjs':
        'export default async function* () { yield { x: new Float32Array([1, 2]) }; yield { x: [3, 4, 5, 6] } }',
    },
    'a.mjs',
    two,
    { x: [1, 2, 3, 4, 5, 6], ...bare },
  ],
  [
    'an iterable; bytes are scaled; names and parts',
    {
      'a.mjs':
        "export default [{ x: Uint8Array.of(0, 255), y: ['b'], part: 'test' }, { x: Uint8Array.of(51, 0), y: ['a'] }]",
    },
    'a.mjs',
    two,
    { x: [0, 1, 0.2, 0], labels: [1, 0], classes: ['a', 'b'], parts: [2, 0] },
  ],
  [
    'it is told the shape',
    { 'a.mjs': 'export default ({ shape }) => [{ x: [shape[0], 1] }, { x: [0, 0] }]' },
    'a.mjs',
    two,
    { x: [2, 1, 0, 0] },
  ],
  [
    'CommonJS',
    { 'a.cjs': 'module.exports = [{ x: [1, 2] }, { x: [3, 4] }]' },
    'a.cjs',
    two,
    { x: [1, 2, 3, 4] },
  ],
  [
    'TypeScript, where it loads',
    {
      'a.ts': 'const x: number[] = [1, 2, 3, 4]; export default [{ x }];',
      'package.json': '{"type":"module"}',
    },
    'a.ts',
    two,
    { x: [1, 2, 3, 4] },
  ],
];

const groups = { arrays, idx: idxRows, csv: csvRows, folders, modules };

describe('data of every form', () => {
  for (const [group, rows] of Object.entries(groups)) {
    for (const [edge, files, path, options, wanted] of rows) {
      it(`${group}: ${edge}`, async () => {
        const data = await inFolder(files, (folder) => loadDataset(`${folder}/${path}`, options));
        if (wanted.x !== undefined) {
          expect(data.x.length).to.equal(wanted.x.length);
          wanted.x.forEach((value, i) => {
            expect(data.x[i], `element ${i}`).to.be.closeTo(value, 1e-6);
          });
        }
        if (wanted.count !== undefined) expect(data.count).to.equal(wanted.count);
        expect(data.count * (data.x.length / data.count)).to.equal(data.x.length);
        if (wanted.labels !== undefined) {
          expect(data.labels && [...data.labels]).to.deep.equal(wanted.labels);
        }
        if (wanted.classes !== undefined) expect(data.classes).to.deep.equal(wanted.classes);
        expect(data.parts && [...data.parts]).to.deep.equal(wanted.parts);
        expect(data.shape).to.deep.equal(options.shape);
      });
    }
  }

  it('resampling keeps a tone, and removes one that the lower rate cannot hold', async () => {
    const tone = (hertz: number, rate: number) =>
      f32(...Array.from({ length: 2000 }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate)));
    for (const [from, to] of [
      [8000, 16000],
      [16000, 8000],
      [44100, 16000],
    ] as const) {
      const files = {
        '1.wav': wav(tone(440, from), { rate: from }),
        '2.wav': wav(tone(880, from), { rate: from }),
        '3.wav': wav(tone(0.49 * from, from), { rate: from }),
      };
      const { x } = await inFolder(files, (folder) =>
        loadDataset(folder, { shape: [600], sampleRate: to }),
      );
      for (const [sample, hertz] of [
        [0, 440],
        [1, 880],
      ] as const) {
        for (let i = 100; i < 500; i += 1) {
          const wanted = Math.sin((2 * Math.PI * hertz * i) / to);
          expect(x[600 * sample + i], `${from} to ${to}, sample ${i}`).to.be.closeTo(wanted, 2e-3);
        }
      }
      const loudest = Math.max(...x.subarray(1300, 1700).map(Math.abs));
      if (to < from) expect(loudest).to.be.below(0.01);
    }
  });
});
