/** What bytes cost and what that chooses: each row has the sum that decides it. */
import { expect } from 'chai';
import {
  choose,
  place,
  priceOf,
  type StepAlternatives,
} from '../../src/compiler/plan/choose/prices.js';
import type { Room } from '../../src/compiler/plan/choose/room.js';
import { chosenOf, type MadeUpKernel, noLimits, searched, stepOf } from '../support/choice.js';

function settled(
  steps: readonly StepAlternatives[],
  [flash]: readonly [number],
  room: Partial<Room> = {},
) {
  const { picks, prices } = searched(steps, flash, room);
  return {
    kernels: picks.map(({ alternative }) => alternative.implementation.variant.template),
    regions: picks.map(({ regions }) => regions.join('+')),
    cycles: picks.map(({ cycles }) => cycles),
    prices,
  };
}

describe('plan: the price of RAM', () => {
  const steps = [
    stepOf({ name: 'copied', cycles: 100, pieces: [[100, 60]] }, { name: 'flat', cycles: 120 }),
  ];
  const rows: [edge: string, sram: number, kernel: string][] = [
    ['copies for 19 cycles: 119 are less than 120', 0.19, 'copied'],
    ['for 21 they are more', 0.21, 'flat'],
  ];
  for (const [edge, sram, kernel] of rows) {
    it(edge, () => {
      const [pick] = choose(steps, { flash: 0, sram });
      expect(pick?.alternative.implementation.variant.template).to.equal(kernel);
    });
  }

  it('is not part of the cost of weights that stay in flash', () => {
    const [alternative] = stepOf({ name: 'a', cycles: 100, flash: 7, pieces: [[100, 60]] })
      .alternatives as [StepAlternatives['alternatives'][0]];
    const [cheap, dear] = [0.59, 0.6].map((price) => place(alternative, price));
    expect(cheap).to.deep.include({ regions: ['sram'], cycles: 100, sramBytes: 100 });
    expect(dear, '60 cycles for 100 bytes are not more than 0.6').to.deep.include({
      ...{ regions: ['flash'], cycles: 160, sramBytes: 0 },
    });
    const prices = { flash: 2, sram: 3 };
    expect(cheap && priceOf(cheap, prices)).to.equal(100 + 14 + 300);
    expect(dear && priceOf(dear, { flash: 2, sram: Infinity })).to.equal(160 + 14);
  });

  it('what misses nothing stays in flash, whatever RAM costs', () => {
    expect(
      settled([stepOf({ name: 'a', cycles: 1, pieces: [[8, 0]] })], [0]).regions,
    ).to.deep.equal(['flash']);
  });
});

describe('plan: RAM for copies goes to what saves most for its bytes', () => {
  const pieces = (...all: readonly (readonly [number, number])[]) =>
    all.map((piece, i) => stepOf({ name: `${i}`, cycles: 0, pieces: [piece] }));
  const rows: [
    edge: string,
    steps: readonly StepAlternatives[],
    copies: number,
    regions: string[],
  ][] = [
    ['all, where there is room to the byte', pieces([100, 9], [60, 9]), 160, ['sram', 'sram']],
    ['0.8 cycles a byte before 0.5', pieces([100, 50], [60, 51]), 159, ['flash', 'sram']],
    [
      'but 50 cycles before 48, where only one fits',
      pieces([100, 50], [60, 48]),
      159,
      ['sram', 'flash'],
    ],
    [
      'and then what fits: 40 of the 50 bytes left',
      pieces([100, 50], [60, 48], [40, 10]),
      110,
      ['flash', 'sram', 'sram'],
    ],
    ['to the byte', pieces([100, 50], [60, 48], [40, 10]), 100, ['flash', 'sram', 'sram']],
    [
      'but not a byte beyond',
      pieces([100, 50], [60, 48], [40, 10]),
      99,
      ['flash', 'sram', 'flash'],
    ],
    [
      'not to what misses nothing',
      pieces([100, 50], [60, 48], [9, 0]),
      99,
      ['flash', 'sram', 'flash'],
    ],
    [
      // At 0.5 a byte 100 of 150 are taken; of the 50 left 40 save 16, and 30 save 15.
      'what a price leaves over goes to what saves most',
      pieces([100, 100], [100, 50], [40, 16], [30, 15]),
      150,
      ['sram', 'flash', 'sram', 'flash'],
    ],
    [
      'to the byte, what is in RAM counted once',
      pieces([10, 20], [100, 100], [100, 50], [40, 16], [30, 15]),
      140,
      ['sram', 'sram', 'flash', 'flash', 'sram'],
    ],
    [
      'the best of what still fits: 0.4 before 0.3',
      pieces([100, 90], [60, 18], [50, 20]),
      155,
      ['sram', 'flash', 'sram'],
    ],
  ];
  for (const [edge, steps, bytes, regions] of rows) {
    it(edge, () => {
      const found = settled(steps, [0], { copyBytes: () => bytes });
      expect(found.regions).to.deep.equal(regions);
    });
  }

  const leftOver: [edge: string, bytes: number, kernels: string[], regions: string[]][] = [
    ['buys one of two kernels that need copies', 100, ['copied', 'flat'], ['sram', '']],
    ['but not for a byte less', 99, ['flat', 'flat'], ['', '']],
    ['both, where there is room', 200, ['copied', 'copied'], ['sram', 'sram']],
  ];
  for (const [edge, bytes, kernels, regions] of leftOver) {
    it(`what a price leaves over ${edge}`, () => {
      // At more than 0.3 a byte both are flat. In flash a copied one takes 160.
      const one = stepOf(
        { name: 'flat', cycles: 130 },
        { name: 'copied', cycles: 100, pieces: [[100, 60]] },
      );
      const found = settled([one, one], [0], { copyBytes: () => bytes });
      expect(found).to.deep.include({ kernels, regions });
    });
  }

  // One of two pieces that save 0.9 a byte takes 100 of 150 bytes. The 50 left would save 60, at 0.9
  // a byte 15, so that no price buys them: the kernel is 30 cycles faster than flat, for its flash.
  const scarce = stepOf({ name: 'a', cycles: 0, pieces: [[100, 90]] });
  const worth: [edge: string, flash: number, kernel: string][] = [
    ['29 bytes of flash for 30 cycles, at 1 a byte', 29, 'copied'],
    ['but not 30, which gain nothing', 30, 'flat'],
  ];
  for (const [edge, flash, kernel] of worth) {
    it(`what a price leaves over buys ${edge}`, () => {
      const one = stepOf(
        { name: 'flat', cycles: 130 },
        { name: 'copied', cycles: 100, flash, pieces: [[50, 60]] },
      );
      const { kernels } = settled([scarce, scarce, one], [1], { copyBytes: () => 150 });
      expect(kernels).to.deep.equal(['a', 'a', kernel]);
    });
  }

  it('calls of one kernel lie in both', () => {
    const steps = [
      stepOf({
        name: 'a',
        cycles: 5,
        pieces: [
          [10, 2],
          [10, 3],
          [10, 1],
        ],
      }),
    ];
    const found = settled(steps, [0], { copyBytes: () => 20 });
    expect(found).to.deep.include({ regions: ['sram+sram+flash'], cycles: [6] });
  });

  it('a choice says where its pieces lie, and the bytes of those in RAM', () => {
    const steps = [
      stepOf({
        name: 'a',
        cycles: 5,
        pieces: [
          [10, 2],
          [12, 3],
        ],
      }),
    ];
    const [choice] = chosenOf(steps, 'balanced', { copyBytes: () => 12 }).choices;
    expect(choice?.regions).to.deep.equal(['flash', 'sram']);
    expect(choice?.copiedBytes).to.equal(12);
  });
});

describe('plan: the price of code', () => {
  // At a price of 1, 20 bytes of code are 10 more than those of lean: 10 cycles, 11 with the margin.
  const lean = { name: 'lean', cycles: 100, code: ['lean', 10] } as const;
  const rows: [edge: string, other: MadeUpKernel, kernel: string][] = [
    [
      '12 cycles saved are worth 10 bytes',
      { name: 'quick', cycles: 88, code: ['quick', 20] },
      'quick',
    ],
    ['9 are not', { name: 'quick', cycles: 91, code: ['quick', 20] }, 'lean'],
    ['9 are where it costs nothing', { name: 'quick', cycles: 91 }, 'quick'],
    ['weights count as much', { name: 'quick', cycles: 91, flash: 8, code: ['q', 10] }, 'quick'],
    ['and both together', { name: 'quick', cycles: 88, flash: 4, code: ['q', 20] }, 'lean'],
  ];
  for (const [edge, other, kernel] of rows) {
    it(edge, () => expect(settled([stepOf(lean, other)], [1]).kernels).to.deep.equal([kernel]));
  }

  const quick = { name: 'quick', cycles: 94, code: ['quick', 20] } as const;
  it('is paid once by all steps: 6 cycles saved in one step are not worth 11, 12 saved in two are', () => {
    expect(settled([stepOf(lean, quick)], [1]).kernels).to.deep.equal(['lean']);
    const two = [stepOf(lean, quick), stepOf(lean, quick)];
    expect(settled(two, [1]).kernels).to.deep.equal(['quick', 'quick']);
  });

  it('one kernel for all steps saves that of another one: 4 cycles lost, 20 bytes gained', () => {
    const steps = [
      stepOf(
        { name: 'a', cycles: 10, code: ['a', 20] },
        { name: 'b', cycles: 14, code: ['b', 20] },
      ),
      stepOf({ name: 'b', cycles: 10, code: ['b', 20] }),
    ];
    expect(settled(steps, [1]).kernels).to.deep.equal(['b', 'b']);
    expect(settled(steps, [0.15]).kernels, 'at 3 cycles for its code').to.deep.equal(['a', 'b']);
  });

  it('one kernel for all is tried at once: 3 cycles and its code do not pay for one step', () => {
    // a or b alone: 3 cycles lost, z's 20 bytes for 20. Both: 6 cycles lost, 20 bytes for 40.
    const kernel = (name: string, cycles: number) => ({ name, cycles, code: [name, 20] as const });
    const steps = [
      stepOf(kernel('a', 10), kernel('z', 13)),
      stepOf(kernel('b', 10), kernel('z', 13)),
    ];
    expect(settled(steps, [1]).kernels).to.deep.equal(['z', 'z']);
    expect(settled(steps, [0.25]).kernels, 'at 5 cycles for its code').to.deep.equal(['a', 'b']);
  });

  it('kernels are given up until no more is gained', () => {
    // Each step has its own best and can do with c: alone, none of them is worth giving up all of
    // the others for; a and b together are.
    const one = (name: string, cycles: number) => ({ name, cycles, code: [name, 20] as const });
    const steps = [
      stepOf(one('a', 10), one('c', 12)),
      stepOf(one('b', 10), one('c', 13)),
      stepOf(one('c', 10)),
      stepOf(one('d', 10), one('c', 90)),
    ];
    expect(settled(steps, [1]).kernels).to.deep.equal(['c', 'c', 'c', 'd']);
  });

  it('of an image is a tenth more, rounded up, with the runtime’s', () => {
    const steps = [
      stepOf({ name: 'a', cycles: 1, flash: 500, code: ['a', 31] }),
      stepOf({ name: 'a', cycles: 1, flash: 300, code: ['a', 31] }),
    ];
    const { decision } = chosenOf(steps, 'speed', { runtimeBytes: 70 });
    expect(decision.imageBytes, '800 + 1.1 · 101').to.equal(912);
  });
});

describe('plan: a budget of flash', () => {
  const lean = { name: 'lean', cycles: 100, flash: 10 };
  /** Saves 40 cycles for 30 bytes. */
  const quick = { name: 'quick', cycles: 60, flash: 40 };
  /** Saves 9 more for 10. */
  const hasty = { name: 'hasty', cycles: 51, flash: 50 };
  const two = [stepOf(lean, hasty, quick), stepOf(lean, hasty, quick)];
  const rows: [edge: string, flashBytes: number, price: number, kernels: string[]][] = [
    ['that nothing misses: the wanted price', 80, 1, ['quick', 'quick']],
    ['that one price moves both over leaves 40, which buy one', 79, 1, ['quick', 'lean']],
    ['to the byte', 50, 1, ['quick', 'lean']],
    ['but not a byte beyond', 49, 1, ['lean', 'lean']],
    ['and 10 that are not worth 9 cycles', 60, 1, ['quick', 'lean']],
    ['but are at 0.8', 60, 0.8, ['hasty', 'lean']],
    ['but not at 0.9, which gains nothing', 60, 0.9, ['quick', 'lean']],
    ['that nothing fits: the fewest bytes', 19, 1, ['lean', 'lean']],
  ];
  for (const [edge, flashBytes, price, kernels] of rows) {
    it(edge, () => {
      expect(settled(two, [price], { flashBytes }).kernels).to.deep.equal(kernels);
    });
  }

  it('sets the lowest price that fits: 40 cycles for 30 bytes', () => {
    const { prices } = settled([stepOf(lean, quick)], [1], { flashBytes: 39 });
    expect(prices.flash).to.be.within(4 / 3, 1.001 * (4 / 3));
  });

  it('sets it from a thousandth of a cycle on, where bytes cost nothing', () => {
    const one = [
      stepOf({ name: 'a', cycles: 1, flash: 9 }, { name: 'b', cycles: 1.009, flash: 0 }),
    ];
    const { prices, kernels } = settled(one, [0], { flashBytes: 8 });
    expect(kernels).to.deep.equal(['b']);
    expect(prices.flash).to.be.within(0.001, 0.0011);
  });

  it('buys what gains most for its share: 30 cycles for 20 bytes before 40 for 30', () => {
    const brisk = { name: 'brisk', cycles: 70, flash: 30 };
    // After brisk 20 bytes are left: quick instead saves 10 for 10 then, which is worth 1 a byte.
    const steps = [stepOf(lean, brisk), stepOf(lean, quick)];
    expect(settled(steps, [1], { flashBytes: 49 }).kernels).to.deep.equal(['brisk', 'lean']);
  });

  // Two leans take 20 bytes and 1.1 · 40 of code, 64: 15 of 79 are left. A quick one’s weights are
  // 30 more, but lean’s code of 22 goes: 8. At 5 cycles a byte both are lean.
  const own = (name: string) => ({ ...lean, code: [name, 20] as const });
  const changes: [edge: string, quick: MadeUpKernel, flashBytes: number, kernels: string[]][] = [
    ['counts the code that goes with its last step', quick, 79, ['quick', 'lean']],
    ['to the byte', quick, 72, ['quick', 'lean']],
    ['but not a byte beyond', quick, 71, ['lean', 'lean']],
    ['and the code that comes: 8 + 5.5', { ...quick, code: ['q', 5] }, 79, ['quick', 'lean']],
    ['8 + 7.7 are too much', { ...quick, code: ['q', 7] }, 79, ['lean', 'lean']],
    [
      'no code goes that it needs itself, but b',
      { ...quick, code: ['a', 20] },
      79,
      ['lean', 'quick'],
    ],
  ];
  for (const [edge, other, flashBytes, kernels] of changes) {
    it(edge, () => {
      const steps = [stepOf(own('a'), other), stepOf(own('b'), other)];
      expect(settled(steps, [1], { flashBytes }).kernels).to.deep.equal(kernels);
    });
  }

  it('no code goes that another step needs: 30 of 29 bytes left', () => {
    const steps = [stepOf(own('a'), quick), stepOf(own('a'))];
    expect(settled(steps, [1], { flashBytes: 71 }).kernels).to.deep.equal(['lean', 'lean']);
    expect(settled(steps, [1], { flashBytes: 72 }).kernels).to.deep.equal(['quick', 'lean']);
  });

  it('does not say what dense kernels would take: that is as if there were none', () => {
    const steps = [
      stepOf(
        { name: 'dense', cycles: 100, flash: 100 },
        { name: 'dense, lean', cycles: 300, flash: 50 },
        { name: 'sparse', cycles: 200, flash: 60 },
      ),
    ];
    const { kernels, choices } = chosenOf(steps, 'speed', { flashBytes: 60 });
    expect(kernels).to.deep.equal(['sparse']);
    expect(choices[0]?.dense?.kernel).to.equal('dense');
  });

  it('is part of the decision', () => {
    const forced = chosenOf(two, 'speed', { flashBytes: 79 });
    expect(forced.decision.reason).to.equal('the flash budget, spent where it gains most');
    const full = chosenOf(two, 'speed', { flashBytes: 50 });
    expect(full.decision).to.deep.include({ imageBytes: 50, reason: forced.decision.reason });
    const missed = chosenOf(two, 'speed', { flashBytes: 19 });
    expect(missed.decision.reason).to.equal('the flash budget');
    const free = chosenOf(two, 'speed', { flashBytes: 100 });
    expect(free.decision).to.deep.include({ reason: '--optimize speed', flashPrice: 0 });
  });

  it('lets in kernels for zeros that would be too slow without it', () => {
    const steps = [
      stepOf(
        { name: 'dense', cycles: 1000, flash: 100 },
        { name: 'sparse', cycles: 2000, flash: 50 },
      ),
    ];
    expect(chosenOf(steps, 'speed', { flashBytes: 100 }).kernels).to.deep.equal(['dense']);
    expect(chosenOf(steps, 'speed', { flashBytes: 99 }).kernels).to.deep.equal(['sparse']);
  });
});

describe('plan: a limit of RAM', () => {
  const wide = [
    stepOf({ name: 'lean', cycles: 60, arena: 100 }, { name: 'wide', cycles: 30, arena: 200 }),
  ];
  const rows: [
    edge: string,
    most: number,
    kernel: string,
    isShort: boolean,
    room: number | null,
  ][] = [
    ['none', Infinity, 'wide', false, null],
    ['that fits to the byte', 200, 'wide', false, 200],
    ['a byte less', 199, 'lean', true, 199],
    ['in whole bytes', 199.5, 'lean', true, 199],
  ];
  for (const [edge, mostArenaBytes, kernel, isShortOfRam, arenaRoomBytes] of rows) {
    it(edge, () => {
      const { kernels, decision } = chosenOf(wide, 'speed', { mostArenaBytes });
      expect(kernels).to.deep.equal([kernel]);
      expect(decision).to.deep.include({ isShortOfRam, arenaRoomBytes });
    });
  }

  it('gives way if copies need the RAM more: 0.5 cycles a byte, not 0.3', () => {
    const copied = stepOf({ name: 'a', cycles: 0, pieces: [[100, 50]] });
    const steps = [...wide, copied, copied];
    const isShort = (bytes: number) =>
      chosenOf(steps, 'speed', { mostArenaBytes: 150, copyBytes: () => bytes }).decision
        .isShortOfRam;
    expect(isShort(100)).to.equal(false);
    expect(isShort(200), 'both are copied, RAM costs nothing').to.equal(true);
  });
});

describe('plan: the price of flash', () => {
  // balanced: 1000 bytes of the fastest 1000 cycles’ model have to save 200 cycles, 0.2 a byte.
  const rows: [edge: string, cycles: number, kernel: string][] = [
    ['balanced: 100 bytes more for 21 cycles', 1021, 'quick'],
    ['but not for 19', 1019, 'lean'],
  ];
  for (const [edge, cycles, kernel] of rows) {
    it(edge, () => {
      const steps = [
        stepOf({ name: 'lean', cycles, flash: 1000 }, { name: 'quick', cycles: 1000, flash: 1100 }),
      ];
      expect(chosenOf(steps, 'balanced').kernels).to.deep.equal([kernel]);
    });
  }

  // 3 % less time is worth twice the image, and 3 % of 3 % less twice that.
  const doubled: [edge: string, flash: number, cycles: number, kernel: string][] = [
    ['speed: twice the image for 3.1 %', 2000, 969, 'quick'],
    ['but not for 2.9', 2000, 971, 'lean'],
    ['four times the image for 6 %', 4000, 940, 'quick'],
    ['but not for 5.8', 4000, 942, 'lean'],
    ['a thousandth of it for a ten-thousandth', 1001, 999.9, 'quick'],
  ];
  for (const [edge, flash, cycles, kernel] of doubled) {
    it(edge, () => {
      const steps = [
        stepOf({ name: 'lean', cycles: 1000, flash: 1000 }, { name: 'quick', cycles, flash }),
      ];
      expect(chosenOf(steps, 'speed').kernels).to.deep.equal([kernel]);
    });
  }
});

describe('plan: --optimize size', () => {
  // Half of the time is worth 2^(1/12) − 1 = 5.946 % of the image.
  const halves: [edge: string, flash: number, kernel: string][] = [
    ['half of the time for 594 bytes of 10 000', 10_594, 'quick'],
    ['but not for 595', 10_595, 'lean'],
  ];
  for (const [edge, flash, kernel] of halves) {
    it(edge, () => {
      const steps = [
        stepOf(
          { name: 'lean', cycles: 2000, flash: 10_000 },
          { name: 'quick', cycles: 1000, flash },
        ),
      ];
      expect(chosenOf(steps, 'size').kernels).to.deep.equal([kernel]);
    });
  }

  it('twice the arena is worth a twelfth of the constants and the runtime: 1200 bytes of 16 KB', () => {
    const room = { runtimeBytes: 200, leastArenaBytes: 1000 };
    const { decision } = chosenOf([stepOf({ name: 'a', cycles: 9, flash: 1000 })], 'size', room);
    expect(decision.arenaPrice).to.equal((decision.flashPrice * (1 / 12) * 1200) / 16384);
  });

  it('tries the cycles of a byte: what saves 1.5 is fewest where code is most of the image', () => {
    // A byte of 1000 is one cycle of 1000. 1.15^(1/12) = 1.0117; 100 of 23 000 bytes are 0.43 %.
    const code = ['a', 20_000] as const;
    const steps = [
      stepOf(
        { name: 'lean', cycles: 1150, flash: 1000, code },
        { name: 'quick', cycles: 1000, flash: 1100, code },
      ),
    ];
    const { kernels, decision } = chosenOf(steps, 'size');
    expect({ kernels, price: decision.flashPrice }).to.deep.equal({ kernels: ['quick'], price: 1 });
  });

  it('tries 4096 of them: a byte of 200 is worth 11 000 cycles of 200 000', () => {
    // A byte is 1000 / 200 = 5 cycles: 4096 are 20 480, 2048 are 10 240.
    // 201 · 200 100^(1/12) is more than 200 · 211 100^(1/12): 1.005 and 1.00447.
    const steps = [
      stepOf(
        { name: 'lean', cycles: 200_000, flash: 100 },
        { name: 'quick', cycles: 900, flash: 1000 },
      ),
      stepOf(
        { name: 'lean', cycles: 11_100, flash: 100 },
        { name: 'quick', cycles: 100, flash: 101 },
      ),
    ];
    const { kernels, decision } = chosenOf(steps, 'size');
    expect(kernels).to.deep.equal(['lean', 'lean']);
    expect(decision.flashPrice).to.equal(20_480);
  });

  const late: [edge: string, flash: number, kernel: string][] = [
    ['a hundredth too late is worth 1.01^100 = 2.70 of the image', 27_000, 'quick'],
    ['and no more', 27_100, 'lean'],
  ];
  for (const [edge, flash, kernel] of late) {
    it(edge, () => {
      const steps = [
        stepOf(
          { name: 'lean', cycles: 1010, flash: 10_000 },
          { name: 'quick', cycles: 1000, flash },
        ),
      ];
      expect(chosenOf(steps, 'size', { mostCycles: 500 }).kernels).to.deep.equal([kernel]);
    });
  }
});

describe('plan: kernels that skip zeros or pack weights', () => {
  const rows: [edge: string, optimize: 'speed' | 'balanced', cycles: number, isTaken: boolean][] = [
    ['speed: a cycle faster', 'speed', 99_999, true],
    ['speed: no faster', 'speed', 100_000, false],
    ['balanced: nine tenths, and 1000 cycles less', 'balanced', 89_000, true],
    ['balanced: a cycle more', 'balanced', 89_001, false],
  ];
  for (const form of ['sparse', 'packed']) {
    for (const [edge, optimize, cycles, isTaken] of rows) {
      it(`${form}, ${edge}`, () => {
        const dense = { name: 'dense', cycles: 100_000, flash: 1000 };
        const steps = [stepOf({ name: form, cycles, flash: 1000 }, dense)];
        expect(chosenOf(steps, optimize).kernels).to.deep.equal([isTaken ? form : 'dense']);
      });
    }
  }

  it('size takes what is slower, if it is smaller enough', () => {
    const dense = { name: 'dense', cycles: 1000, flash: 1000 };
    const steps = [stepOf(dense, { name: 'packed', cycles: 1900, flash: 900 })];
    expect(chosenOf(steps, 'size').kernels, '1.9^(1/12) = 1.055').to.deep.equal(['packed']);
  });

  it('packed ones are compared with sparse ones too, where these are taken', () => {
    const dense = { name: 'dense', cycles: 100_000, flash: 1000 };
    const sparse = { name: 'sparse', cycles: 50_000, flash: 1000 };
    const packed = (cycles: number) => ({ name: 'packed', cycles, flash: 1000 });
    const taken = (cycles: number) =>
      chosenOf([stepOf(dense, sparse, packed(cycles))], 'balanced').kernels;
    expect(taken(44_000), '0.9 · 50 000 − 1000').to.deep.equal(['packed']);
    expect(taken(44_001)).to.deep.equal(['sparse']);
  });

  it('are compared with dense ones at the price of the RAM that these take from other steps', () => {
    // RAM for one copy: 0.6 cycles a byte without zeros, so dense costs 100 + 600, which is more than
    // 500. In all 500 and 0, or 100 and 600.
    const steps = [
      stepOf(
        { name: 'dense', cycles: 100, pieces: [[1000, 900]] },
        { name: 'sparse', cycles: 500 },
      ),
      stepOf({ name: 'dense', cycles: 0, pieces: [[1000, 600]] }),
    ];
    const { kernels, regions } = chosenOf(steps, 'speed', { copyBytes: () => 1000 });
    expect(kernels).to.deep.equal(['sparse', 'dense']);
    expect(regions).to.deep.equal(['', 'sram']);
  });

  it('are taken, even if slow, if nothing else computes the step', () => {
    const steps = [
      stepOf({ name: 'sparse', cycles: 9, flash: 1 }, { name: 'packed', cycles: 8, flash: 2 }),
    ];
    expect(chosenOf(steps, 'speed').kernels).to.deep.equal(['packed']);
  });

  it('the report has what would be chosen without them', () => {
    const dense = { name: 'dense', cycles: 100_000, flash: 1000 };
    const [pruned, plain] = chosenOf(
      [stepOf(dense, { name: 'sparse', cycles: 10, flash: 10 }), stepOf({ ...dense, cores: 2 })],
      'balanced',
    ).choices;
    expect(pruned?.dense).to.deep.equal({
      ...{ kernel: 'dense', cores: 1, form: 'dense', count: 100_000, bytes: 1000, arenaBytes: 1 },
    });
    expect(plain?.dense).to.deep.include({ kernel: 'dense', cores: 2 });
    const [only] = chosenOf([stepOf({ name: 'sparse', cycles: 9, flash: 1 })], 'speed').choices;
    expect(only?.dense).to.equal(null);
  });

  it('estimates come with the chosen one first, then by time', () => {
    const all = [5, 3, 4, 6].map((cycles, i) => ({ name: `${cycles}`, cycles, flash: i }));
    const [choice] = chosenOf([stepOf(...all)], 'speed').choices;
    expect(choice?.alternatives.map(({ kernel }) => kernel)).to.deep.equal(['3', '4', '5', '6']);
  });
});

describe('plan: more than the share of RAM for copies', () => {
  // A step of 100 cycles with a copy of 100 bytes; from flash it loses so many cycles more. 0.55 of
  // the time may remain.
  const rows: [edge: string, missCycles: number, region: string][] = [
    ['with the copy 100 cycles are 0.549 of 182', 82, 'sram'],
    ['100 are 0.552 of 181', 81, 'flash'],
  ];
  for (const [edge, missCycles, region] of rows) {
    it(`it is taken where that nearly halves the time: ${edge}`, () => {
      const step = stepOf({ name: 'a', cycles: 100, pieces: [[100, missCycles]] });
      const withMoreCopies = { ...noLimits, copyBytes: () => 100 };
      const room = { copyBytes: () => 50, withMoreCopies, withAllCopies: withMoreCopies };
      expect(chosenOf([step], 'balanced', room).regions).to.deep.equal([region]);
      expect(
        chosenOf([step], 'balanced', { copyBytes: () => 50 }).regions,
        'the share alone',
      ).to.deep.equal(['flash']);
    });
  }
});
