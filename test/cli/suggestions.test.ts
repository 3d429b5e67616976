/** What a mistyped name may have meant: one mechanism for options, commands, lists and files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { nearest } from '../../src/nearest.js';
import { encodeModel, smallModel } from '../formats/fixture.js';
import { runHere } from '../support/command.js';

describe('names near a mistyped one', () => {
  const boards = ['rp2040', 'rp2350', 'stm32f405', 'stm32f411', 'stm32h743', 'esp32', 'host'];
  const rows: readonly (readonly [edge: string, word: string, names: readonly string[]])[] = [
    ['digits of a sister chip', 'stm32f104', ['stm32f405', 'stm32f411']],
    ['upper case', 'RP2040', ['rp2040', 'rp2350']],
    ['a beginning: all that continue it', 'stm32f', ['stm32f405', 'stm32f411']],
    ['two characters swapped', 'rp2400', ['rp2040', 'rp2350']],
    ['one letter left out', 'hst', ['host']],
    ['nothing like it', 'arduino', []],
    ['empty', '', []],
    ['very long', 'r'.repeat(1e6), []],
  ];
  for (const [edge, word, names] of rows) {
    it(edge, () => expect(nearest(word, boards)).to.deep.equal(names));
  }
});

describe('command line: did you mean', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-nearest-'));
  const model = join(directory, 'model.tflite');
  const config = join(directory, 'bonsaic.json');
  before(() => {
    writeFileSync(model, encodeModel(smallModel()));
    writeFileSync(config, '{"target":"stm32f104"}');
  });
  after(() => rmSync(directory, { recursive: true }));

  const rows: readonly (readonly [edge: string, args: readonly string[], said: RegExp])[] = [
    ['a target', ['run', model, '--target', 'stm32f104'], /did you mean stm32f405 or stm32f411\?/],
    ['inspect', ['inspect', model, '--target', 'rp2041'], /did you mean rp2040/],
    ['an argument', ['simulate', 'rp2041', '--link', directory], /did you mean rp2040/],
    ['a list', ['compare', model, '--targets', 'host,rp2041'], /"rp2041".*did you mean rp2040/],
    ['a goal', ['run', model, '--optimize', 'sped'], /did you mean speed\?/],
    [
      'a rounding',
      ['run', model, '--rounding', 'tflit'],
      /did you mean tflite, tflite-portable or tflm/,
    ],
    ['a command', ['complie', model], /Did you mean compile\?/],
    ['an option', ['run', model, '--optimise', 'size'], /Did you mean --optimize\?/],
    ['a pass', ['inspect', model, '--dump', 'fuse-activatoin'], /did you mean fuse-activation/],
    ['bonsaic.json', ['inspect', model, '--config', config], /did you mean stm32f405/],
    ['--forget', ['tune', '--forget', '--target', 'stm32f104'], /did you mean stm32f405/],
  ];
  for (const [edge, args, said] of rows) {
    it(edge, async () => {
      const { status, stderr } = await runHere(args);
      expect(stderr).to.match(said);
      expect(status).to.equal(1);
    });
  }

  it('nothing is near: the names alone', async () => {
    const { status, stderr } = await runHere(['run', model, '--target', 'arduino']);
    expect(stderr)
      .to.match(/Allowed choices are .*rp2040, .*\.\n/)
      .and.not.match(/did you mean/i);
    expect(status).to.equal(1);
  });
});
