/** What is told of a choice: the kernels that were left, and what decided. */
import { expect } from 'chai';
import { explain } from '../../src/compiler/plan/choose/explain.js';
import type { Decision, KernelEstimate, KernelForm } from '../../src/compiler/plan/types.js';

const one = (form: KernelForm, kernel: string, count: number, bytes: number, cores = 1) => ({
  ...{ form, kernel, count, bytes, cores, arenaBytes: 500 },
});
const inArena = (arenaBytes: number, of: KernelEstimate) => ({ ...of, arenaBytes });
const rest = { imageBytes: 9000, share: 1, withMoreFlash: null };
const free: Decision = {
  ...{ unit: 'cycles', flashPrice: 0, arenaPrice: 0, reason: '--optimize speed', ...rest },
  ...{ arenaBytes: 500, arenaRoomBytes: 800, isShortOfRam: false },
};
const priced: Decision = {
  ...{ unit: 'instructions', flashPrice: 1.234, arenaPrice: 5.678, ...rest },
  ...{ arenaBytes: 500, arenaRoomBytes: null, isShortOfRam: false, reason: 'the flash budget' },
};

const rows: readonly (readonly [
  edge: string,
  alternatives: readonly KernelEstimate[],
  refused: readonly string[],
  decision: Decision,
  why: string,
])[] = [
  [
    'no choice',
    [one('dense', 'a', 10, 1)],
    [],
    free,
    'about 10 cycles, 1 B; the only one that applies',
  ],
  [
    'the best of each form, by time alone',
    [
      one('sparse', 'a', 10, 9),
      one('dense', 'b', 20, 9),
      one('dense', 'c', 21, 1),
      one('packed', 'd', 90, 1),
    ],
    [],
    free,
    'about 10 cycles, 9 B; dense: b about 20 cycles, 9 B; packed: d about 90 cycles, 1 B; ' +
      'fewest cycles (--optimize speed)',
  ],
  [
    'the best of a form by time and bytes, of the form that was chosen too',
    [one('dense', 'a', 10, 1), one('dense', 'b', 20, 9), one('dense', 'c', 21, 1)],
    [],
    priced,
    'about 10 instructions, 1 B; dense: c about 21 instructions, 1 B; ' +
      'least at 1.2 instructions for each byte of flash, 5.7 of the arena (the flash budget)',
  ],
  [
    'a budget that nothing fits',
    [one('packed', 'a', 10, 1), one('dense', 'b', 20, 9)],
    [],
    { ...priced, flashPrice: 1.1e9 },
    'about 10 instructions, 1 B; dense: b about 20 instructions, 9 B; fewest bytes (the flash budget)',
  ],
  [
    'a price of the arena alone',
    [one('dense', 'a', 10, 1), one('dense', 'b', 20, 9)],
    [],
    { ...priced, flashPrice: 0 },
    'about 10 instructions, 1 B; dense: b about 20 instructions, 9 B; ' +
      'least at 0 instructions for each byte of flash, 5.7 of the arena (the flash budget)',
  ],
  [
    'a price of flash alone',
    [one('dense', 'a', 10, 1), one('dense', 'b', 20, 9)],
    [],
    { ...priced, arenaPrice: 0 },
    'about 10 instructions, 1 B; dense: b about 20 instructions, 9 B; ' +
      'least at 1.2 instructions for each byte of flash, 0 of the arena (the flash budget)',
  ],
  ['nothing', [], [], free, ''],
  [
    'a price that something fits at: a hundred million',
    [one('packed', 'a', 10, 1), one('dense', 'b', 20, 9)],
    [],
    { ...priced, flashPrice: 1e8 },
    'about 10 instructions, 1 B; dense: b about 20 instructions, 9 B; ' +
      'least at 100000000 instructions for each byte of flash, 5.7 of the arena (the flash budget)',
  ],
  [
    'and one that nothing fits at',
    [one('packed', 'a', 10, 1), one('dense', 'b', 20, 9)],
    [],
    { ...priced, flashPrice: 1.001e8 },
    'about 10 instructions, 1 B; dense: b about 20 instructions, 9 B; fewest bytes (the flash budget)',
  ],
  [
    'two cores, and a kernel that is refused',
    [one('dense', 'a', 10, 1, 2), one('dense', 'a', 20, 1)],
    ['b: mostly gathers'],
    free,
    'on two cores, about 10 cycles, 1 B; dense: a about 20 cycles, 1 B; ' +
      'b: mostly gathers; fewest cycles (--optimize speed)',
  ],
  [
    'a faster kernel that RAM has no room for, beside the best that it has',
    [
      one('dense', 'a', 10, 1),
      inArena(801, one('dense', 'b', 9, 1)),
      inArena(900, one('dense', 'c', 8, 1)),
      one('dense', 'd', 20, 1),
    ],
    [],
    free,
    'about 10 cycles, 1 B; dense: d about 20 cycles, 1 B; ' +
      'dense: c about 8 cycles, 1 B, but the arena would need 900 B: there is room for 800; ' +
      'fewest cycles (--optimize speed)',
  ],
  [
    'one that RAM has room for, where copies of weights save more',
    [one('dense', 'a', 10, 1), inArena(501, one('dense', 'b', 9, 1))],
    [],
    free,
    'about 10 cycles, 1 B; dense: b about 9 cycles, 1 B, but the arena would need 501 B: ' +
      'RAM serves copies of weights better; fewest cycles (--optimize speed)',
  ],
  [
    'one that RAM has no room for, and that is as good: it is not told',
    [one('dense', 'a', 10, 1), inArena(801, one('dense', 'b', 10, 1))],
    [],
    free,
    'about 10 cycles, 1 B; fewest cycles (--optimize speed)',
  ],
  [
    'a faster kernel that the arena holds, whose code is not worth it: it is told once',
    [one('dense', 'a', 10, 1), one('dense', 'b', 9, 1)],
    [],
    free,
    'about 10 cycles, 1 B; dense: b about 9 cycles, 1 B; fewest cycles (--optimize speed)',
  ],
  [
    'one that costs more RAM than it is worth; none that would not be chosen anyway',
    [
      one('dense', 'a', 10, 1),
      inArena(501, one('sparse', 'b', 9, 1)),
      inArena(501, one('packed', 'c', 9, 2)),
    ],
    [],
    priced,
    'about 10 instructions, 1 B; sparse: b about 9 instructions, 1 B, but the arena would need ' +
      '501 B: not worth it; least at 1.2 instructions for each byte of flash, 5.7 of the arena ' +
      '(the flash budget)',
  ],
];

describe('why a kernel was chosen', () => {
  for (const [edge, alternatives, refused, decision, why] of rows) {
    it(edge, () => expect(explain(alternatives, refused, decision)).to.equal(why));
  }
});
