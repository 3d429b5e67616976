import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Command } from 'commander';
import {
  type CompileFlags,
  compileArguments,
  compileDefaults,
  compileOptions,
  withBudgets,
  withCompileOptions,
  withTarget,
} from '../../src/cli/options.js';

const parsed = (text: string) => {
  const command = withBudgets(withCompileOptions(withTarget(new Command(), 'none')), {
    measured: true,
  });
  return command
    .parse(text === '' ? [] : text.split(' '), { from: 'user' })
    .opts<CompileFlags & { target?: string }>();
};

import { readConfig } from '../../src/config.js';

describe('cli: the options of another command that compiles alike', () => {
  const rows: readonly [edge: string, text: string][] = [
    ['none are given', ''],
    ['a goal alone', '--optimize speed'],
    ['a budget alone, which changes the kernels', '--max-ms 2.265'],
    [
      'all',
      '--target rp2040 --optimize size --rounding tflite --strict --faithful --keep-input --stream 1 --hop 2 --sram-copies none --cores auto --max-flash 1000 --max-ram 2000 --max-ms 3',
    ],
  ];
  for (const [edge, text] of rows) {
    it(edge, () => {
      const flags = parsed(text);
      expect(compileArguments(flags)).to.equal(text);
    });
  }

  for (const [edge, text] of [...rows, ['two shapes', '--shape 1,4 --shape b=1,2']] as const) {
    it(`bonsaic.json has them too: ${edge}`, () => {
      const file = join(mkdtempSync(join(tmpdir(), 'bonsaic-defaults-')), 'bonsaic.json');
      const flags = parsed(text);
      writeFileSync(file, JSON.stringify(compileDefaults(flags)));
      const { goal: optimize = 'balanced', rounding = 'tflm', cores, ...rest } = readConfig(file);
      const back = { optimize, rounding, ...rest, ...(cores ? { cores: String(cores) } : {}) };
      rmSync(dirname(file), { recursive: true });
      expect(back).to.deep.equal(flags);
      expect(compileArguments(flags)).to.equal(text);
    });
  }

  it('defaults are left out, and come back', () => {
    const flags = parsed('--optimize balanced --rounding tflm --cores 1');
    expect(compileArguments(flags)).to.equal('--cores 1');
    expect(compileOptions(parsed(compileArguments(flags)))).to.deep.equal(compileOptions(flags));
  });
});
