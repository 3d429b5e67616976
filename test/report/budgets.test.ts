/** Budgets that cannot be met: what is told of them. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import type { FirmwareMemory } from '../../src/compiler/ir/op.js';
import { type CompileOptions, estimatedCount } from '../../src/compiler/plan/types.js';
import { compile } from '../../src/pipeline.js';
import { type Budgets, type Held, overBudget, timeNote } from '../../src/report/budgets.js';
import { makeReport } from '../../src/report/index.js';

const path = 'examples/activity/activity.tflite';
const bytes = readFileSync(path);

const target = loadTarget('rp2040');

function hold(options: Partial<CompileOptions>, ms?: number): Held {
  const { plan, emission } = compile({
    ...{ bytes, path, target },
    options: {
      ...{ optimize: 'speed', rounding: 'tflm', faithful: false, keepInput: false, xip: 'model' },
      ...options,
    },
  });
  const report = makeReport({ manifest: emission.manifest, target });
  if (ms === undefined) return { report, plan };
  const latency = { unit: 'cycles' as const, count: 1, min: 1, max: 1, runs: 1, clockHz: 1e6, ms };
  const layers = report.layers.map((layer, i) => ({ ...layer, count: i === 2 ? 75 : 1 }));
  return { report: { ...report, latency, layers }, plan };
}

describe('budgets', () => {
  const speed = hold({});
  const constants = speed.report.memory.weightBytes + speed.report.memory.tableBytes;
  const size = hold({ optimize: 'size' });
  const largest = Math.max(...size.plan.steps.map((step) => step.alternatives[0]?.bytes ?? 0));
  const { arenaBytes, sramCopyBytes } = speed.report.memory;
  const { staticBytes } = target.firmware as FirmwareMemory;
  const runtimeBytes = target.code?.speed.runtimeBytes ?? 0;
  const leastFlash = constants + runtimeBytes;
  const leastRam = arenaBytes + sramCopyBytes + staticBytes;
  const balanced = hold({ optimize: 'balanced' }, 8);

  const rows: readonly (readonly [
    edge: string,
    held: Held,
    budgets: Budgets,
    message: RegExp | null,
    hint: RegExp,
  ])[] = [
    ['that are just met', speed, { maxFlash: leastFlash, maxRam: leastRam }, null, /./],
    [
      'of flash that another goal would meet',
      speed,
      { maxFlash: leastFlash - 1 },
      new RegExp(`^needs at least ${leastFlash} bytes of flash, the budget is ${leastFlash - 1}$`),
      /^most in layer \d \(\w+\) \d+, .*\nwith --max-flash \d+ --optimize speed about \d+, balanced about \d+, size about \d+\ncompile with --max-flash \d+ --optimize .*, which may do$/,
    ],
    [
      'of flash that nothing meets',
      speed,
      { maxFlash: 10 },
      /the budget is 10$/,
      /none is enough: prune more/,
    ],
    [
      'of flash, with the tables of layers',
      size,
      { maxFlash: 10 },
      /flash/,
      new RegExp(`^most in layer \\d \\(\\w+\\) ${largest}, `),
    ],
    [
      'of RAM that nothing meets',
      speed,
      { maxRam: 10 },
      /^needs at least \d+ bytes of RAM, the budget is 10$/,
      new RegExp(`none is enough: the arena takes ${arenaBytes}`),
    ],
    [
      'of time, by what the layers were measured to take',
      balanced,
      { maxMs: 7.5 },
      /^needs 8 ms an inference, the budget is 7.5$/,
      /^most in layer 2 \(\w+\) 7\.\d+, /,
    ],
    [
      'of time, smaller than a hundredth of a millisecond',
      hold({ optimize: 'balanced' }, 0.014876),
      { maxMs: 0.0093 },
      /^needs 0.01488 ms an inference, the budget is 0.0093$/,
      /^most in layer 2 \(\w+\) 0.0\d+, /,
    ],
    [
      'of time, with what a second core would reach',
      balanced,
      { maxMs: 5 },
      /^needs 8 ms an inference, the budget is 5$/,
      /size about [\d.]+, speed --cores 2 about [\d.]+, .*\ncompile with --max-ms 5 --optimize speed --cores 2$/,
    ],
    [
      'of time, that more copies of weights would meet',
      hold({ optimize: 'balanced', sramCopies: 'none' }, 8),
      { maxMs: 7.15 },
      /^needs 8 ms/,
      /\ncompile with --max-ms 7.15 .*--optimize balanced --sram-copies all/,
    ],
    [
      'of time, where copies have all of the RAM',
      hold({ optimize: 'balanced', sramCopies: 'all' }, 8),
      { maxMs: 7 },
      /^needs 8 ms/,
      /^(?!.*--sram-copies).*\n(?!.*--sram-copies).*\n(?!.*--sram-copies)/,
    ],
    [
      'of time, that nothing comes near',
      balanced,
      { maxMs: 0.1 },
      /^needs 8 ms/,
      /none is enough: prune more/,
    ],
    [
      'of all three',
      balanced,
      { maxMs: 1, maxRam: 1, maxFlash: 1 },
      /flash.*; needs.*RAM.*; needs 8 ms/,
      /(most in.*\nwith --max-flash 1 --max-ram 1 --max-ms 1 --optimize.*\n.*\n?){3}/,
    ],
  ];
  for (const [edge, held, budgets, message, hint] of rows) {
    it(edge, async () => {
      const error = await overBudget(held, target, budgets, async (changes) =>
        hold({ ...held.plan.options, ...changes }),
      );
      if (message === null) {
        expect(error).to.equal(null);
        return;
      }
      expect(error).to.include({ code: 'over-budget', exitStatus: 3 });
      expect(error?.message).to.match(message);
      expect(error?.hint).to.match(hint);
      for (const line of error?.hint.split('\n') ?? []) expect(line.length, line).to.be.below(200);
    });
  }

  const fastestMs = (1000 * estimatedCount(speed.plan)) / loadTarget('rp2040').clockHz;
  for (const [edge, options, expected] of [
    ['no budget', {}, /^$/],
    ['an estimate within it', { maxMs: 1.1 * fastestMs }, /^$/],
    ['an estimate over it', { maxMs: fastestMs / 2 }, /by estimate, --max-ms is .*--cores 2 may/],
    ['over it, with both cores', { maxMs: 1e-3, cores: 2 }, /are faster\. bonsaic run/],
  ] as const) {
    it(`of time, when compiling: ${edge}`, () => {
      expect(timeNote(hold(options).plan, target) ?? '').to.match(expected);
    });
  }
});
