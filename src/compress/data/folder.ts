/**
 * Folders of recordings and images: CLASS/file, or PART/CLASS/file with parts train, validation and
 * test, or files alone, without labels.
 */
import { type Dirent, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { elementCount, type Shape } from '../../compiler/ir/graph.js';
import { readInput } from '../../files.js';
import { printable } from '../../printable.js';
import { badData, partNames } from './dataset.js';
import { type ImageReader, imageExtents, jpegReader, pngReader, resized } from './image.js';
import { byteScale, checkRoom, type LoadOptions, misfit, partOf, type Samples } from './samples.js';
import { readWav, resampled } from './wav.js';

interface Found {
  readonly path: string;
  readonly label: string | null;
  /** Index in `partNames`; null where the folder is not divided. */
  readonly part: number | null;
}

export async function readFolder(path: string, options: LoadOptions): Promise<Samples> {
  const found = samplesIn(path);
  if (found.length === 0) {
    const hint = 'give a folder for each class, with .wav, .png or .jpg files';
    throw badData(path, 'has no samples', hint);
  }
  const size = elementCount(options.shape);
  checkRoom(path, found.length, options.shape);
  const decode = decoderFor(options);
  const x = new Float32Array(found.length * size);
  for (const [i, { path: file }] of found.entries()) x.set(await decode(file), i * size);
  return {
    ...{ where: path, count: found.length, x },
    labels: found.some(({ label }) => label !== null)
      ? found.map(({ label }) => label ?? '')
      : null,
    ...(found.some(({ part }) => part === null)
      ? {}
      : { parts: Uint8Array.from(found, ({ part }) => part ?? 0) }),
  };
}

/** Files in the order of their names, so that every machine reads the same data. */
function samplesIn(path: string): readonly Found[] {
  const { folders, files } = listed(path);
  const parts = folders.filter((name) => partOf(name) !== null);
  if (parts.length > 0 && parts.length === folders.length && files.length === 0) {
    return parts.flatMap((name) => {
      const part = partNames.indexOf(partOf(name) ?? 'train');
      return classesIn(join(path, name)).map((found) => ({ ...found, part }));
    });
  }
  return classesIn(path);
}

function classesIn(path: string): readonly Found[] {
  const { folders, files } = listed(path);
  const [stray] = files;
  if (folders.length > 0 && stray !== undefined) {
    const message = `has the file "${printable(stray)}" beside folders of classes`;
    throw badData(path, message, 'move it into the folder of its class');
  }
  const sample = (folder: string, name: string, label: string | null): Found => {
    if (!kinds.has(extname(name).toLowerCase())) {
      const message = 'is no .wav, .png or .jpg file';
      throw badData(join(folder, printable(name)), message, 'convert or remove it');
    }
    return { path: join(folder, name), label, part: null };
  };
  if (folders.length === 0) return files.map((name) => sample(path, name, null));
  return folders.flatMap((label) => {
    const folder = join(path, label);
    const inside = listed(folder);
    if (inside.folders.length > 0) {
      const message = `has folders of its own ("${printable(inside.folders[0] ?? '')}")`;
      throw badData(folder, message, 'put the files of a class into one folder');
    }
    if (inside.files.length === 0) {
      const message = `class "${printable(label)}" has no samples`;
      throw badData(folder, message, 'add samples of the class, or remove its folder');
    }
    return inside.files.map((name) => sample(folder, name, label));
  });
}

/** What systems leave in folders that people look at. */
const ignored = /^(\..*|Thumbs\.db|desktop\.ini)$/i;

function listed(path: string): { folders: string[]; files: string[] } {
  const entries = readdirSync(path, { withFileTypes: true }).filter(
    ({ name }) => !ignored.test(name),
  );
  const namesOf = (isWanted: (entry: Dirent) => boolean) =>
    entries
      .filter(isWanted)
      .map(({ name }) => name)
      .sort();
  return {
    folders: namesOf((entry) => entry.isDirectory()),
    files: namesOf((entry) => !entry.isDirectory()),
  };
}

const kinds: ReadonlyMap<string, 'wav' | 'png' | 'jpeg'> = new Map([
  ['.wav', 'wav'],
  ['.png', 'png'],
  ['.jpg', 'jpeg'],
  ['.jpeg', 'jpeg'],
]);

/** A function that gives the elements of one file. */
function decoderFor(options: LoadOptions): (path: string) => Promise<Float32Array> {
  let rate = options.sampleRate;
  const readers = new Map<string, ImageReader>();
  const length = soundLength(options.shape);
  const extents = imageExtents(options.shape);
  const scaled = byteScale(options);
  return async (path) => {
    const kind = kinds.get(extname(path).toLowerCase()) ?? 'wav';
    const bytes = readInput(path, 'sample');
    if (kind === 'wav') {
      const recording = readWav(bytes, path);
      if (length === null) throw misfit(path, [recording.samples.length], options);
      rate ??= recording.sampleRate;
      return resampled(recording, rate, length);
    }
    const reader = readers.get(kind) ?? (await (kind === 'png' ? pngReader : jpegReader)());
    readers.set(kind, reader);
    const image = reader(bytes, path);
    if (extents === null) throw misfit(path, [image.height, image.width, image.channels], options);
    return resized(image, extents).map(scaled);
  };
}

/** Of [samples] and [samples, 1] (or [1, samples, 1], as graphs hold it); null for other shapes. */
function soundLength(shape: Shape): number | null {
  return shape.filter((extent) => extent !== 1).length <= 1 ? elementCount(shape) : null;
}
