/** Folders of .npy files and .npz: x and y, or x_train, y_train, x_test … */
import { join } from 'node:path';
import { readInput } from '../../files.js';
import { elementCount } from '../../ir/graph.js';
import { printable } from '../../printable.js';
import { badData, type Part } from './dataset.js';
import { type NpyArray, readNpy } from './npy.js';
import {
  byteScale,
  checkRoom,
  fits,
  joined,
  type LoadOptions,
  maxElements,
  misfit,
  parsed,
  partOf,
  type Samples,
} from './samples.js';

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
  const read = (name: string) => readNpy(readInput(join(path, name), 'data'), join(path, name));
  return samplesOf(path, names, read, options);
}

/** A .npy file alone is x, without labels. */
export function readArrayFile(path: string, options: LoadOptions): Samples {
  return samplesOf(path, ['x.npy'], () => readNpy(readInput(path, 'data'), path), options);
}

/** A zip archive of .npy files. */
export async function readNpz(path: string, options: LoadOptions): Promise<Samples> {
  const { unzipSync } = await import('fflate');
  const bytes = readInput(path, 'data');
  // Sizes come from the archive's directory, before anything is unpacked.
  let declared = 0;
  const names: string[] = [];
  const filter = ({ name, originalSize }: { name: string; originalSize: number }) => {
    names.push(name);
    if (!arrayName.test(name)) return false;
    declared += originalSize;
    if (declared > 8 * maxElements) {
      throw badData(path, `declares ${declared} bytes of arrays`, 'give fewer samples');
    }
    return true;
  };
  const saveAgain = 'save it again with np.savez';
  const files = new Map(
    Object.entries(parsed(path, '.npz archive', saveAgain, () => unzipSync(bytes, { filter }))),
  );
  if (!hasArrays(names)) {
    const message = `holds ${printable(names.slice(0, 9).join(', ')) || 'nothing'}, and no x.npy`;
    throw badData(path, message, 'save it with np.savez(file, x=x, y=y)');
  }
  const read = (name: string) => readNpy(files.get(name) ?? new Uint8Array(), `${path}: ${name}`);
  return samplesOf(path, [...files.keys()], read, options);
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
    return {
      where,
      ...inputsOf(read(samples), `${where}: ${samples}`, options),
      labels: labels === undefined ? null : labelsOf(read(labels), `${where}: ${labels}`),
      part,
    };
  });
  return joined(where, parts);
}

function inputsOf({ type, shape, data }: NpyArray, where: string, options: LoadOptions) {
  const [count = 0, ...sample] = shape;
  if (!['u1', 'f2', 'f4', 'f8'].includes(type)) {
    const hint = "save it as float32 or uint8: x.astype('float32')";
    throw badData(where, `holds elements of the type ${type}`, hint);
  }
  if (count > 0 && (elementCount(sample) === 0 || !fits(sample, options.shape))) {
    throw misfit(where, sample, options);
  }
  checkRoom(where, count, options.shape);
  const x = type === 'u1' ? Float32Array.from(data, byteScale(options)) : Float32Array.from(data);
  return { x, count };
}

function labelsOf({ type, shape, data }: NpyArray, where: string): readonly number[] {
  const isVector = shape.length === 1 || (shape.length === 2 && shape[1] === 1);
  if (/^[iub]/.test(type) && isVector) return Array.from(data);
  throw badData(
    where,
    `holds ${type} of the shape [${shape.join(', ')}]; labels are one integer for each sample`,
    "save class indices: y.astype('int32'), or y.argmax(1) of one-hot rows",
  );
}
