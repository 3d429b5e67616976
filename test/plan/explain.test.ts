/** What is told of a choice: the kernels that were left, and what decided. */
import { expect } from 'chai';
import { explain } from '../../src/plan/explain.js';
import type { Decision, KernelEstimate, KernelForm } from '../../src/plan/types.js';

const one = (form: KernelForm, kernel: string, count: number, bytes: number, cores = 1) => ({
  ...{ form, kernel, count, bytes, cores },
});
const imageBytes = 9000;
const free: Decision = {
  ...{ unit: 'cycles', flashPrice: 0, reason: '--optimize speed', imageBytes },
};
const priced: Decision = {
  ...{ unit: 'instructions', flashPrice: 1.234, reason: 'the flash budget', imageBytes },
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
      'least at 1.2 instructions for each byte (the flash budget)',
  ],
  [
    'a budget that nothing fits',
    [one('packed', 'a', 10, 1), one('dense', 'b', 20, 9)],
    [],
    { ...priced, flashPrice: 1.1e9 },
    'about 10 instructions, 1 B; dense: b about 20 instructions, 9 B; fewest bytes (the flash budget)',
  ],
  [
    'two cores, and a kernel that memory has no room for',
    [one('dense', 'a', 10, 1, 2), one('dense', 'a', 20, 1)],
    ['b needs an arena of 900 B'],
    free,
    'on two cores, about 10 cycles, 1 B; dense: a about 20 cycles, 1 B; ' +
      'b needs an arena of 900 B; fewest cycles (--optimize speed)',
  ],
];

describe('why a kernel was chosen', () => {
  for (const [edge, alternatives, refused, decision, why] of rows) {
    it(edge, () => expect(explain(alternatives, refused, decision)).to.equal(why));
  }
});
