/** Folders of .npy files and .npz: x and y, or x_train, y_train, x_test … */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readInput } from '../../files.js';
import { elementCount } from '../../ir/graph.js';
import { printable } from '../../printable.js';
import { badData, type Part } from './dataset.js';
import { type NpyArray, type NpySource, readNpy } from './npy.js';
import {
  byteScale,
  checkRoom,
  fits,
  joined,
  type LoadOptions,
  misfit,
  parsed,
  partOf,
  type Samples,
  wrongCount,
} from './samples.js';
import { type ZipEntry, zipEntries } from './zip.js';

const arrayName = /^([xy])(?:[_-](\w+))?\.npy$/i;

/** Whether a folder with these files is one of arrays. */
export function hasArrays(names: readonly string[]): boolean {
  return names.some((name) => arrayName.test(name));
}

export function readArrayFolder(
  path: string,
  names: readonly string[],
  options: LoadOptions,
): Samples {
  return samplesOf(path, names, (name) => readNpy(fileSource(join(path, name))), options);
}

/** A .npy file alone is x, without labels. */
export function readArrayFile(path: string, options: LoadOptions): Samples {
  return samplesOf(path, ['x.npy'], () => readNpy(fileSource(path)), options);
}

function fileSource(path: string): NpySource {
  const start = (bytes: number) => readInput(path, 'data', { from: 0, bytes });
  return { where: path, bytes: statSync(path).size, start, whole: () => readInput(path, 'data') };
}

/** A zip archive of .npy files. */
export function readNpz(path: string, options: LoadOptions): Samples {
  const unpacked = <T>(work: () => T) =>
    parsed(path, '.npz archive', 'save it again with np.savez', work);
  const entries = unpacked(() => zipEntries(path));
  const names = entries.map(({ name }) => name);
  if (!hasArrays(names)) {
    const message = `holds ${printable(names.slice(0, 9).join(', ')) || 'nothing'}, and no x.npy`;
    throw badData(path, message, 'save it with np.savez(file, x=x, y=y)');
  }
  const read = (name: string) => {
    const entry = entries.find((other) => other.name === name) as ZipEntry;
    return readNpy({
      ...{ where: `${path}: ${name}`, bytes: entry.bytes },
      start: (bytes) => unpacked(() => entry.start(bytes)),
      whole: () => unpacked(() => entry.whole()),
    });
  };
  return samplesOf(path, names, read, options);
}

function samplesOf(
  where: string,
  names: readonly string[],
  read: (name: string) => NpyArray,
  options: LoadOptions,
): Samples {
  const fileOf = (letter: string, suffix: string) =>
    names.find((name) => {
      const [, found, rest = ''] = arrayName.exec(name) ?? [];
      return found?.toLowerCase() === letter && rest.toLowerCase() === suffix;
    });
  const suffixes = names
    .map((name) => arrayName.exec(name))
    .filter((match) => match?.[1]?.toLowerCase() === 'x')
    .map((match) => (match?.[2] ?? '').toLowerCase());
  if (suffixes.length === 0) throw badData(where, 'has no x.npy', 'save the samples as x');
  const parts = [...suffixes].sort().map((suffix): Samples & { part: Part | null } => {
    const part = partOf(suffix);
    if (suffix !== '' && part === null) {
      const message = `has an array x_${printable(suffix)}, of which nothing is known`;
      throw badData(where, message, 'name arrays x, x_train, x_validation and x_test');
    }
    const labels = fileOf('y', suffix);
    const samples = fileOf('x', suffix) as string;
    const x = checkedInputs(read(samples), `${where}: ${samples}`, options);
    const given = labels === undefined ? null : read(labels);
    return {
      ...{ where, count: x.count },
      labels: given === null ? null : labelsOf(given, x.count, `${where}: ${labels}`),
      ...{ x: x.elements(), part },
    };
  });
  return joined(where, parts);
}

/** Samples whose type and shape fit; their elements are read afterwards. */
function checkedInputs({ type, shape, data }: NpyArray, where: string, options: LoadOptions) {
  const [count = 0, ...sample] = shape;
  if (!['u1', 'f2', 'f4', 'f8'].includes(type)) {
    const hint = "save it as float32 or uint8: x.astype('float32')";
    throw badData(where, `holds elements of the type ${type}`, hint);
  }
  if (count > 0 && (elementCount(sample) === 0 || !fits(sample, options.shape))) {
    throw misfit(where, sample, options);
  }
  checkRoom(where, count, options.shape);
  const elements = () =>
    type === 'u1' ? Float32Array.from(data(), byteScale(options)) : Float32Array.from(data());
  return { count, elements };
}

function labelsOf(
  { type, shape, data }: NpyArray,
  samples: number,
  where: string,
): readonly number[] {
  const isVector = shape.length === 1 || (shape.length === 2 && shape[1] === 1);
  if (isVector && shape[0] !== samples) throw wrongCount(where, shape[0] ?? 0, samples);
  if (/^[iub]/.test(type) && isVector) return Array.from(data());
  throw badData(
    where,
    `holds ${type} of the shape [${shape.join(', ')}]; labels are one integer for each sample`,
    "save class indices: y.astype('int32'), or y.argmax(1) of one-hot rows",
  );
}
