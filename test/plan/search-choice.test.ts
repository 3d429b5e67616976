/** A search for the choice with the lowest score: what it ranks, and what no single move finds. */
import { expect } from 'chai';
import { Draft, type Move } from '../../src/compiler/plan/choose/draft.js';
import { type Pick, placed } from '../../src/compiler/plan/choose/prices.js';
import type { Room } from '../../src/compiler/plan/choose/room.js';
import {
  fastestGoal,
  isWithin,
  linearGoal,
  scoreOf,
  type Totals,
} from '../../src/compiler/plan/choose/score.js';
import { rankedMoves } from '../../src/compiler/plan/choose/search.js';
import { chosenOf, type MadeUpKernel, noLimits, searched, stepOf } from '../support/choice.js';

function pickOf(kernel: MadeUpKernel, region: 'flash' | 'sram' = 'flash'): Pick {
  const [alternative] = stepOf(kernel).alternatives;
  if (alternative === undefined) throw new Error('no alternative');
  return placed(
    alternative,
    alternative.pieces.map(() => region),
  );
}

const kernelsOf = (picks: readonly Pick[]) =>
  picks.map(({ alternative }) => alternative.implementation.variant.template);

describe('choice: the order of moves', () => {
  const slow = pickOf({ name: 'slow', cycles: 1000, flash: 10 });
  const quick = (cycles: number, flash: number, copied = 0) =>
    pickOf({ name: 'quick', cycles, flash: 10 + flash, pieces: [[copied, 0]] }, 'sram');
  // 100 bytes of flash are free, and 100 of RAM.
  const room = { ...noLimits, flashBytes: 120, copyBytes: () => 100 };
  const rows: [edge: string, first: Pick, second: Pick, steps: number[]][] = [
    [
      '300 cycles for a tenth of flash before 400 for a fifth',
      quick(700, 10),
      quick(600, 20),
      [0, 1],
    ],
    ['400 for a tenth before 300', quick(700, 10), quick(600, 10), [1, 0]],
    [
      'RAM counts as flash: a tenth and a half are more',
      quick(700, 10, 50),
      quick(800, 10),
      [1, 0],
    ],
    ['a tenth of each for 500 before 200 for one', quick(500, 10, 10), quick(800, 10), [0, 1]],
    ['what needs neither comes first', quick(999, 0), quick(1, 10), [0, 1]],
    ['what gains nothing is none', quick(1000, 0), quick(900, 10), [1]],
    ['nor is what RAM does not hold', quick(900, 10, 101), quick(900, 10, 100), [1]],
    ['nor what exceeds the budget', quick(900, 101), quick(900, 100), [1]],
  ];
  for (const [edge, first, second, steps] of rows) {
    it(edge, () => {
      const draft = new Draft([slow, slow], room);
      const moves: Move[] = [[[0, first]], [[1, second]]];
      const ranked = rankedMoves(draft, linearGoal(0, 0), moves);
      expect(ranked.map((move) => move[0]?.[0])).to.deep.equal(steps);
    });
  }

  it('the last free byte is all of the flash', () => {
    const draft = new Draft([slow, slow], { ...room, flashBytes: 21 });
    // 100 cycles for all of the flash, 80 for three quarters of the RAM.
    const moves: Move[] = [[[0, quick(900, 1)]], [[1, quick(920, 0, 75)]]];
    expect(rankedMoves(draft, linearGoal(0, 0), moves)).to.deep.equal([moves[1], moves[0]]);
  });

  it('beyond a budget: the lowest cost that meets it', () => {
    const large = pickOf({ name: 'large', cycles: 1000, flash: 100 });
    const small = (cycles: number, flash: number) => pickOf({ name: 'small', cycles, flash });
    const draft = new Draft([large, large], { ...noLimits, flashBytes: 150 });
    const moves: Move[] = [[[0, small(1500, 10)]], [[1, small(1200, 50)]], [[0, small(1001, 60)]]];
    const ranked = rankedMoves(draft, linearGoal(0, 0), moves);
    expect(ranked).to.deep.equal([moves[1], moves[0], moves[2]]);
  });

  it('several steps leave weights in flash where RAM does not hold their copies', () => {
    const copied = pickOf({ name: 'copied', cycles: 900, pieces: [[60, 5]] }, 'sram');
    const draft = new Draft([slow, slow], room);
    const [move] = rankedMoves(draft, linearGoal(0, 0), [
      [
        [0, copied],
        [1, copied],
      ],
    ]);
    expect(move?.map(([, { regions }]) => regions.join())).to.deep.equal(['flash', 'flash']);
  });
});

describe('choice: the totals of a draft', () => {
  const code = (name: string) => [name, 100] as const;
  const a = pickOf({ name: 'a', cycles: 5, flash: 7, arena: 30, code: code('a') });
  const b = pickOf({ name: 'b', cycles: 3, flash: 9, arena: 20, code: code('b') });
  const room = { ...noLimits, runtimeBytes: 1000, leastArenaBytes: 10 };
  const rows: [edge: string, picks: Pick[], wanted: Omit<Totals, 'copiedBytes'>][] = [
    ['code once', [a, a], { cycles: 10, imageBytes: 14 + 1210, arenaBytes: 30 }],
    ['code of two', [a, b], { cycles: 8, imageBytes: 16 + 1320, arenaBytes: 30 }],
    ['the largest step', [b, b], { cycles: 6, imageBytes: 18 + 1210, arenaBytes: 20 }],
  ];
  for (const [edge, picks, wanted] of rows) {
    it(edge, () => {
      expect(new Draft(picks, room).totals()).to.deep.equal({ ...wanted, copiedBytes: 0 });
      for (const [, start] of rows) {
        const draft = new Draft(start, room);
        const before = draft.totals();
        const move = picks.map((pick, step) => [step, pick] as const);
        expect(draft.totalsAfter(move)).to.deep.equal({ ...wanted, copiedBytes: 0 });
        expect(draft.totals()).to.deep.equal(before);
        draft.apply(draft.apply(move));
        expect(draft.totals()).to.deep.equal(before);
      }
    });
  }
});

describe('choice: the score', () => {
  const totals = { cycles: 1000, imageBytes: 1000, arenaBytes: 1000, copiedBytes: 100 };
  const score = (room: Partial<Room>, changed: Partial<Totals> = {}) =>
    scoreOf({ ...totals, ...changed }, linearGoal(0, 0), {
      ...noLimits,
      copyBytes: () => 100,
      ...room,
    });

  it('without a budget is the logarithm of the cost', () => {
    expect(score({})).to.equal(Math.log(1000));
    expect(score({}, { cycles: 0 }), 'of nothing').to.equal(0);
  });
  it('to the byte and to the cycle is that too', () => {
    expect(score({ flashBytes: 1000, mostCycles: 1000 })).to.equal(Math.log(1000));
  });
  it('is infinite where RAM does not hold the copies beside the arena', () => {
    const copyBytes = (arenaBytes: number) => 1100 - arenaBytes;
    expect(score({ copyBytes })).to.equal(Math.log(1000));
    expect(score({ copyBytes }, { arenaBytes: 1001 })).to.equal(Infinity);
    expect(score({ copyBytes }, { copiedBytes: 101 })).to.equal(Infinity);
  });
  it('is worse beyond a budget of flash than beyond any of time, and that than any cost', () => {
    const within = score({}, { cycles: 1e12 });
    const late = score({ mostCycles: 1 });
    const large = score({ flashBytes: 999 });
    expect(within).to.be.below(score({ mostCycles: 999 }));
    expect(late).to.be.below(large);
  });
  it('is worse the more a budget is exceeded', () => {
    expect(score({ mostCycles: 500 })).to.be.below(score({ mostCycles: 499 }));
    expect(score({ flashBytes: 500 })).to.be.below(score({ flashBytes: 499 }));
  });

  const within: [edge: string, room: Partial<Room>, isIt: boolean][] = [
    ['to the byte and to the cycle', { flashBytes: 1000, mostCycles: 1000 }, true],
    ['a byte too large', { flashBytes: 999, mostCycles: 1000 }, false],
    ['a cycle too late', { flashBytes: 1000, mostCycles: 999 }, false],
  ];
  for (const [edge, room, isIt] of within) {
    it(`within the budgets: ${edge}`, () => {
      expect(isWithin(totals, { ...noLimits, ...room })).to.equal(isIt);
    });
  }

  it('of the fastest is that of the smaller image where two are as fast', () => {
    const { cost } = fastestGoal;
    expect(cost({ ...totals, imageBytes: 999 })).to.be.below(cost(totals));
    expect(cost({ ...totals, imageBytes: 1e9 })).to.be.below(cost({ ...totals, cycles: 1000.1 }));
  });
});

describe('choice: what no single move finds', () => {
  it('a faster kernel in one step for a smaller one in another', () => {
    // The first saves more for its bytes, the second more in all; RAM holds one.
    const one = (name: string, bytes: number, saved: number) =>
      stepOf({ name, cycles: 0, pieces: [[bytes, saved]] });
    const { picks } = searched([one('a', 60, 66), one('b', 90, 80)], 0, { copyBytes: () => 100 });
    expect(picks.map(({ regions }) => regions.join())).to.deep.equal(['flash', 'sram']);
  });

  it('a template gives way to those that others use, where the next best needs code of its own', () => {
    const kernel = (name: string, cycles: number) => ({ name, cycles, code: [name, 60] }) as const;
    const two = [kernel('a', 100), kernel('b', 101), kernel('c', 110)];
    const last = stepOf(kernel('d', 100), kernel('c', 1000));
    const steps = [stepOf(...two), stepOf(...two), stepOf(kernel('c', 100)), last];
    expect(kernelsOf(searched(steps, 1).picks)).to.deep.equal(['c', 'c', 'c', 'd']);
  });

  it('a template is given up where the best without it takes a change of more than its steps', () => {
    // a twice takes 220 cycles. 270 bytes hold c twice, code included, but not its fastest kernel.
    const code = (name: string, bytes: number) => [name, bytes] as const;
    const steps = [
      stepOf(
        { name: 'b', cycles: 170, flash: 40, code: code('b', 60) },
        { name: 'a', cycles: 160, flash: 80, code: code('a', 60) },
        { name: 'c', cycles: 110, flash: 60, code: code('c', 90) },
        { name: 'c', cycles: 40, flash: 110, code: code('c', 90) },
      ),
      stepOf(
        { name: 'a', cycles: 60, flash: 60, code: code('a', 60) },
        { name: 'c', cycles: 100, flash: 90, code: code('c', 90) },
      ),
    ];
    const { picks, totals } = searched(steps, 0, { flashBytes: 270 });
    expect(kernelsOf(picks)).to.deep.equal(['c', 'c']);
    expect(totals).to.deep.include({ cycles: 210, imageBytes: 150 + 99 + 1 });
  });
});

describe('choice: the limit of RAM in a move', () => {
  it('a kernel that frees code for a larger arena is no move', () => {
    const steps = [
      stepOf(
        { name: 'lean', cycles: 100, flash: 500, arena: 100 },
        { name: 'wide', cycles: 10, flash: 10, arena: 201 },
        { name: 'fits', cycles: 50, flash: 100, arena: 200 },
      ),
      stepOf({ name: 'wide', cycles: 10, flash: 10, arena: 100 }),
    ];
    for (const optimize of ['speed', 'balanced', 'size'] as const) {
      const { kernels, decision } = chosenOf(steps, optimize, { mostArenaBytes: 200 });
      expect(kernels, optimize).to.deep.equal(['fits', 'wide']);
      expect(decision.arenaBytes).to.equal(200);
    }
  });

  it('copies of weights give way to a larger arena only if they fit beside it', () => {
    const steps = [
      stepOf({ name: 'lean', cycles: 100, arena: 100 }, { name: 'wide', cycles: 60, arena: 200 }),
      stepOf({ name: 'copied', cycles: 10, arena: 100, pieces: [[800, 50]] }),
    ];
    const copyBytes = (arenaBytes: number) => Math.max(0, 900 - arenaBytes);
    const { picks, totals } = searched(steps, 0, { copyBytes, leastArenaBytes: 100 });
    expect(kernelsOf(picks)).to.deep.equal(['lean', 'copied']);
    expect(totals).to.deep.include({ arenaBytes: 100, copiedBytes: 800, cycles: 110 });
  });
});
