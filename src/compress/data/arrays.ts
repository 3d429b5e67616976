/** Folders of .npy files and .npz: x and y, or x_train, y_train, x_test … */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { readInput } from '../../files.js';
import { printable } from '../../printable.js';
import { joinedRows } from '../rows.js';
import { badData, type Part } from './dataset.js';
import { type NpyArray, type NpySource, readNpy } from './npy.js';
import { type Ports, portNamed, portNames } from './ports.js';
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
import { checkWidth, describedNumbers, wantedOf } from './wanted.js';
import { type ZipEntry, zipEntries } from './zip.js';

/** What an array is for: a port of the model, in a part of the samples ('': not divided). */
interface Role {
  readonly letter: 'x' | 'y';
  readonly port: number;
  readonly suffix: string;
}

/** Of 'x.npy', 'x_train.npy', 'x0-test.npy', 'NAME_validation.npy' …; null for any other file. */
function roleOf(file: string, { inputs, outputs }: Ports): Role | null {
  if (!/\.npy$/i.test(file)) return null;
  const name = file.slice(0, -'.npy'.length);
  const [, base = name, suffix = ''] = /^(.+?)[_-]([a-z]+)$/i.exec(name) ?? [];
  const divided = /^[xy]\d*$/i.test(base) || partOf(suffix) !== null;
  for (const [own, rest] of [[name, ''] as const, ...(divided ? [[base, suffix] as const] : [])]) {
    for (const [letter, ports] of [['x', inputs] as const, ['y', outputs] as const]) {
      const port = portNamed(ports, letter, own);
      if (port >= 0) return { letter, port, suffix: rest.toLowerCase() };
    }
  }
  return null;
}

const onePort: Ports = {
  inputs: [{ name: 'x', shape: [] }],
  outputs: [{ name: 'y', shape: [] }],
  end: 'numbers',
};

/** Whether a folder with these files is one of arrays. */
export function hasArrays(names: readonly string[], { ports = onePort }: LoadOptions): boolean {
  return names.some((name) => roleOf(name, ports) !== null);
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
  if (!hasArrays(names, options)) {
    const message = `holds ${printable(names.slice(0, 9).join(', ')) || 'nothing'}, and no x.npy`;
    throw badData(path, message, saveHint(options));
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

function saveHint({ ports = onePort }: LoadOptions): string {
  const [x, y] = [portNames(ports.inputs, 'x'), portNames(ports.outputs, 'y')];
  return ports.inputs.length === 1 && ports.outputs.length === 1
    ? 'save it with np.savez(file, x=x, y=y)'
    : `save the inputs as ${x}, the outputs as ${y}: np.savez(file, x0=…, x1=…)`;
}

function samplesOf(
  where: string,
  names: readonly string[],
  read: (name: string) => NpyArray,
  options: LoadOptions,
): Samples {
  const { ports = onePort } = options;
  const roles = names.flatMap((name) => {
    const role = roleOf(name, ports);
    return role === null ? [] : [{ name, ...role }];
  });
  const suffixes = new Set(roles.flatMap(({ letter, suffix }) => (letter === 'x' ? suffix : [])));
  if (suffixes.size === 0) throw badData(where, 'has no x.npy', 'save the samples as x');
  const parts = [...suffixes].sort().map((suffix): Samples & { part: Part | null } => {
    const part = partOf(suffix);
    if (suffix !== '' && part === null) {
      const message = `has an array x_${printable(suffix)}, of which nothing is known`;
      throw badData(where, message, 'name arrays x, x_train, x_validation and x_test');
    }
    const filesOf = (letter: 'x' | 'y') =>
      (letter === 'x' ? ports.inputs : ports.outputs).map((_, port) => {
        const file = roles.find(
          (role) => role.letter === letter && role.port === port && role.suffix === suffix,
        );
        return file?.name ?? null;
      });
    const all = (letter: 'x' | 'y', files: readonly (string | null)[]) =>
      files.map((name, i) => {
        if (name !== null) return { array: read(name), at: `${where}: ${name}` };
        const port = letter === 'x' ? ports.inputs[i] : ports.outputs[i];
        const message = `has no array for "${port?.name}", beside others of the model`;
        throw badData(where, message, saveHint(options));
      });
    const answers = filesOf('y');
    const given = answers.every((name) => name === null) ? [] : all('y', answers);
    const { count, elements } = inputsOf(where, all('x', filesOf('x')), options);
    // The samples are read when all else fits.
    const wanted = answersOf(where, given, count, options);
    return { where, count, x: elements(), ...wanted, part };
  });
  return joined(where, parts);
}

interface Placed {
  readonly array: NpyArray;
  /** For messages. */
  readonly at: string;
}

/** Samples whose type and shape fit; the elements of all inputs, side by side, are read afterwards. */
function inputsOf(where: string, arrays: readonly Placed[], options: LoadOptions) {
  const shapes = options.ports?.inputs.map(({ shape }) => shape) ?? [options.shape];
  const inputs = arrays.map(({ array, at }, i) => inputOf(array, at, shapes[i] ?? [], options));
  const [{ count } = { count: 0 }] = inputs;
  const other = inputs.find((input) => input.count !== count);
  if (other !== undefined) {
    const message = `has ${count} samples of one input and ${other.count} of another`;
    throw badData(where, message, 'give every input the same samples, in the same order');
  }
  const rows = () => inputs.map(({ elements }) => elements());
  return { count, elements: () => joinedRows(rows(), count) };
}

/** Labels of classes, or numbers of all outputs of a sample, side by side. */
function answersOf(
  where: string,
  arrays: readonly Placed[],
  count: number,
  options: LoadOptions,
): Pick<Samples, 'labels' | 'targets'> {
  const [first] = arrays;
  if (first === undefined) return { labels: null };
  const { type, data, shape } = first.array;
  for (const { array, at } of arrays) checkCount(array, at, count);
  const size = elementCount(shape.slice(1));
  const isReal = type.startsWith('f');
  // What rows are for is told by their length: only of single numbers the values are looked at.
  const found =
    size === 1 ? describedNumbers(data(), size, isReal) : { size, isReal, isBinary: false };
  if (wantedOf(first.at, found, options) === 'classes') {
    return { labels: labelsOf(first.array, first.at, options.task === 'classes') };
  }
  const width = arrays.reduce((sum, { array }) => sum + elementCount(array.shape.slice(1)), 0);
  checkWidth(where, width, options.ports);
  const rows = arrays.map(({ array }) => Float32Array.from(array.data()));
  return { labels: null, targets: joinedRows(rows, count) };
}

function checkCount({ type, shape }: NpyArray, where: string, samples: number): void {
  const [count = 0] = shape;
  if (count === samples) return;
  if (shape.length === 1 && !type.startsWith('f')) throw wrongCount(where, count, samples);
  const message = `has ${count} rows for ${samples} samples`;
  throw badData(where, message, 'give a row for each sample');
}

function inputOf(
  { type, shape, data }: NpyArray,
  where: string,
  wanted: Shape,
  options: LoadOptions,
) {
  const [count = 0, ...sample] = shape;
  if (!['u1', 'f2', 'f4', 'f8'].includes(type)) {
    const hint = "save it as float32 or uint8: x.astype('float32')";
    throw badData(where, `holds elements of the type ${type}`, hint);
  }
  if (count > 0 && (elementCount(sample) === 0 || !fits(sample, wanted))) {
    throw misfit(where, sample, { shape: wanted });
  }
  checkRoom(where, count, options.shape);
  const elements = () =>
    type === 'u1' ? Float32Array.from(data(), byteScale(options)) : Float32Array.from(data());
  return { count, elements };
}

function labelsOf(
  { type, shape, data }: NpyArray,
  where: string,
  isAsked: boolean,
): readonly number[] {
  const isVector = shape.length === 1 || (shape.length === 2 && shape[1] === 1);
  // Asked for classes, whole numbers of any type are indices; others are refused by their range.
  if ((isAsked || /^[iub]/.test(type)) && isVector) return Array.from(data());
  throw badData(
    where,
    `holds ${type} of the shape [${shape.join(', ')}]; labels are one integer for each sample`,
    "save class indices: y.astype('int32'), or y.argmax(1) of one-hot rows",
  );
}
