import { expect } from 'chai';
import type { Candidate } from '../../../src/compress/candidate.js';
import { partsOf } from '../../../src/compress/steps/parts.js';
import type { Checkpoint } from '../../../src/compress/train/checkpoint.js';
import {
  type Choices,
  chosenPlan,
  epochsFor,
  inRounds,
  meanOf,
  mostRounds,
  type Plan,
  type Run,
  splitsFor,
} from '../../../src/compress/train/policy.js';

/** A run whose epochs are right for these shares. */
function runOf(...accuracies: readonly number[]): Run {
  let best = -1;
  const history = accuracies.map((accuracy, i) => {
    const isBest = accuracy > best;
    best = Math.max(best, accuracy);
    const validation = { accuracy, loss: 1 - accuracy };
    const times = { seconds: 0, secondsLeft: 0 };
    return { epoch: i + 1, epochs: accuracies.length, loss: 1, validation, isBest, ...times };
  });
  return { candidate: {} as Candidate, history };
}

const choices: Choices = { starts: [0, 1], shares: [0.7, 0], batches: [64, 32] };
const keyOf = ({ start, teacherShare, batch }: Plan) => `${start} ${teacherShare} ${batch}`;

describe('training: a budget of steps', () => {
  const rows: readonly [edge: string, args: [number, number, number?], epochs: number][] = [
    ['one batch: at most 100', [1, 64], 100],
    ['ten batches: 1000 steps', [640, 64], 100],
    ['eleven batches', [641, 64], 91],
    ['half of the samples in a batch, half of the epochs', [1282, 32], 25],
    ['100 batches make 1000 steps in ten epochs', [6400, 64], 10],
    ['no fewer than ten epochs', [60000, 64], 10],
    ['a part of it rounds up', [60000, 64, 0.25], 3],
  ];
  for (const [edge, args, epochs] of rows) {
    it(edge, () => expect(epochsFor(...args)).to.equal(epochs));
  }
});

describe('training: what trials choose', () => {
  const rows: readonly {
    readonly edge: string;
    /** By plan; those that are not named are right for half of the samples, null diverges. */
    readonly right?: Readonly<Record<string, number | null>>;
    readonly among?: Partial<Choices>;
    readonly best: string;
    readonly tried: readonly string[];
  }[] = [
    {
      edge: 'the first of all that are alike',
      best: '0 0.7 64',
      tried: ['0 0.7 64', '1 0.7 64', '0 0 64', '0 0.7 32'],
    },
    {
      edge: 'labels alone, where the teacher is weak',
      right: { '0 0 64': 0.6, '0 0 32': 0.5 },
      best: '0 0 64',
      tried: ['0 0.7 64', '1 0.7 64', '0 0 64', '0 0 32'],
    },
    {
      edge: 'each choice with the best of those before it',
      right: { '1 0.7 64': 0.6, '1 0 64': 0.7, '1 0 32': 0.8 },
      best: '1 0 32',
      tried: ['0 0.7 64', '1 0.7 64', '1 0 64', '1 0 32'],
    },
    {
      edge: 'what does not diverge',
      right: { '0 0.7 64': null, '1 0.7 64': 0.1, '1 0 64': 0, '1 0.7 32': null },
      best: '1 0.7 64',
      tried: ['0 0.7 64', '1 0.7 64', '1 0 64', '1 0.7 32'],
    },
    {
      edge: 'nothing to choose: no trial',
      among: { starts: [0], shares: [0.5], batches: [16] },
      best: '0 0.5 16',
      tried: [],
    },
  ];
  for (const { edge, right = {}, among = {}, best, tried } of rows) {
    it(edge, async () => {
      const seen: Plan[] = [];
      const told: string[] = [];
      const plan = await chosenPlan(
        { ...choices, ...among },
        (batch, part) => batch * part,
        async (one) => {
          seen.push(one);
          const share = right[keyOf(one)];
          return share === null ? null : { accuracy: share ?? 0.5, loss: 1 };
        },
        (one) => told.push(keyOf(one)),
      );
      expect(keyOf(plan)).to.equal(best);
      expect(seen.map(keyOf)).to.deep.equal(tried);
      expect(told).to.deep.equal(tried);
      expect(plan.epochs, 'the whole budget').to.equal(plan.batch);
      for (const one of seen) expect(one.epochs, 'of a trial').to.equal(one.batch / 4);
    });
  }
});

describe('training: trials on several splits', () => {
  it('are made where validation samples are few', () => {
    expect([1, 499, 500, 5000].map(splitsFor)).to.deep.equal([3, 3, 1, 1]);
  });

  const rows: readonly [edge: string, found: Parameters<typeof meanOf>[0], mean: unknown][] = [
    ['one', [{ accuracy: 0.5, loss: 2 }], { accuracy: 0.5, loss: 2 }],
    [
      'the mean of two',
      [
        { accuracy: 0.5, loss: 2 },
        { accuracy: 0.75, loss: 4 },
      ],
      { accuracy: 0.625, loss: 3 },
    ],
    ['no classes', [{ accuracy: null, loss: 2 }], { accuracy: null, loss: 2 }],
    ['one that diverges: null', [{ accuracy: 0.5, loss: 2 }, null], null],
    ['none: null', [], null],
  ];
  for (const [edge, found, mean] of rows) {
    it(edge, () => expect(meanOf(found)).to.deep.equal(mean));
  }
});

describe('training: going on while the last epoch is the best', () => {
  const rows: readonly {
    readonly edge: string;
    readonly first: readonly number[];
    readonly later: readonly (readonly number[] | null)[];
    readonly rounds: number;
    /** Of the result. */
    readonly epochs: number;
    readonly kept: number;
  }[] = [
    { edge: 'the last is not', first: [0.5, 0.4], later: [[0.9]], rounds: 0, epochs: 2, kept: 1 },
    {
      edge: 'until it is not',
      first: [0.5],
      later: [[0.6, 0.5], [0.9]],
      rounds: 1,
      epochs: 3,
      kept: 2,
    },
    {
      edge: 'no better: the run before',
      first: [0.5],
      later: [[0.4]],
      rounds: 1,
      epochs: 1,
      kept: 1,
    },
    {
      edge: 'diverged: the run before',
      first: [0.5],
      later: [null],
      rounds: 1,
      epochs: 1,
      kept: 1,
    },
    {
      edge: 'never beyond the cap',
      first: [0.1],
      later: [[0.2], [0.3], [0.4], [0.5]],
      rounds: mostRounds - 1,
      epochs: mostRounds,
      kept: mostRounds,
    },
  ];
  for (const { edge, first, later, rounds, epochs, kept } of rows) {
    it(edge, async () => {
      let round = 0;
      const run = await inRounds('auto', runOf(...first), async () => {
        const next = later[round] ?? null;
        round += 1;
        return next === null ? null : runOf(...next);
      });
      expect(round).to.equal(rounds);
      expect(run.history).to.have.length(epochs);
      expect(run.rounds).to.equal(kept);
    });
  }

  it('as often as it is told, whatever comes of it', async () => {
    const run = await inRounds(2, runOf(0.5, 0.4), async () => runOf(0.1));
    expect(run.history).to.have.length(3);
    expect(run.rounds).to.equal(2);
  });
});

describe('training: the state of several in turn', () => {
  it('comes back by number, whatever was finished', () => {
    let kept: Checkpoint | null = null;
    const keeper = { resumed: null, save: (state: Checkpoint) => (kept = state) };
    const state = (epochs: number) => {
      return { progress: { epochs }, arrays: new Map([['1:x', Float32Array.of(epochs)]]) };
    };
    const next = partsOf(keeper);
    next().save(state(1));
    next().save(state(2));
    const again = partsOf({ ...keeper, resumed: kept });
    expect(again().resumed).to.deep.equal(state(1));
    expect(again().resumed).to.deep.equal(state(2));
    expect(again().resumed).to.equal(null);
  });
});
