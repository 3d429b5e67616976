/** Damaged files of every format but .tflite (mutants.ts), by number, and what becomes of each. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { encode as encodePng } from 'fast-png';
import { zipSync } from 'fflate';
import jpeg from 'jpeg-js';
import { readManifest } from '../../src/boards/build/directory.js';
import { stamp } from '../../src/boards/build/image-record.js';
import { sumsFile, sumsOf } from '../../src/boards/build/sums.js';
import { makeUf2 } from '../../src/boards/build/uf2.js';
import { checkRecord } from '../../src/boards/flash/image-check.js';
import { readVectors } from '../../src/boards/profile/vectors.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { measuredCosts, parseCosts } from '../../src/boards/target/measured.js';
import { checkLabels, readLabels } from '../../src/compiler/codegen/labels.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { loadDataset } from '../../src/compress/data/load.js';
import type { LoadOptions } from '../../src/compress/data/samples.js';
import { readRecipe } from '../../src/compress/recipe.js';
import { loadCheckpoint, saveCheckpoint } from '../../src/compress/train/checkpoint.js';
import { readConfig } from '../../src/config.js';
import { BonsaiError } from '../../src/errors.js';
import { readInput } from '../../src/files.js';
import { readModelFile } from '../../src/model-file.js';
import { inspectModel } from '../../src/pipeline/inspect.js';
import { compile } from '../../src/pipeline.js';
import { type Files, idx, inFolder, npy, wav } from '../compress/data/files.js';
import {
  filesOf,
  functionalModel,
  graphModel,
  type Json,
  layersModel,
} from '../formats/tfjs-models.js';
import { damaged } from './fuzz-import.js';
import { Random } from './module.js';
import { once } from './once.js';

type Contents = Uint8Array | string;

/** A form of input: valid files, the one that is damaged, and what reads them. */
interface Format {
  readonly files: Files;
  readonly victim: string;
  /** What the damaged file is packed in, after it was damaged. */
  readonly pack?: (files: Files) => Files;
  /** @throws BonsaiError for what it refuses */
  read(folder: string): unknown;
}

const options: CompileOptions = {
  optimize: 'balanced',
  rounding: 'tflm',
  faithful: false,
  keepInput: false,
  xip: 'model',
};

const example = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../examples/activity/${name}`, import.meta.url)));

const activity = once(() => {
  const path = 'activity.tflite';
  const target = loadTarget('stm32f405');
  return compile({ bytes: example(path), path, target, options });
});

const text = (json: unknown) => JSON.stringify(json, null, 1);

/** Of TensorFlow.js: as far as C, since only few of them are refused by what they say. */
function modelFormat(make: () => Json): Format {
  return {
    files: { 'model.json': text(make()), ...Object.fromEntries(filesOf.get(make) ?? []) },
    victim: 'model.json',
    read(folder) {
      const path = join(folder, 'model.json');
      const bytes = readModelFile(path);
      const { fault } = inspectModel({ bytes, path, options });
      if (fault !== null) throw fault;
      compile({ bytes, path, options, target: loadTarget('stm32f405') });
    },
  };
}

/** Samples, damaged before they are packed. */
function dataFormat(
  files: Files,
  victim: string,
  given: Partial<LoadOptions>,
  path = victim,
  pack?: Format['pack'],
): Format {
  const read = (folder: string) => loadDataset(join(folder, path), { shape: [2], ...given });
  return { files, victim, ...(pack === undefined ? {} : { pack }), read };
}

const x = npy(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]);
const y = npy(Int32Array.of(0, 1, 0));
const zipped = (files: Files): Files => ({
  'a.npz': zipSync(
    Object.fromEntries(Object.entries(files).map(([name, data]) => [name, Buffer.from(data)])),
  ),
});
const gzipped = (files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([name, data]) => [`${name}.gz`, gzipSync(data)]));
const image = { width: 4, height: 4 };
const pixels = Uint8Array.from({ length: 64 }, (_, i) => 4 * i);
const black = new Uint8Array(64);
const pngOf = (data: Uint8Array) => encodePng({ ...image, channels: 4, data });
const jpegOf = (data: Uint8Array) => jpeg.encode({ ...image, data }, 90).data;
const tone = (step: number) => wav(Int16Array.from({ length: 32 }, (_, i) => step * i));
/** Others than the files': they are resized. */
const pictures = { shape: [5, 3, 3] };
const sounds = { shape: [40], sampleRate: 16_000 };
const idxImages = 'images-idx3-ubyte';
const idxFiles = {
  [idxImages]: idx(Uint8Array.of(1, 2, 3, 4), [2, 2, 1]),
  'labels-idx1-ubyte': idx(Uint8Array.of(0, 1), [2]),
};

const table = `a,b,label\n1,2,walk\n3,"4",run\n5e-1,-6,walk\n`;
const recipe = {
  steps: [
    { step: 'prune', share: 0.5, epochs: 2, teachers: ['original'] },
    { step: 'quantize', calibration: 'auto', layers: { dense: { activations: 'int16' } } },
    { step: 'train', epochs: 3, rateSchedule: [{ until: 1, shape: 'cosine', to: 0 }] },
  ],
};
const config = {
  model: 'a.tflite',
  target: 'rp2040',
  goal: 'speed',
  maxRam: 9000,
  shape: ['x=1,2'],
  cc: 'gcc -O2',
};

const record = Buffer.from(`bonsaic:rp2040\x000.1.0\0kws\0${'0'.repeat(16)}\0`);
const raw = Buffer.concat([Buffer.alloc(700, 0x5a), record, Buffer.alloc(500, 0xa5)]);
const [stamped = raw] = stamp(raw, [raw]);

function imageFormat(victim: string, file: Uint8Array): Format {
  const target = loadTarget('rp2040');
  return {
    ...{ files: { [victim]: file }, victim },
    read(folder) {
      const path = join(folder, victim);
      checkRecord({ path, bytes: readInput(path, 'image') }, target, false);
    },
  };
}

const costs = once(() => {
  const { costs: all } = loadTarget('stm32f405');
  const { speed, balanced } = all;
  return text({ costUnit: 'cycles', costs: { speed, balanced } });
});

const directory = once((): Files => {
  const files = Object.fromEntries(activity().emission.files);
  return { ...files, [sumsFile]: sumsOf(new Map(Object.entries(files))) };
});

/** Its file is damaged before the sums are made of it, or the sums are. */
function projectFormat(victim: string, pack?: Format['pack']): Format {
  const read = (folder: string) => readManifest(folder);
  return { files: directory(), victim, ...(pack === undefined ? {} : { pack }), read };
}

const formats = once(
  (): Readonly<Record<string, Format>> => ({
    layers: modelFormat(layersModel),
    functional: modelFormat(functionalModel),
    graph: modelFormat(graphModel),
    vectors: {
      files: { 'vectors.json': example('vectors.json').toString() },
      victim: 'vectors.json',
      read(folder) {
        const { plan } = activity().emission.manifest;
        const path = join(folder, 'vectors.json');
        readVectors(readInput(path, 'vectors'), path, plan);
      },
    },
    labels: {
      files: { 'labels.json': example('labels.json').toString() },
      victim: 'labels.json',
      read(folder) {
        const path = join(folder, 'labels.json');
        checkLabels(readLabels(readInput(path, 'labels'), path), activity().emission.manifest.plan);
      },
    },
    config: {
      files: { 'bonsaic.json': text(config) },
      victim: 'bonsaic.json',
      read: (folder) => readConfig(join(folder, 'bonsaic.json')),
    },
    recipe: {
      files: { 'recipe.json': text(recipe) },
      victim: 'recipe.json',
      read: (folder) => readRecipe(join(folder, 'recipe.json')),
    },
    costs: {
      files: { 'costs.json': costs() },
      victim: 'costs.json',
      read(folder) {
        const path = join(folder, 'costs.json');
        const kept = parseCosts(
          measuredCosts,
          Buffer.from(readInput(path, 'config')).toString(),
          path,
        );
        const target = loadTarget('stm32f405');
        const all = { ...target.costs, ...kept.costs };
        const bytes = example('activity.tflite');
        compile({ bytes, path: 'a.tflite', options, target: { ...target, ...kept, costs: all } });
      },
    },
    'x.npy': dataFormat({ 'x.npy': x, 'y.npy': y }, 'x.npy', {}, ''),
    'y.npy': dataFormat({ 'x.npy': x, 'y.npy': y }, 'y.npy', {}, ''),
    'inside .npz': dataFormat({ 'x.npy': x, 'y.npy': y }, 'x.npy', {}, 'a.npz', zipped),
    '.npz': dataFormat(zipped({ 'x.npy': x, 'y.npy': y }), 'a.npz', {}),
    '.csv': dataFormat({ 'a.csv': table }, 'a.csv', {}),
    idx: dataFormat(idxFiles, idxImages, {}, ''),
    'idx.gz': dataFormat(gzipped(idxFiles), `${idxImages}.gz`, {}, ''),
    'inside idx.gz': dataFormat(idxFiles, idxImages, {}, '', gzipped),
    png: dataFormat({ 'a/1.png': pngOf(pixels), 'b/2.png': pngOf(black) }, 'a/1.png', pictures, ''),
    jpeg: dataFormat(
      { 'a/1.jpg': jpegOf(pixels), 'b/2.jpg': jpegOf(black) },
      'a/1.jpg',
      pictures,
      '',
    ),
    wav: dataFormat({ 'a/1.wav': tone(900), 'b/2.wav': tone(300) }, 'a/1.wav', sounds, ''),
    manifest: projectFormat('bonsai.json', (files) => {
      return { ...files, [sumsFile]: sumsOf(new Map(Object.entries(files))) };
    }),
    sums: projectFormat(sumsFile),
    checkpoint: {
      files: checkpointFiles(),
      victim: 'checkpoint',
      read: (folder) => loadCheckpoint(join(folder, 'checkpoint'), 'job'),
    },
    uf2: imageFormat('a.uf2', makeUf2(stamped, 0x10000000, 0xe48bff56)),
    bin: imageFormat('a.bin', stamped),
  }),
);

/** As `saveCheckpoint` writes it. */
function checkpointFiles(): Files {
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-checkpoint-'));
  const path = join(folder, 'checkpoint');
  const arrays = new Map([['w', Float32Array.of(1, 2, 3)]]);
  saveCheckpoint(path, 'job', { progress: { epoch: 3 }, arrays });
  const checkpoint = readFileSync(path);
  rmSync(folder, { recursive: true });
  return { checkpoint };
}

/** Numbers, strings, names and marks of JSON, tables and Python's headers of arrays. */
const token = /"(?:[^"\\]|\\.)*"|'[^']*'|-?[\w.+]+|[^\s\w]/g;
const edges = [
  ...[
    '0',
    '-1',
    '1',
    '2',
    '0.5',
    '-0',
    '1e999',
    '1e-320',
    '4294967296',
    '9007199254740993',
    '2147483647',
  ],
  ...[
    'null',
    'true',
    'NaN',
    '""',
    '"__proto__"',
    '"x"',
    '[]',
    '{}',
    '[[]]',
    '[null]',
    '{"":{}}',
    '"\\u0000"',
  ],
  ...[',', '\n', '"', '\0', '\ufeff', '[', '{', '-', '\\', '"../../etc/passwd"', '".."'],
];
/** The most that a damaged file grows to. */
const mostBytes = 2 ** 20;

/** Text whose tokens were replaced, left out, swapped or repeated. */
function textDamaged(text: string, random: Random): string {
  const pieces = [...text.matchAll(token)].map(
    ({ 0: found, index }) => [index, found.length] as const,
  );
  if (pieces.length === 0) return random.pick(edges);
  const [at, length] = random.pick(pieces);
  const [other, otherLength] = random.pick(pieces);
  const [before, found, after] = [
    text.slice(0, at),
    text.slice(at, at + length),
    text.slice(at + length),
  ];
  switch (random.integer(0, 6)) {
    case 0:
      return before + after;
    case 1:
      return before + text.slice(other, other + otherLength) + after;
    case 2: {
      const [from, to] = at < other ? [at, other] : [other, at];
      const stretch = text.slice(from, to);
      const times = Math.min(2 ** random.integer(0, 14), mostBytes / (stretch.length + 1));
      return text.slice(0, from) + stretch.repeat(times) + text.slice(from);
    }
    case 3:
      return (
        before + random.pick(['[', '{"a":', '"', '(']).repeat(2 ** random.integer(0, 16)) + after
      );
    case 4:
      return (
        before +
        (/^-?\d/.test(found)
          ? String(random.pick([-1, 1, 2, 1e9]) * Number(found))
          : found + found) +
        after
      );
    default:
      return before + random.pick(edges) + after;
  }
}

/** Bytes that are repeated, left out, or put elsewhere; or bits, words and ends (`damaged`). */
function bytesDamaged(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length < 8) return Uint8Array.of(...bytes, random.integer(0, 255));
  const from = random.integer(0, bytes.length - 1);
  const stretch = bytes.subarray(from, from + 2 ** random.integer(0, 12));
  switch (random.integer(0, 5)) {
    case 0:
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + stretch.length)]);
    case 1: {
      const times = Math.min(2 ** random.integer(0, 10), Math.floor(mostBytes / stretch.length));
      const repeated = Array.from({ length: times }, () => stretch);
      return Buffer.concat([bytes.subarray(0, from), ...repeated, bytes.subarray(from)]);
    }
    case 2: {
      // Lengths in the other order of bytes, as PNG, JPEG and idx have them.
      const copy = Buffer.from(bytes);
      const place = random.integer(0, copy.length - 4);
      copy.writeUInt32BE(random.pick([0, 1, 255, 65535, 2 ** 24, 2 ** 31 - 1, 2 ** 32 - 1]), place);
      return copy;
    }
    default:
      return damaged(Uint8Array.from(bytes), random);
  }
}

/** Whether tokens are the way in which the contents are read. */
function isText(contents: Contents): contents is string {
  return typeof contents === 'string';
}

function damagedContents(contents: Contents, random: Random): Contents {
  let bytes = contents;
  for (let count = random.integer(1, 3); count > 0; count--) {
    bytes =
      isText(bytes) && random.integer(0, 4) > 0
        ? textDamaged(bytes, random)
        : bytesDamaged(Buffer.from(bytes), random);
  }
  return bytes;
}

export interface HostileFile {
  readonly name: string;
  readonly fileBytes: number;
  /** 'read', or the code of the error that refuses it. @throws any other exception, which is a fault of bonsaic */
  run(): Promise<string>;
}

export const formatNames = once(() => Object.keys(formats()));

/** Damaged file `number`: the same for the same number. */
export function damagedFile(number: number): HostileFile {
  const random = new Random(number * 7_919 + 29);
  const names = formatNames();
  const name = names[number % names.length] as string;
  return fileOf(name, (contents) => damagedContents(contents, random));
}

/** A file as it should be. */
export function wholeFile(name: string): HostileFile {
  return fileOf(name, (contents) => contents);
}

function fileOf(name: string, change: (contents: Contents) => Contents): HostileFile {
  const { files, victim, pack, read } = formats()[name] as Format;
  const whole = { ...files, [victim]: change(files[victim] as Contents) };
  const packed = pack?.(whole) ?? whole;
  const fileBytes = Math.max(...Object.values(packed).map((data) => data.length));
  return {
    name,
    fileBytes,
    run: () => inFolder(packed, (folder) => outcomeOf(() => read(folder))),
  };
}

async function outcomeOf(read: () => unknown): Promise<string> {
  try {
    await read();
    return 'read';
  } catch (error) {
    if (error instanceof BonsaiError) return error.code;
    throw error;
  }
}
