/** The Free Spoken Digit Dataset: recordings {digit}_{speaker}_{index}.wav. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  badData,
  checkDataset,
  type Dataset,
  type Part,
  partNames,
} from '../../src/compress/data/dataset.js';
import { type Splits, split } from '../../src/compress/data/split.js';
import { readWav, resampled } from '../../src/compress/data/wav.js';
import { bands, frames, logMel, recordingLength, sampleRate } from './features.js';

const recordingName = /^(\d)_(\w+)_(\d+)\.wav$/;

/** Recordings 0 to 4 are the test set by the README of the data; 5 to 11 are for choices. */
export function partOf(index: number): Part {
  if (index < 5) return 'test';
  return index < 12 ? 'validation' : 'train';
}

interface Recorded {
  readonly path: string;
  readonly digit: number;
  readonly part: Part;
}

function recordingsIn(folder: string): readonly Recorded[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.wav'));
  return names.sort().map((name) => {
    const path = join(folder, name);
    const [, digit, , index] = recordingName.exec(name) ?? [];
    if (digit !== undefined) return { path, digit: Number(digit), part: partOf(Number(index)) };
    throw badData(path, 'has another name than 7_jackson_32.wav', 'rename or remove it');
  });
}

/** Log-mel features of all recordings in `folder`, in the order of their names. */
export function spokenDigits(folder: string): Splits {
  const found = recordingsIn(folder);
  const shape = [frames, bands, 1];
  const x = new Float32Array(found.length * frames * bands);
  for (const [i, { path }] of found.entries()) {
    const recording = readWav(readFileSync(path), path);
    x.set(logMel(resampled(recording, sampleRate, recordingLength)), i * frames * bands);
  }
  const data: Dataset = {
    ...{ where: folder, count: found.length, shape, x },
    labels: Int32Array.from(found, ({ digit }) => digit),
    classes: Array.from('0123456789'),
    parts: Uint8Array.from(found, ({ part }) => partNames.indexOf(part)),
  };
  checkDataset(data);
  return split(data, { validation: 0, test: 0, seed: 0 });
}
