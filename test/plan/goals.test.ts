/** What budgets of time and zeros do to the choice: costs made up, the right choice worked out by hand. */
import { expect } from 'chai';
import type { Optimize } from '../../src/compiler/ir/op.js';
import { chosenOf as choose, noLimits, stepOf as step } from '../support/choice.js';

describe('plan: a budget of time', () => {
  // A byte of 100 is worth 0.2 · 1000 / 100 = 2 cycles; quick saves 1.5 a byte, hasty 0.5. With the
  // arena, which counts as 200, lean costs 2400, quick 2600 and hasty 3800.
  const steps = [
    step(
      { name: 'lean', cycles: 2000, flash: 100 },
      { name: 'quick', cycles: 1400, flash: 500 },
      { name: 'hasty', cycles: 1000, flash: 1300 },
    ),
  ];
  const rows: [edge: string, mostCycles: number, kernel: string, share: [number, number]][] = [
    ['that is met, less a twentieth', 2106, 'lean', [1, 1]],
    ['that is missed, less a twentieth: 2400 / 2600', 2105, 'quick', [0.923, 0.9231]],
    ['that only the fastest meets: 2400 / 3800', 1473, 'hasty', [0.6315, 0.6316]],
    ['that is not met less a twentieth', 1052, 'hasty', [0.6315, 0.6316]],
    ['that nothing meets: the fastest', 999, 'hasty', [0, 0]],
  ];
  for (const [edge, mostCycles, kernel, [least, most]] of rows) {
    it(`${edge}: ${kernel}`, () => {
      const { kernels, decision } = choose(steps, 'balanced', { mostCycles });
      expect(kernels).to.deep.equal([kernel]);
      expect(decision.share).to.be.within(least, most);
      const reason = least === 1 ? '--optimize balanced' : 'the time budget, if each took a cycle';
      expect(decision.reason).to.equal(reason);
    });
  }

  it('that is met to the cycle, less a twentieth: 1900 of 2000', () => {
    const one = [
      step({ name: 'lean', cycles: 1900, flash: 100 }, { name: 'quick', cycles: 1500, flash: 500 }),
    ];
    const { kernels, decision } = choose(one, 'balanced', { mostCycles: 2000 });
    expect({ kernels, share: decision.share }).to.deep.equal({ kernels: ['lean'], share: 1 });
  });

  it('of a target that counts cycles needs no excuse', () => {
    const { decision } = choose(steps, 'balanced', { mostCycles: 1473 }, 'cycles');
    expect(decision.reason).to.equal('the time budget');
  });

  it('whose twentieth nothing saves costs no bytes', () => {
    const one = [
      step({ name: 'lean', cycles: 1000, flash: 100 }, { name: 'hasty', cycles: 999, flash: 200 }),
    ];
    const { kernels, decision } = choose(one, 'balanced', { mostCycles: 1000 });
    expect({ kernels, share: decision.share }).to.deep.equal({ kernels: ['lean'], share: 1 });
  });

  it('is met by the smallest image that is fast enough, for size', () => {
    expect(choose(steps, 'size').kernels).to.deep.equal(['lean']);
    expect(choose(steps, 'size', { mostCycles: 1474 }).kernels).to.deep.equal(['quick']);
  });

  it('buys a larger arena too', () => {
    const one = [
      step(
        { name: 'lean', cycles: 2000, flash: 100, arena: 100 },
        { name: 'wide', cycles: 1900, flash: 100, arena: 16484 },
      ),
    ];
    const room = { leastArenaBytes: 100 };
    expect(choose(one, 'balanced', room).kernels).to.deep.equal(['lean']);
    expect(choose(one, 'balanced', { ...room, mostCycles: 1900 }).kernels).to.deep.equal(['wide']);
  });
});

describe('plan: kernels for zeros that make the image larger', () => {
  const rows: [edge: string, cycles: number, kernel: string][] = [
    ['a fifth of the time is worth it', 80_000, 'sparse'],
    ['less is not', 80_100, 'dense'],
  ];
  for (const [edge, cycles, kernel] of rows) {
    it(edge, () => {
      const steps = [
        step(
          { name: 'dense', cycles: 100_000, flash: 1000 },
          { name: 'sparse', cycles, flash: 1100 },
        ),
      ];
      const pruned = steps.map((one) => ({ ...one, weights: { count: 100, zeros: 25 } }));
      expect(choose(pruned, 'balanced').kernels).to.deep.equal([kernel]);
      expect(choose(pruned, 'speed').kernels, 'speed').to.deep.equal(['sparse']);
      // Weights as code skip the few zeros of any model: that makes none of them pruned.
      const whole = steps.map((one) => ({ ...one, weights: { count: 100, zeros: 24 } }));
      expect(choose(whole, 'balanced').kernels).to.deep.equal(['sparse']);
    });
  }

  // Zeros save 15 of 100 thousand cycles, for 100 bytes.
  const made = step(
    { name: 'dense', cycles: 100_000, flash: 1000 },
    { name: 'sparse', cycles: 85_000, flash: 1100 },
  );
  const pruned = [{ ...made, weights: { count: 100, zeros: 50 } }];
  const budgets: [edge: string, mostCycles: number, kernel: string][] = [
    ['that dense ones meet: these are taken', 100_000, 'dense'],
    ['that dense ones miss by a cycle: zeros', 99_999, 'sparse'],
  ];
  for (const [edge, mostCycles, kernel] of budgets) {
    it(`with a budget of time ${edge}`, () => {
      expect(choose(pruned, 'balanced', { mostCycles }).kernels).to.deep.equal([kernel]);
    });
  }

  it('are given up by the goal, not by a budget', () => {
    const { kernels, decision } = choose(pruned, 'balanced');
    expect(kernels).to.deep.equal(['dense']);
    expect(decision.reason).to.equal('--optimize balanced');
  });

  it('are taken in a model without weights', () => {
    expect(choose([made], 'balanced').kernels).to.deep.equal(['sparse']);
    const none = [{ ...made, weights: { count: 0, zeros: 0 } }];
    expect(choose(none, 'balanced').kernels).to.deep.equal(['sparse']);
  });

  it('are held to the dense model with the channels that are dead here', () => {
    const steps = [
      step(
        { name: 'dense', cycles: 100_000, flash: 1000 },
        { name: 'sparse', cycles: 88_000, flash: 1100 },
      ),
    ].map((one) => ({ ...one, weights: { count: 100, zeros: 25 } }));
    // 1000 / 0.9 = 1111 bytes with all channels, 1000 / 0.92 = 1087.
    const cycles = () => Infinity;
    const allow = (liveShare: number) =>
      choose(steps, 'balanced', { source: { macs: 0, sums: 0, parameters: 0, liveShare, cycles } });
    expect(allow(0.9).kernels).to.deep.equal(['sparse']);
    expect(allow(0.92).kernels).to.deep.equal(['dense']);
  });

  const beside: [edge: string, cycles: number, kernel: string][] = [
    ['as fast as what fits: dense', 100_000, 'dense'],
    ['a cycle faster: zeros, though they are larger', 99_999, 'sparse'],
  ];
  for (const [edge, cycles, kernel] of beside) {
    it(`beside --faithful, ${edge}`, () => {
      const source = { macs: 0, sums: 0, parameters: 0, liveShare: 1, cycles: () => cycles };
      expect(choose(pruned, 'balanced', { source }).kernels).to.deep.equal([kernel]);
    });
  }

  it('are taken if they save flash, even if they save little time', () => {
    const steps = [
      step(
        { name: 'dense', cycles: 100_000, flash: 1000 },
        { name: 'sparse', cycles: 88_000, flash: 1000 },
      ),
    ];
    expect(choose(steps, 'balanced').kernels).to.deep.equal(['sparse']);
  });
});

describe('plan: code of small networks', () => {
  // A byte of 100 would be worth 0.2 · 600 / 100 = 1.2 cycles; quick saves 1 a byte.
  const steps = [
    step({ name: 'lean', cycles: 1000, flash: 100 }, { name: 'quick', cycles: 600, flash: 500 }),
  ];
  const rows: [edge: string, runtimeBytes: number, kernel: string][] = [
    ['goes by the constants where these are more than the runtime', 100, 'lean'],
    ['by the runtime where that is more: 121 bytes, 0.99 a byte', 121, 'quick'],
    ['which is not yet so with 119', 119, 'lean'],
  ];
  for (const [edge, runtimeBytes, kernel] of rows) {
    it(edge, () => {
      expect(choose(steps, 'balanced', { runtimeBytes }).kernels).to.deep.equal([kernel]);
    });
  }
});

describe('plan: the arena with --optimize size', () => {
  const rows: [edge: string, least: number, cycles: number, kernel: string][] = [
    ['half the time is worth twice 32 KB', 32768, 499, 'wide'],
    ['more is not', 32768, 501, 'lean'],
    ['less than 16 KB counts as 16', 1000, 1000 / 1.5 - 1, 'wide'],
    ['and is more than nothing', 1000, 1000 / 1.5 + 1, 'lean'],
  ];
  for (const [edge, least, cycles, kernel] of rows) {
    it(edge, () => {
      const added = least === 1000 ? 8192 : least;
      const steps = [
        step(
          { name: 'lean', cycles: 1000, flash: 1000, arena: least },
          { name: 'wide', cycles, flash: 1000, arena: least + added },
        ),
      ];
      const { kernels } = choose(steps, 'size', { leastArenaBytes: least });
      expect(kernels).to.deep.equal([kernel]);
    });
  }
});

describe('plan: bounds that a goal sets itself', () => {
  // In bytes and cycles: size takes the smallest, balanced pays 2 cycles for a byte.
  const steps = [
    step(
      { name: 'lean', cycles: 4000, flash: 100 },
      { name: 'quick', cycles: 1900, flash: 2000 },
      { name: 'hasty', cycles: 1000, flash: 4000 },
    ),
  ];
  const rows: [edge: string, Optimize, interpreterCycles: number, kernel: string][] = [
    ['nothing is known of an interpreter', 'size', Infinity, 'lean'],
    ['size is as fast as it, less a twentieth', 'size', 4211, 'lean'],
    ['and no slower', 'size', 4210, 'quick'],
    ['no further than it must', 'size', 2001, 'quick'],
    ['to the fastest', 'size', 1999, 'hasty'],
    ['where that is slower too, the goal decides', 'size', 1000, 'lean'],
    ['balanced is twice as fast', 'balanced', 8422, 'lean'],
    ['and no slower', 'balanced', 8420, 'quick'],
    ['speed has nothing to give', 'speed', 900, 'hasty'],
  ];
  for (const [edge, optimize, interpreterCycles, kernel] of rows) {
    it(`an interpreter's time: ${edge}`, () => {
      const { kernels, decision } = choose(steps, optimize, { interpreterCycles });
      expect(kernels).to.deep.equal([kernel]);
      const isBound = kernel !== (optimize === 'speed' ? 'hasty' : 'lean');
      const bound = isBound ? ', in less time than an interpreter' : '';
      expect(decision.reason).to.equal(`--optimize ${optimize}${bound}`);
      expect(decision.share, 'no budget of the user').to.equal(1);
    });
  }

  it('an interpreter’s time gives way to a budget of flash', () => {
    const room = { interpreterCycles: 2500, flashBytes: 1999, mostFlashBytes: 1999 };
    expect(choose(steps, 'size', room).kernels).to.deep.equal(['lean']);
  });

  it('an interpreter’s time buys copies of weights', () => {
    const one = [step({ name: 'lean', cycles: 1000, flash: 100, pieces: [[100, 500]] })];
    const two = [one, one].flat();
    const copies = (interpreterCycles: number) => {
      const room = { ...noLimits, interpreterCycles, copyBytes: () => 50 };
      const withMoreCopies = { ...room, copyBytes: () => 100 };
      const withAllCopies = { ...room, copyBytes: () => 200 };
      return choose(two, 'size', { ...room, withMoreCopies, withAllCopies }).regions.sort();
    };
    // 3000, 2500 or 2000 cycles, of which a twentieth is left to estimates.
    expect(copies(3158)).to.deep.equal(['flash', 'flash']);
    expect(copies(3157)).to.deep.equal(['flash', 'sram']);
    expect(copies(2632)).to.deep.equal(['flash', 'sram']);
    expect(copies(2631), 'all').to.deep.equal(['sram', 'sram']);
  });

  const flash: [edge: string, usual: number, most: number, kernel: string, more: number | null][] =
    [
      ['all that it wants is left', 4000, 5333, 'hasty', null],
      ['a byte less: what fits', 3999, 5332, 'quick', 1000 / 1900],
      ['what balanced takes, which leaves none', 99, 132, 'lean', null],
    ];
  for (const [edge, usualFlashBytes, mostFlashBytes, kernel, more] of flash) {
    it(`flash that speed leaves free: ${edge}`, () => {
      const room = { usualFlashBytes, mostFlashBytes, flashBytes: mostFlashBytes };
      const { kernels, decision } = choose(steps, 'speed', room);
      expect(kernels).to.deep.equal([kernel]);
      expect(decision.withMoreFlash?.timeShare ?? null).to.equal(more);
      const bound = ', in three quarters of the flash or what balanced takes';
      expect(decision.reason).to.equal(`--optimize speed${kernel === 'hasty' ? '' : bound}`);
    });
  }

  it('flash beyond a budget is told where it gains 3 %', () => {
    const at = (cycles: number) => {
      const one = [
        step({ name: 'lean', cycles: 1000, flash: 100 }, { name: 'quick', cycles, flash: 101 }),
      ];
      const room = { flashBytes: 100, mostFlashBytes: 1000 };
      return choose(one, 'balanced', room).decision.withMoreFlash;
    };
    expect(at(970)).to.deep.equal({ imageBytes: 101, timeShare: 0.97 });
    expect(at(971)).to.equal(null);
  });
});
