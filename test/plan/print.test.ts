/** The listing behind `--dump plan`: what each line of it says. */
import { expect } from 'chai';
import { printPlan } from '../../src/compiler/plan/print.js';
import type { Decision, KernelEstimate, Plan, PlanStep } from '../../src/compiler/plan/types.js';
import { NetworkBuilder } from '../support/networks.js';
import { simplePlan } from '../support/plan.js';

const one = (kernel: string, rest: Partial<KernelEstimate> = {}): KernelEstimate => ({
  ...{ kernel, cores: 1, form: 'dense', count: 1000, bytes: 200, arenaBytes: 64, ...rest },
});
const chosen = one('a/b');

/** The line of a step with these kernels. */
function lineOf(step: Partial<PlanStep>, decision: Partial<Decision> = {}): string {
  return linesOf({ step, decision }).at(4) ?? '';
}

function linesOf({
  step = {},
  decision = {},
  plan = {},
}: {
  readonly step?: Partial<PlanStep>;
  readonly decision?: Partial<Decision>;
  readonly plan?: Partial<Plan>;
}): readonly string[] {
  const b = new NetworkBuilder();
  const { plan: simple } = simplePlan(b.module([b.dense(b.input([1, 8]), 8)]));
  const [first] = simple.steps;
  if (first === undefined) throw new RangeError('no step');
  const steps = [{ ...first, name: 'x "y"', op: 'conv2d+relu', alternatives: [chosen], ...step }];
  const decided = { ...simple.decision, flashPrice: 2, arenaBytes: 64, ...decision };
  return printPlan({ ...simple, steps, decision: decided, arenaBytes: 64, ...plan }).split('\n');
}

const head = '0 conv2d+relu "x \\"y\\"": ';
const usual = `${head}a/b, 1 K cycles, price 1.4 K, 200 B in flash, arena 64 B; `;
const rows: [edge: string, line: () => string, wanted: string][] = [
  ['one kernel', () => lineOf({}), `${usual}the only one that applies`],
  [
    'another one',
    () => lineOf({ alternatives: [chosen, one('c', { count: 1260, bytes: 100 })] }),
    `${usual}dense c 1.3 x cycles, 0.5 x bytes`,
  ],
  [
    'one of another form that needs too much of the arena',
    () =>
      lineOf({ alternatives: [chosen, one('c', { form: 'sparse', count: 1, arenaBytes: 65 })] }),
    `${usual}sparse c 0.001 x cycles, 1 x bytes, arena 65 B is too large`,
  ],
  [
    'two cores, and a kernel without bytes',
    () => lineOf({ alternatives: [{ ...chosen, cores: 2, bytes: 0 }, one('c', { bytes: 3 })] }),
    `${head}a/b ×2, 1 K cycles, price 1 K, 0 B in flash, arena 64 B; dense c 1 x cycles, 3 x bytes`,
  ],
  [
    'weights in both',
    () => lineOf({ regions: ['sram', 'flash', 'sram'] }),
    `${usual.replace('in flash', 'in flash and sram')}the only one that applies`,
  ],
  [
    'an input that is moved',
    () => lineOf({ move: { from: 0, to: 4, bytes: 12 } }),
    `${usual.replace('arena 64 B', 'arena 64 B, moves 12 B')}the only one that applies`,
  ],
  [
    'nothing to compute',
    () => lineOf({ kernel: 'none', alternatives: [], why: 'its output is its input' }),
    `${head}its output is its input`,
  ],
  [
    'few cycles',
    () => lineOf({ alternatives: [one('a/b', { count: 994, bytes: 0 })] }),
    `${head}a/b, 990 cycles, price 990, 0 B in flash, arena 64 B; the only one that applies`,
  ],
  [
    'nearly a thousand',
    () => lineOf({ alternatives: [one('a/b', { count: 996, bytes: 0 })] }, { flashPrice: 0 }),
    `${head}a/b, 1 K cycles, price 1 K, 0 B in flash, arena 64 B; the only one that applies`,
  ],
  [
    'millions',
    () => lineOf({ alternatives: [one('a/b', { count: 12_345_678, bytes: 0 })] }),
    `${head}a/b, 12 M cycles, price 12 M, 0 B in flash, arena 64 B; the only one that applies`,
  ],
];

describe('plan: its listing', () => {
  for (const [edge, line, wanted] of rows) {
    it(edge, () => expect(line()).to.equal(wanted));
  }

  it('begins with what decided', () => {
    const decision = {
      unit: 'instructions',
      ...{ reason: 'the flash budget', imageBytes: 41_234 },
      ...{ flashPrice: 1.234, arenaPrice: 0, arenaRoomBytes: 500 },
    } as const;
    expect(linesOf({ decision }).slice(0, 4)).to.deep.equal([
      'plan model for host, --optimize balanced',
      'prices: flash 1.2, arena 0 instructions for each byte (the flash budget)',
      'estimated: 1 K instructions, image 41 KB',
      'arena: 64 B, at least 16, limit 64 of 500',
    ]);
  });

  it('says so where there are two cores, and no limit', () => {
    const { options } = simplePlan(new NetworkBuilder().module([])).plan;
    const [first, , , arena] = linesOf({ plan: { options: { ...options, cores: 2 } } });
    expect(first).to.equal('plan model for host, --optimize balanced, --cores 2');
    expect(arena).to.equal('arena: 64 B, at least 16, limit 64 of no limit');
  });

  it('ends with a line break', () => {
    expect(linesOf({}).at(-1)).to.equal('');
    expect(linesOf({})).to.have.length(6);
  });
});
