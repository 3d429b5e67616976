/** Train, validation and test sets. */
import { makeRandom, permutation, seedFor } from '../random.js';
import { badData, type Dataset, type Part, partNames, subset } from './dataset.js';

export interface SplitOptions {
  /** Shares of the samples, from 0 to below 1. */
  readonly validation: number;
  readonly test: number;
  readonly seed: number;
}

export type Splits = Readonly<Record<Part, Dataset>>;

/**
 * Parts that the source divides itself stay as they are; the others are drawn from its training
 * samples, from each class the same share (rounded; one sample at least where the class has three).
 * Every part keeps the order of the source.
 *
 * @throws BonsaiError 'bad-data' where no sample is left for training
 */
export function split(data: Dataset, { validation, test, seed }: SplitOptions): Splits {
  const shares = [0, validation, test];
  if (shares.some((share) => !(share >= 0 && share < 1)) || validation + test >= 1) {
    const message = `cannot be split into ${validation} for validation and ${test} for tests`;
    throw badData(data.where, message, 'give shares from 0 to 1 that leave some for training');
  }
  const part = Uint8Array.from(data.parts ?? new Uint8Array(data.count));
  const given = new Set(part);
  const own = shares.map((share, index) => (given.has(index) ? 0 : share));
  const random = makeRandom(seedFor(seed, 'split'));
  for (const members of byClass(data, part)) {
    const order = permutation(members.length, random);
    let at = 0;
    for (const index of [1, 2]) {
      const count = drawn(members.length, own[index] ?? 0);
      for (const end = at + count; at < end; at += 1) {
        part[members[order[at] as number] as number] = index;
      }
    }
  }
  const of = (name: Part) => {
    const wanted = partNames.indexOf(name);
    const indices = Array.from(part.keys()).filter((i) => part[i] === wanted);
    return subset({ ...data, where: `${data.where} (${name})` }, indices);
  };
  const splits = { train: of('train'), validation: of('validation'), test: of('test') };
  if (splits.train.count > 0) return splits;
  throw badData(data.where, 'has no samples for training', 'give more samples, or smaller shares');
}

function drawn(count: number, share: number): number {
  if (share === 0) return 0;
  return Math.max(count >= 3 ? 1 : 0, Math.round(count * share));
}

/** Training samples of each class; all of them where there are no labels. */
function byClass({ labels, classes }: Dataset, part: Uint8Array): readonly (readonly number[])[] {
  const groups = Array.from({ length: classes?.length ?? 1 }, (): number[] => []);
  part.forEach((index, i) => {
    if (index === 0) groups[labels?.[i] ?? 0]?.push(i);
  });
  return groups;
}
