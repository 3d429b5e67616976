/** Someone who searches for the field's terms finds what bonsaic calls otherwise. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { entries, makeProgram } from '../../src/cli/program.js';
import { floorOf, leastShare } from '../../src/compress/goals.js';

const page = readFileSync(new URL('../../docs/compression.md', import.meta.url), 'utf8');

describe('docs/compression.md', () => {
  for (const term of [
    'quantization-aware training (QAT)',
    'post-training quantization (PTQ)',
    'knowledge distillation',
    'magnitude pruning',
    'structured pruning',
    'filter or channel pruning',
    'N:M sparsity',
    'calibration',
  ]) {
    it(`has the term ${term}`, () => {
      expect(page.toLowerCase()).to.include(term.toLowerCase());
    });
  }

  it('and the help of a command begins with what it does, in these terms', async () => {
    const { commands } = await makeProgram(entries.map(({ name }) => name));
    for (const command of commands) {
      expect(command.helpInformation(), command.name()).to.match(/^Usage: .*\n\n[A-Za-z]/);
      expect(command.helpInformation(), command.name()).not.to.match(/^Usage: .*\n\nArguments:/);
    }
    expect(commands.find((command) => command.name() === 'compress')?.description()).to.match(
      /PTQ, QAT, pruning, distillation/,
    );
  });

  it('states the floor that compress has', () => {
    expect(leastShare).to.equal(0.75);
    expect(page).to.match(/must keep three quarters of what the float model has/);
    const assessed = (accuracy: number) => ({ accuracy, agreement: null, error: null, snrDb: 0 });
    const standard = {
      task: 'classes',
      original: assessed(0.717),
      blind: 0.1,
      samples: 1e9,
    } as const;
    expect(page).to.include(`| *the floor* | *${(100 * floorOf(standard)).toFixed(1)}* |`);
    expect(page).to.include(`*${(-10 * Math.log10(1 - leastShare)).toFixed(1)}*`);
  });
});
