/** Data of any known form → samples in memory. */
import { readdirSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { foreignOf } from '../../compiler/formats/foreign-files.js';
import { BonsaiError } from '../../errors.js';
import { readInput } from '../../files.js';
import { hasArrays, readArrayFile, readArrayFolder, readNpz } from './arrays.js';
import { readCsv } from './csv.js';
import type { Dataset } from './dataset.js';
import { readFolder } from './folder.js';
import { isIdx, readIdx } from './idx.js';
import { portNames } from './ports.js';
import { datasetOf, type LoadOptions, type Samples } from './samples.js';
import { readScript, scriptExtensions } from './script.js';

const forms =
  'give a folder of classes (.wav, .png, .jpg), x.npy and y.npy, .npz, .csv, ' +
  "MNIST's idx files, or a JavaScript module that yields batches";

/**
 * The samples at `path`, checked (`checkDataset`), as elements of the model's input `shape`.
 *
 * - A folder with a folder for each class: .wav becomes mono (the mean of its channels), at one
 *   sample rate, cut or padded with zeros at its end to the length of the input; .png and .jpg are
 *   stretched to the input's extents, with 1 or 3 channels. Classes are in the order of their names.
 *   Folders train, validation and test around those of classes are kept as parts. A folder of files
 *   alone has no labels.
 * - x.npy and y.npy, in a folder or .npz; or x_train, y_train, x_validation, x_test ….
 * - .csv: a row for each sample.
 * - MNIST's idx files, also with gzip.
 * - A module (.js, .mjs, and .ts where Node loads it) that yields batches { x, y }.
 *
 * Bytes (uint8 arrays, idx, images) become byte / 255, or byte · scale + offset; recordings are in
 * [−1, 1]; all other numbers stay as they are.
 *
 * @throws BonsaiError 'usage' for a path that is nothing of these, and for an option that its form does
 *   not take; 'bad-data' for its contents
 */
export async function loadDataset(path: string, options: LoadOptions): Promise<Dataset> {
  return datasetOf(await samplesAt(path, options), options);
}

async function samplesAt(path: string, options: LoadOptions): Promise<Samples> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new BonsaiError('usage', path, 'does not exist', forms);
  if (stats.isDirectory()) {
    const names = readdirSync(path);
    if (hasArrays(names, options))
      return readArrayFolder(path, names, taken(path, options, ofBytes));
    requireOneInput(path, options);
    if (names.some(isIdx)) return readIdx(path, names, taken(path, options, ofBytes));
    return readFolder(path, taken(path, options, [...ofBytes, 'sampleRate']));
  }
  const extension = extname(path).toLowerCase();
  if (extension === '.npy' || isIdx(basename(path))) requireOneInput(path, options);
  if (isIdx(basename(path))) return readIdx(path, [], taken(path, options, ofBytes));
  if (extension === '.npz') return readNpz(path, taken(path, options, ofBytes));
  if (extension === '.npy') return readArrayFile(path, taken(path, options, ofBytes));
  if (extension === '.csv' || extension === '.tsv') {
    return readCsv(path, taken(path, options, ['label']));
  }
  if (scriptExtensions.includes(extension)) {
    return readScript(path, taken(path, options, ofBytes));
  }
  throw noSamples(path);
}

/** Models are taken for samples, and archives of other programs. */
function noSamples(path: string): BonsaiError {
  const what = 'is no form of data that bonsaic reads';
  const none = new BonsaiError('usage', path, what, forms);
  if (!statSync(path).isFile() || statSync(path).size > mostSniffedBytes) return none;
  const bytes = readInput(path, 'data');
  const foreign = foreignOf(bytes, path);
  if (foreign === null) return none;
  const samples = foreign.kind === 'model' ? `a model is the argument; as samples ${forms}` : forms;
  const hint = foreign.kind === 'samples' ? foreign.hint : samples;
  return new BonsaiError('usage', path, `${what}: ${foreign.what}`, hint);
}

/** A larger file is not read to say what it is. */
const mostSniffedBytes = 2 ** 26;

/** @throws BonsaiError 'usage' for data that cannot hold what a model of several inputs takes */
function requireOneInput(path: string, { ports }: LoadOptions): void {
  const count = ports?.inputs.length ?? 1;
  if (count === 1) return;
  const message = `holds one input for each sample; the model has ${count}`;
  const hint = `give .npz with ${portNames(ports?.inputs ?? [], 'x')}, .csv with all elements side by side, or a JavaScript module`;
  throw new BonsaiError('usage', path, message, hint);
}

const flags = {
  scale: '--scale',
  offset: '--offset',
  label: '--label',
  sampleRate: '--sample-rate',
} as const;
type Flag = keyof typeof flags;

/** How bytes become numbers. */
const ofBytes: readonly Flag[] = ['scale', 'offset'];

/** The options. @throws BonsaiError 'usage' for one that data of this form would ignore */
function taken(path: string, options: LoadOptions, known: readonly Flag[]): LoadOptions {
  const names = Object.keys(flags) as Flag[];
  const other = names.find((name) => options[name] !== undefined && !known.includes(name));
  if (other === undefined) return options;
  const hint =
    'leave it out: --label is for tables, --sample-rate for recordings, the others for bytes';
  throw new BonsaiError('usage', path, `takes no ${flags[other]}`, hint);
}
