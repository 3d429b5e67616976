/** BasicMotions: recordings of a smart watch in the .ts format of timeseriesclassification.com. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { badData, type Dataset, type Part, partNames } from '../../src/compress/data/dataset.js';
import { type Splits, split } from '../../src/compress/data/split.js';

export const activities = ['standing', 'walking', 'running', 'badminton'];
export const axes = 6;
/** Samples of a window: 6.4 s at 10 Hz. */
export const windowLength = 64;

export interface Motion {
  readonly activity: number;
  /** [axes][samples] */
  readonly series: readonly Float32Array[];
}

const getAgain = 'get the file again from timeseriesclassification.com';

/**
 * Recordings of a file: below '@data' a line each, its axes separated by ':', the samples of an axis
 * by ',', the activity last (aeon's '.ts File Format').
 */
export function readMotions(text: string, where: string): readonly Motion[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const head = lines.findIndex((line) => line.toLowerCase() === '@data');
  if (head < 0) throw badData(where, 'has no line "@data"', getAgain);
  const motions = lines.flatMap((line, index) => {
    if (index <= head || line === '' || line.startsWith('#')) return [];
    return [motionOf(line, `${where}, line ${index + 1}`)];
  });
  if (motions.length === 0) throw badData(where, 'has no recordings below "@data"', getAgain);
  return motions;
}

function motionOf(line: string, where: string): Motion {
  const fields = line.split(':');
  const name = (fields.pop() ?? '').toLowerCase();
  const activity = activities.indexOf(name);
  if (activity < 0) {
    throw badData(
      where,
      `ends with "${name.slice(0, 40)}"`,
      `it has to be ${activities.join(', ')}`,
    );
  }
  if (fields.length !== axes) {
    throw badData(where, `has ${fields.length} axes; there are ${axes}`, getAgain);
  }
  const series = fields.map((field) => Float32Array.from(field.split(','), numberOf));
  const length = series[0]?.length ?? 0;
  if (series.some((axis) => axis.length !== length || axis.some(Number.isNaN))) {
    throw badData(where, 'has axes of several lengths, or samples that are no numbers', getAgain);
  }
  if (length < windowLength) {
    throw badData(where, `has ${length} samples; a window has ${windowLength}`, getAgain);
  }
  return { activity, series };
}

/** '?' and '' are samples that are missing. */
function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

/** [windows of a recording][windowLength][axes]: every `step` samples. */
export function windowsOf({ series }: Motion, step: number): readonly Float32Array[] {
  const length = series[0]?.length ?? 0;
  const starts = Array.from({ length: Math.floor((length - windowLength) / step) + 1 }, (_, i) => {
    return i * step;
  });
  return starts.map((start) =>
    Float32Array.from({ length: windowLength * axes }, (_, i) => {
      const sample = start + Math.floor(i / axes);
      return series[i % axes]?.[sample] as number;
    }),
  );
}

/**
 * Windows of the two files in `folder`. Two recordings in ten of the training file are for choices:
 * all windows of a recording are in one part.
 */
export function activityWindows(folder: string): Splits {
  const read = (name: string) => {
    const path = join(folder, name);
    return readMotions(readFileSync(path, 'utf8'), path);
  };
  const cut = (motions: readonly Motion[], partOf: (index: number) => Part, step: number) =>
    motions.flatMap((motion, index) =>
      windowsOf(motion, step).map((x) => ({ x, activity: motion.activity, part: partOf(index) })),
    );
  const all = [
    ...cut(read('BasicMotions_TRAIN.ts'), (index) => (index % 5 === 4 ? 'validation' : 'train'), 3),
    ...cut(read('BasicMotions_TEST.ts'), () => 'test', 12),
  ];
  const size = windowLength * axes;
  const x = new Float32Array(all.length * size);
  for (const [i, one] of all.entries()) x.set(one.x, i * size);
  const data: Dataset = {
    ...{ where: folder, count: all.length, shape: [windowLength, axes], x, classes: activities },
    labels: Int32Array.from(all, ({ activity }) => activity),
    parts: Uint8Array.from(all, ({ part }) => partNames.indexOf(part)),
  };
  return split(data, { validation: 0, test: 0, seed: 0 });
}
