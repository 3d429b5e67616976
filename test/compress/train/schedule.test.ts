import { expect } from 'chai';
import { type Piece, rateOf, type ScheduleName } from '../../../src/compress/train/schedule.js';
import { isBetter } from '../../../src/compress/train/validation.js';

describe('learning rates', () => {
  const mixed: readonly Piece[] = [
    { until: 0.5, shape: 'constant', to: 0.8 },
    { until: 1, shape: 'linear', to: 0 },
  ];
  type Row = readonly [
    edge: string,
    schedule: ScheduleName | readonly Piece[],
    warmup: number,
    rates: readonly number[],
  ];
  const rows: readonly Row[] = [
    ['cosine', 'cosine', 0, [1, 0.855, 0.505, 0.155]],
    ['linear', 'linear', 0, [1, 0.7525, 0.505, 0.2575]],
    ['constant', 'constant', 0, [1, 1, 1, 1]],
    ['steps', 'steps', 0, [1, 1, 0.1, 0.01]],
    ['a list of pieces', mixed, 0, [0.8, 0.8, 0.8, 0.4]],
    ['a warm-up rises evenly, then the schedule begins', 'linear', 0.5, [1 / 3, 2 / 3, 1, 0.505]],
    ['a warm-up of less than a step', 'constant', 0.2, [1, 1, 1, 1]],
    ['nothing but warm-up', 'cosine', 1, [0.2, 0.4, 0.6, 0.8]],
    [
      'a list that ends early keeps its last rate',
      [{ until: 0.5, shape: 'linear', to: 0 }],
      0,
      [1, 0.5, 0, 0],
    ],
  ];
  for (const [edge, rateSchedule, warmup, rates] of rows) {
    it(edge, () => {
      rates.forEach((wanted, step) => {
        expect(rateOf({ rateSchedule, warmup }, step, 4), `step ${step}`).to.be.closeTo(
          wanted,
          1e-3,
        );
      });
    });
  }

  const contests: readonly (readonly [string, Parameters<typeof isBetter>, boolean])[] = [
    ['anything beats nothing', [{ loss: 9, accuracy: 0 }, null], true],
    [
      'more right answers',
      [
        { loss: 2, accuracy: 0.9 },
        { loss: 1, accuracy: 0.8 },
      ],
      true,
    ],
    [
      'as many: less loss',
      [
        { loss: 1, accuracy: 0.9 },
        { loss: 2, accuracy: 0.9 },
      ],
      true,
    ],
    [
      'the same is not better',
      [
        { loss: 1, accuracy: 0.9 },
        { loss: 1, accuracy: 0.9 },
      ],
      false,
    ],
    [
      'without classes: less loss',
      [
        { loss: 1, accuracy: null },
        { loss: 2, accuracy: null },
      ],
      true,
    ],
  ];
  for (const [edge, [a, b], wanted] of contests) {
    it(`best epoch: ${edge}`, () => expect(isBetter(a, b)).to.equal(wanted));
  }
});
