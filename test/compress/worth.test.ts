/** Warnings of results that are worth nothing. */
import { expect } from 'chai';
import type { Answered } from '../../src/compress/assess.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { agreement, comparison } from '../../src/compress/score.js';
import { type Judged, originalWarnings, resultWarnings } from '../../src/compress/worth.js';

/** Samples of class 0, 1 or 2, the label of each as given; four without labels. */
function testOf(labels: readonly number[] | null): Dataset {
  const named = { labels: Int32Array.from(labels ?? []), classes: ['a', 'b', 'c'] };
  const whole = { where: 'test', count: labels?.length ?? 4, shape: [1], x: new Float32Array(4) };
  return { ...whole, ...(labels === null ? { labels: null, classes: null } : named) };
}

/** Outputs of four samples, one or two for each; classes where `isClass`. */
function answered(
  outputs: readonly number[],
  { labels, count }: Dataset,
  wanted: Answered | null,
  isClass: boolean,
): Answered {
  const values = Float32Array.from(outputs);
  const answers = isClass
    ? Int32Array.from(values, (value) => Number(value > 0) + Number(value > 10))
    : null;
  const own = wanted?.values ?? values;
  const size = values.length / count;
  const compare = comparison(
    { size, values: own, threshold: 0 },
    [size],
    isClass ? null : { from: 'float', values: own },
  );
  const assessment = {
    accuracy: answers === null || labels === null ? null : agreement(answers, labels),
    agreement: agreement(answers ?? new Int32Array(), wanted?.answers ?? new Int32Array()),
    ...compare(values),
  };
  return { assessment, answers, values };
}

const cost = (ms: number, flashBytes: number) =>
  ({ count: 1, unit: 'cycles', ms, flashBytes, ramBytes: 1 }) as const;

const rows: readonly {
  readonly edge: string;
  readonly float: readonly number[];
  readonly result: readonly number[];
  readonly labels?: readonly number[];
  readonly isClass?: boolean;
  readonly cost?: Judged['cost'];
  readonly minAccuracy?: number;
  readonly says: readonly RegExp[];
}[] = [
  { edge: 'a good result', float: [-1, 1, -1, 1], result: [-2, 1, -1, 2], says: [] },
  {
    edge: 'constant outputs',
    float: [-1, 1, -1, 1],
    result: [2, 2, 2, 2],
    says: [/^the result gives the same output for every test sample$/],
  },
  {
    edge: 'constant outputs in float too',
    float: [1, 1, 1, 1],
    result: [2, 2, 2, 2],
    says: [/^the float model gives the same output/],
  },
  {
    edge: 'no more right answers than by one class for all',
    float: [-1, 1, -1, 1],
    result: [-1, -2, -1, -2],
    labels: [0, 1, 0, 1],
    says: [/^the result is right for 50\.0 % of 4 samples; always "a" is right for 50\.0 %$/],
  },
  {
    edge: 'two samples less than float',
    ...{ float: [-1, -1, -1, 1, 1, 1], result: [1, -1, -1, -1, 1, 1], labels: [0, 0, 0, 1, 1, 1] },
    says: [/^the result is right for 66\.7 % of the test samples, the float model for 100\.0 %$/],
  },
  {
    edge: 'two samples less than float, which --min-accuracy allows',
    ...{ float: [-1, -1, -1, 1, 1, 1], result: [1, -1, -1, -1, 1, 1], labels: [0, 0, 0, 1, 1, 1] },
    ...{ minAccuracy: 0.6, says: [] },
  },
  {
    edge: 'one sample less than float',
    ...{ float: [-1, -1, -1, 1, 1, 1], result: [1, -1, -1, 1, 1, 1], labels: [0, 0, 0, 1, 1, 1] },
    says: [],
  },
  {
    edge: 'a class that is lost, where --min-accuracy is met',
    ...{ float: [-1, -1, -1, 1, 1, 1, 20, 20], result: [-1, -1, -1, 1, 1, 1, 2, 2] },
    ...{ labels: [0, 0, 0, 1, 1, 1, 2, 2], minAccuracy: 0.75 },
    says: [/^the result is right for no test sample of "c"$/],
  },
  {
    edge: 'a class of which float was right for one sample',
    ...{ float: [-1, -1, -1, 1, 1, 1, 20, 2], result: [-1, -1, -1, 1, 1, 1, 2, 2] },
    ...{ labels: [0, 0, 0, 1, 1, 1, 2, 2], says: [] },
  },
  {
    edge: 'as bad in float: told before',
    float: [1, -1, 1, -1],
    result: [1, -2, 1, -2],
    labels: [0, 1, 0, 1],
    says: [],
  },
  {
    edge: 'classes without labels, that agree no more than one class for all',
    float: [-1, 1, -1, 1],
    result: [-1, -2, -1, -2],
    says: [/^the result agrees with the float model on 50\.0 %.*one class for all gives 50\.0 %$/],
  },
  {
    edge: 'one class in float, too: nothing to compare with',
    float: [1, 2, 1, 2],
    result: [1, 2, 1, 1],
    says: [],
  },
  {
    edge: 'numbers no nearer than their mean',
    ...{ float: [0, 1, 0, 1], result: [1, 0, 1, 0], isClass: false },
    says: [/no nearer to the float model's outputs than their mean/],
  },
  {
    edge: 'numbers that are nearer, far from 0',
    ...{ float: [100, 101, 100, 101], result: [100, 101, 100, 100.6], isClass: false },
    says: [],
  },
  {
    edge: 'slower and larger than plain int8',
    ...{ float: [-1, 1, -1, 1], result: [-1, 1, -1, 1] },
    cost: { before: cost(1, 1000), after: cost(1.5, 2000) },
    says: [/takes 1\.5 ms by estimate, the plain int8 model 1$/, /2000 bytes of flash/],
  },
  {
    edge: 'as fast, but for the ranges',
    ...{ float: [-1, 1, -1, 1], result: [-1, 1, -1, 1] },
    cost: { before: cost(1, 1000), after: cost(1.01, 1010) },
    says: [],
  },
];

describe('warnings of a result', () => {
  for (const {
    edge,
    float,
    result,
    labels,
    isClass = true,
    cost: costs = null,
    minAccuracy,
    says,
  } of rows) {
    it(edge, () => {
      const test = testOf(labels ?? null);
      const wanted = answered(float, test, null, isClass);
      const got = answered(result, test, wanted, isClass);
      const found = resultWarnings({ wanted, got, test, cost: costs, minAccuracy });
      expect(found).to.have.length(says.length);
      says.forEach((pattern, i) => {
        expect(found[i]).to.match(pattern);
      });
    });
  }

  it('an original that is right no more than by one class for all is told at the beginning', () => {
    const test = testOf([0, 1, 0, 1]);
    expect(originalWarnings({ accuracy: 0.75 }, test)).to.deep.equal([]);
    expect(originalWarnings({ accuracy: 0.5 }, test)[0]).to.match(/float model.*--classes/);
    expect(originalWarnings({ accuracy: null }, testOf(null))).to.deep.equal([]);
  });
});
