import { expect } from 'chai';
import { Command } from 'commander';
import {
  type CompileFlags,
  compileArguments,
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

  it('defaults are left out, and come back', () => {
    const flags = parsed('--optimize balanced --rounding tflm --cores 1');
    expect(compileArguments(flags)).to.equal('--cores 1');
    expect(compileOptions(parsed(compileArguments(flags)))).to.deep.equal(compileOptions(flags));
  });
});
