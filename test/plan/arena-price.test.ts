/** What a byte of the arena is worth, and the kernels that this leaves: worked out by hand. */
import { expect } from 'chai';
import { cheapestArena, offersOf } from '../../src/compiler/plan/arena/memory.js';
import type { StepAlternatives } from '../../src/compiler/plan/choose/prices.js';
import type { Room } from '../../src/compiler/plan/choose/room.js';
import { goalOf } from '../../src/compiler/plan/choose/score.js';
import { type MadeUpKernel, noLimits, searched, stepOf } from '../support/choice.js';

type Kernel = Omit<MadeUpKernel, 'name'>;

/** Kernels that the names of their code, else their arenas tell apart. */
function step(...kernels: readonly Kernel[]): StepAlternatives {
  return stepOf(...kernels.map((one) => ({ ...one, name: one.code?.[0] ?? `${one.arena}` })));
}

const free = { flash: 0, sram: 0 };

describe('plan: the price of the arena', () => {
  const rows: [edge: string, 'speed' | 'balanced', least: number, price: number][] = [
    ['speed: none', 'speed', 32768, 0],
    ['balanced: twice 32 KB has to save a fifth', 'balanced', 32768, 0.2 / 32768],
    ['balanced: of less than 16 KB what 16 KB costs', 'balanced', 1000, 0.2 / 16384],
  ];
  for (const [edge, optimize, least, price] of rows) {
    it(edge, () => {
      const room = { ...noLimits, leastArenaBytes: least };
      const of = (cycles: number) => {
        const { arenaPrice, flashPrices } = goalOf(optimize, { cycles, denseBytes: 100 }, room);
        return arenaPrice(flashPrices[0] as number);
      };
      expect(of(1)).to.be.closeTo(price, 1e-12);
      expect(of(1000), 'of 1000 cycles').to.be.closeTo(1000 * price, 1e-9);
    });
  }
});

describe('plan: the limit of the arena', () => {
  /** The first step is the largest; 100 bytes more save 50 cycles there, 200 more save 30 besides. */
  const steps = [
    step({ arena: 1000, cycles: 100 }, { arena: 1100, cycles: 50 }, { arena: 1300, cycles: 20 }),
    step({ arena: 400, cycles: 80 }, { arena: 1000, cycles: 70 }, { arena: 1100, cycles: 69 }),
  ];
  const rows: [edge: string, ramPrice: number, least: number, limit: number][] = [
    ['where bytes cost nothing, the fastest', 0, 0, 1300],
    ['200 bytes more for 30 cycles', 0.149, 0, 1300],
    ['just too much for them; 100 for 51, of two steps', 0.151, 0, 1100],
    ['which are worth 0.51 a byte', 0.509, 0, 1100],
    ['and no more', 0.511, 0, 1000],
    ['what is needed anyway costs nothing', 0.511, 1100, 1100],
    ['beyond it only what is more', 0.149, 1200, 1300],
    ['and that is 100 bytes then, for 30 cycles', 0.299, 1200, 1300],
    ['not at 0.301', 0.301, 1200, 1200],
  ];
  for (const [edge, ramPrice, least, limit] of rows) {
    it(edge, () => expect(cheapestArena(offersOf(steps), free, ramPrice, least)).to.equal(limit));
  }

  it('is the least limit if several cost the same', () => {
    const same = [step({ arena: 10, cycles: 5 }, { arena: 20, cycles: 5 })];
    expect(cheapestArena(offersOf(same), free, 0, 0)).to.equal(10);
  });

  it('depends on what flash costs', () => {
    const one = [step({ arena: 10, cycles: 9, flash: 1 }, { arena: 20, cycles: 1, flash: 5 })];
    expect(cheapestArena(offersOf(one), { flash: 1.9, sram: 0 }, 0, 0)).to.equal(20);
    expect(cheapestArena(offersOf(one), { flash: 2.1, sram: 0 }, 0, 0)).to.equal(10);
  });
});

describe('plan: arena, code and copies of weights are settled together', () => {
  const goal = (arena: number, flash: number) => ({ arena, flash });
  const settled = (
    steps: readonly StepAlternatives[],
    { flash, arena }: ReturnType<typeof goal>,
    rest: Partial<Room> = {},
  ) => {
    const { picks, totals } = searched(steps, flash, { leastArenaBytes: 0, ...rest }, arena);
    const { arenaBytes } = totals;
    const cycles = picks.map(({ alternative }) => alternative.cycles);
    return { arenaBytes, cycles, regions: picks.map(({ regions }) => regions.join()) };
  };

  it('a kernel that another step has already needs no code of its own, so more of the arena', () => {
    // Alone, the lean kernel of the second step costs 9 less; its code costs 1.1 · 10.
    const steps = [
      step({ arena: 100, cycles: 10, code: ['wide', 10] }),
      step(
        { arena: 50, cycles: 11, code: ['lean', 10] },
        { arena: 120, cycles: 10, code: ['wide', 10] },
      ),
    ];
    expect(settled(steps, goal(0.5, 1)).arenaBytes, 'at 0.5 a byte').to.equal(120);
    expect(settled(steps, goal(0.6, 1)).arenaBytes, 'at 0.6 a byte').to.equal(100);
  });

  // Lean saves wide's 33 bytes of code, margin included, and 400 of the arena, for 50 cycles.
  const given = (wide: number) => [
    step(
      { arena: 600, cycles: 0, code: ['wide', wide] },
      { arena: 200, cycles: 50, code: ['', 0] },
    ),
  ];
  const few: [edge: string, code: number, price: number, limit: number][] = [
    ['its code alone does not pay for 50 cycles', 30, 0, 600],
    ['nor does the arena alone: 0.1 a byte', 0, 0.1, 600],
    ['both do: 33 + 40', 30, 0.1, 200],
    ['to the cycle: 33 + 17.2', 30, 0.043, 200],
    ['33 + 16.8 do not', 30, 0.042, 600],
  ];
  for (const [edge, code, price, limit] of few) {
    it(`a kernel is given up for its code and its arena: ${edge}`, () => {
      expect(settled(given(code), goal(price, 1)).arenaBytes).to.equal(limit);
    });
  }

  /** Ten pieces of 100 bytes that save 0.1 a byte, in the RAM that the arena leaves of 1000. */
  const tenth = step({ arena: 200, cycles: 0, pieces: new Array(10).fill([100, 10]) });
  const freed: [edge: string, copies: number, limit: number][] = [
    ['RAM that nothing else uses is worth nothing', 200, 600],
    ['400 bytes for copies save 40 cycles, beside 30 of code', 1000, 200],
  ];
  for (const [edge, bytes, limit] of freed) {
    it(`a kernel is given up for its code and for copies of weights: ${edge}`, () => {
      const copyBytes = (arenaBytes: number) => Math.max(0, bytes - arenaBytes);
      const steps = [...given(30), bytes === 200 ? step({ arena: 200, cycles: 0 }) : tenth];
      expect(settled(steps, goal(0, 1), { copyBytes }).arenaBytes).to.equal(limit);
    });
  }

  /** RAM for 1000 bytes: copies of 800 bytes of weights save 80 cycles, the arena's last 400 save 30. */
  const competing = [
    step(
      { arena: 200, cycles: 50, pieces: [[800, 80]] },
      { arena: 600, cycles: 20, pieces: [[800, 80]] },
    ),
  ];
  const copyBytes = (arenaBytes: number) => 1000 - arenaBytes;
  it('leaves RAM to copies of weights where they save more', () => {
    const { arenaBytes, regions } = settled(competing, goal(0, 0), { copyBytes });
    expect({ arenaBytes, regions }).to.deep.equal({ arenaBytes: 200, regions: ['sram'] });
  });
  it('gives RAM to the arena where copies save less', () => {
    const less = [
      step(
        { arena: 200, cycles: 50, pieces: [[800, 20]] },
        { arena: 600, cycles: 20, pieces: [[800, 20]] },
      ),
    ];
    const { arenaBytes, regions } = settled(less, goal(0, 0), { copyBytes });
    expect({ arenaBytes, regions }).to.deep.equal({ arenaBytes: 600, regions: ['flash'] });
  });
});
