/** Results that are judged by their images: when steps are chosen again, and for how much less. */

import { expect } from 'chai';
import type { Assessment } from '../../src/compress/assess.js';
import { type Goals, goalsFault, type Linked } from '../../src/compress/goals.js';
import { hasBudget, tightened } from '../../src/compress/linked.js';
import { BonsaiError } from '../../src/errors.js';

const linked: Linked = {
  ...{ ms: 10, flashBytes: 2000, ramBytes: 500, basis: 'simulated', note: null },
};

const float: Assessment = { accuracy: null, agreement: null, error: null, snrDb: 60 };
/** Only budgets can be missed. */
const asGood = {
  got: float,
  standard: { task: 'none', original: float, blind: 0, samples: 9 },
} as const;

describe('compress: budgets of linked results', () => {
  const rows: [edge: string, aim: Goals, goals: Goals, next: Goals | null][] = [
    ['all kept, exactly', {}, { maxMs: 10, maxFlash: 2000, maxRam: 500 }, null],
    ['one byte of RAM', { maxRam: 499 }, { maxRam: 499 }, { maxRam: (0.99 * 499 * 499) / 500 }],
    ['half of the time', { maxMs: 5 }, { maxMs: 5 }, { maxMs: 0.99 * 2.5 }],
    ['flash, aimed lower before', { maxFlash: 900 }, { maxFlash: 1000 }, { maxFlash: 0.99 * 450 }],
    [
      'a budget that is kept stays as it is',
      { maxMs: 11, maxRam: 250, minAccuracy: 0.5 },
      { maxMs: 11, maxRam: 250, minAccuracy: 0.5 },
      { maxMs: 11, maxRam: 0.99 * 125, minAccuracy: 0.5 },
    ],
  ];
  for (const [edge, aim, goals, next] of rows) {
    it(edge, () => {
      const found = tightened(aim, goals, linked);
      expect(found && JSON.parse(JSON.stringify(found))).to.deep.equal(next);
    });
  }

  it('a board that does not take the result is told, whatever the budgets are', () => {
    const refusal = new BonsaiError('over-budget', 'm', 'needs 30000 bytes of RAM', 'compress it');
    const fault = goalsFault('m', { maxMs: 99 }, { ...asGood, cost: null, linked, refusal });
    expect(fault?.message).to.equal('needs 30000 bytes of RAM');
    expect(fault?.hint).to.include(
      'the nearest result that was found is written; take a larger board',
    );
  });

  it('accuracy alone needs no image', () => {
    expect(hasBudget({ minAccuracy: 0.5 })).to.equal(false);
    for (const goals of [{ maxMs: 1 }, { maxFlash: 1 }, { maxRam: 1 }]) {
      expect(hasBudget(goals)).to.equal(true);
    }
  });

  const cost = { count: 1, unit: 'cycles', ms: 99, flashBytes: 99_999, ramBytes: 9999 } as const;
  for (const [basis, ram, flash] of [
    ['simulated', 'RAM', 'flash'],
    ['built', 'RAM by estimate', 'flash'],
    ['estimated', 'RAM by estimate', 'flash by estimate'],
  ] as const) {
    it(`a result that was ${basis} is judged by that, not by the plan’s estimates`, () => {
      const report = { ...asGood, cost, linked: { ...linked, basis } };
      expect(goalsFault('m', { maxMs: 10, maxFlash: 2000, maxRam: 500 }, report)).to.equal(null);
      const fault = goalsFault('m', { maxFlash: 1999, maxRam: 499 }, report);
      expect(fault?.message).to.equal(
        `needs 2000 bytes of ${flash}, --max-flash is 1999; needs 500 bytes of ${ram}, --max-ram is 499`,
      );
    });
  }
});
