/** One core or two, where a budget of time decides: plans made up, at 1 kHz a cycle is 1 ms. */
import { expect } from 'chai';
import { planInTime } from '../../src/compiler/plan/cores.js';
import type { Planned, Resources } from '../../src/compiler/plan/index.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';

interface MadeUpPlan {
  /** Milliseconds of its two steps. */
  readonly ms: readonly [number, number];
  /** Share of the prices of bytes. */
  readonly share: number;
  readonly imageBytes?: number;
}

function planned({ ms, share, imageBytes = 100 }: MadeUpPlan): Planned {
  const steps = ms.map((count) => ({ alternatives: [{ count }, { count: 9999 }] }));
  // A step that needs no code has no estimate.
  const all = [...steps, { alternatives: [] }];
  return { plan: { steps: all, decision: { share, imageBytes } } } as unknown as Planned;
}

interface Row {
  readonly edge: string;
  readonly one: MadeUpPlan;
  readonly two: MadeUpPlan;
  readonly maxMs?: number;
  readonly maxFlash?: number;
  readonly cores: number;
}

const slow: MadeUpPlan = { ms: [60, 60], share: 0 };
const rows: readonly Row[] = [
  {
    edge: 'one is fast enough at all prices: two are not even planned',
    ...{ one: { ms: [60, 60], share: 1 }, two: { ms: [30, 30], share: 1 }, maxMs: 120, cores: 1 },
  },
  {
    edge: 'one is too slow, two are not',
    ...{ one: slow, two: { ms: [40, 40], share: 1 }, maxMs: 100, cores: 2 },
  },
  {
    edge: 'both are too slow: the faster',
    ...{ one: slow, two: { ms: [55, 60], share: 0 }, maxMs: 100, cores: 2 },
  },
  {
    edge: 'both are too slow, and two no faster: one',
    ...{ one: slow, two: { ms: [70, 50], share: 0 }, maxMs: 100, cores: 1 },
  },
  {
    edge: 'two alone are too slow: one, however little bytes are worth',
    ...{
      one: { ms: [50, 50], share: 0.1 },
      two: { ms: [50, 51], share: 0.9 },
      maxMs: 100,
      cores: 1,
    },
  },
  {
    edge: 'both are fast enough, to the millisecond: the one with the higher prices',
    ...{
      one: { ms: [40, 60], share: 0.5 },
      two: { ms: [50, 50], share: 0.6 },
      maxMs: 100,
      cores: 2,
    },
  },
  {
    edge: 'one at equal prices, though it is slower',
    ...{
      one: { ms: [40, 60], share: 0.5 },
      two: { ms: [30, 30], share: 0.5 },
      maxMs: 100,
      cores: 1,
    },
  },
  {
    edge: 'two that the flash holds to the byte',
    ...{ one: slow, two: { ms: [40, 40], share: 1, imageBytes: 150 }, maxMs: 100 },
    ...{ maxFlash: 150, cores: 2 },
  },
  {
    edge: 'a byte more: one',
    ...{ one: slow, two: { ms: [40, 40], share: 1, imageBytes: 151 }, maxMs: 100 },
    ...{ maxFlash: 150, cores: 1 },
  },
  {
    edge: 'flash that one exceeds too: two, if they take no more',
    ...{ one: slow, two: { ms: [40, 40], share: 1, imageBytes: 100 }, maxMs: 100 },
    ...{ maxFlash: 50, cores: 2 },
  },
  {
    edge: 'and one, if they take more',
    ...{ one: slow, two: { ms: [40, 40], share: 1, imageBytes: 101 }, maxMs: 100 },
    ...{ maxFlash: 50, cores: 1 },
  },
  {
    edge: 'no budget of time that either misses: one, for both have all prices',
    ...{ one: { ms: [60, 60], share: 1 }, two: { ms: [30, 30], share: 1 }, cores: 1 },
  },
];

describe('plan: --cores auto', () => {
  const decide = ({ one, two, maxMs, maxFlash }: Row, secondCore?: object) => {
    const asked: Resources[] = [];
    const planFor = (resources: Resources = {}) => {
      asked.push(resources);
      return planned(resources.cores === 2 ? two : one);
    };
    const target = { clockHz: 1000, ...(secondCore === undefined ? {} : { secondCore }) };
    const options = {
      ...(maxMs === undefined ? {} : { maxMs }),
      ...(maxFlash === undefined ? {} : { maxFlash }),
    };
    return { taken: planInTime(planFor, target as never, options as CompileOptions), asked };
  };

  for (const row of rows) {
    it(`${row.edge}: ${row.cores}`, () => {
      const { taken, asked } = decide(row, {});
      expect(taken).to.deep.equal(planned(row.cores === 2 ? row.two : row.one));
      expect(asked).to.deep.equal(row.one.share === 1 ? [{}] : [{}, { cores: 2 }]);
    });
  }

  it('a board with one core has no choice', () => {
    const [, tooSlow] = rows as readonly [Row, Row];
    const { taken, asked } = decide(tooSlow);
    expect(taken).to.deep.equal(planned(tooSlow.one));
    expect(asked).to.deep.equal([{}]);
  });
});
