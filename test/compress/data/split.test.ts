import { expect } from 'chai';
import { type Dataset, type Part, partNames } from '../../../src/compress/data/dataset.js';
import { split } from '../../../src/compress/data/split.js';

/** Samples whose one element is their index. */
function data(labels: readonly number[] | null, count: number, parts?: readonly Part[]): Dataset {
  return {
    where: 'test',
    count,
    shape: [1],
    x: Float32Array.from({ length: count }, (_, i) => i),
    labels: labels && Int32Array.from(labels),
    classes: labels && [...new Set(labels)].map(String),
    ...(parts && { parts: Uint8Array.from(parts, (part) => partNames.indexOf(part)) }),
  };
}

const repeat = <T>(value: T, count: number) => Array<T>(count).fill(value);
const shares = { validation: 0.1, test: 0.2, seed: 1 };
const counts = (splits: ReturnType<typeof split>) => partNames.map((name) => splits[name].count);

describe('splits', () => {
  const many = data([...repeat(0, 100), ...repeat(1, 50), ...repeat(2, 3), ...repeat(3, 1)], 154);

  it('take the same share of each class, and every sample once', () => {
    const splits = split(many, shares);
    const perClass = partNames.map((name) =>
      [0, 1, 2, 3].map((label) => splits[name].labels?.filter((l) => l === label).length),
    );
    expect(perClass).to.deep.equal([
      [70, 35, 1, 1],
      [10, 5, 1, 0],
      [20, 10, 1, 0],
    ]);
    const all = partNames.flatMap((name) => [...splits[name].x]).sort((a, b) => a - b);
    expect(all).to.deep.equal([...many.x]);
    for (const name of partNames) {
      splits[name].x.forEach((index, i) => {
        expect(splits[name].labels?.[i]).to.equal(many.labels?.[index]);
      });
    }
  });

  it('are the same with the same seed, and others with another', () => {
    const drawn = (seed: number) => [...split(many, { ...shares, seed }).test.x].join();
    expect(drawn(1)).to.equal(drawn(1));
    expect(drawn(1)).not.to.equal(drawn(2));
  });

  const own: readonly Part[] = [...repeat('train' as const, 8), 'test', 'test'];
  const rows: readonly (readonly [edge: string, Dataset, object, readonly number[]])[] = [
    ['without labels', data(null, 10), {}, [7, 1, 2]],
    ['no validation', data(null, 10), { validation: 0 }, [8, 0, 2]],
    ['nothing but training', data(null, 10), { validation: 0, test: 0 }, [10, 0, 0]],
    [
      'a test of its own stays; validation comes from training',
      data(null, 10, own),
      { validation: 0.25 },
      [6, 2, 2],
    ],
    [
      'a test of its own, no share asked',
      data(null, 10, own),
      { validation: 0, test: 0 },
      [8, 0, 2],
    ],
    ['all parts of its own', data(null, 3, ['test', 'train', 'validation']), {}, [1, 1, 1]],
    ['a single sample', data(null, 1), {}, [1, 0, 0]],
  ];
  for (const [edge, given, options, wanted] of rows) {
    it(edge, () => {
      const splits = split(given, { ...shares, ...options });
      expect(counts(splits)).to.deep.equal(wanted);
      expect(splits.train.parts).to.equal(undefined);
    });
  }

  for (const [edge, given, options, says] of [
    ['no training samples of its own', data(null, 1, ['test']), {}, /no samples for training/],
    ['shares of 1', data(null, 9), { validation: 0.5, test: 0.5 }, /cannot be split/],
    ['a negative share', data(null, 9), { test: -0.1 }, /cannot be split/],
    ['NaN', data(null, 9), { test: Number.NaN }, /cannot be split/],
  ] as const) {
    it(`refused: ${edge}`, () => {
      expect(() => split(given, { ...shares, ...options })).to.throw(says);
    });
  }
});
