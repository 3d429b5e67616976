/** bonsaic.json: what it gives to which command, and what it may say. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Command, CommanderError, Option } from 'commander';
import { required, withConfig } from '../../src/cli/config.js';
import { modelOf } from '../../src/cli/model-argument.js';
import { readConfig } from '../../src/config.js';
import { BonsaiError } from '../../src/errors.js';
import { captureOutput } from '../support/command.js';

describe('bonsaic.json', () => {
  let directory: string;
  let config: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-config-'));
    config = join(directory, 'bonsaic.json');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** What reaches the action of a command that takes a model, and of one that takes a directory. */
  async function flagsOf(
    args: readonly string[],
    contents: object,
  ): Promise<Record<string, unknown>> {
    writeFileSync(config, JSON.stringify(contents));
    let seen: Record<string, unknown> = {};
    const program = withConfig(new Command().exitOverride());
    program.configureOutput({ writeErr: () => {} });
    const options = (command: Command) =>
      command
        .addOption(required(new Option('--target <name>')))
        .addOption(new Option('--optimize <goal>').default('balanced'))
        .addOption(new Option('--cores <count>').choices(['1', '2']))
        .option('--max-flash <bytes>', '', Number)
        .option('--max-ms <ms>', '', Number)
        .option('--vectors <file>')
        .option('--faithful');
    options(program.command('run').argument('[model]')).action((model, flags) => {
      seen = { ...flags, model: modelOf(model, flags) };
    });
    options(program.command('build').argument('<dir>')).action((_, flags) => {
      seen = flags;
    });
    program.command('list').action((flags) => {
      seen = flags;
    });
    const { end } = captureOutput();
    try {
      await program.parseAsync([...args, '--config', config], { from: 'user' });
    } finally {
      end();
    }
    return seen;
  }

  const rows: [edge: string, args: string[], contents: object, expected: object][] = [
    [
      'goal is --optimize; cores are text as on the command line; paths begin at the file',
      ['run'],
      { model: 'a.tflite', target: 'host', goal: 'size', cores: 2, vectors: '../v.json' },
      {
        model: 'DIR/a.tflite',
        target: 'host',
        optimize: 'size',
        cores: '2',
        vectors: 'DIR/../v.json',
      },
    ],
    [
      'the command line comes first',
      ['run', 'b.tflite', '--target', 'rp2040', '--optimize', 'speed', '--max-flash', '2'],
      { model: 'a.tflite', target: 'host', goal: 'size', maxFlash: 1, faithful: true },
      { model: 'b.tflite', target: 'rp2040', optimize: 'speed', maxFlash: 2, faithful: true },
    ],
    [
      'a directory has a model and budgets of its own, no time',
      ['build', 'd'],
      { model: 'a.tflite', target: 'host', maxFlash: 1, maxMs: 3 },
      { target: 'host', optimize: 'balanced', maxMs: 3 },
    ],
    ['what a command has no option for', ['list'], { target: 'host', port: 'sim' }, {}],
  ];
  for (const [edge, args, contents, expected] of rows) {
    it(edge, async () => {
      const flags = JSON.stringify(await flagsOf(args, contents));
      const inFolder = (path: string) => join(directory, path);
      const wanted = JSON.stringify(expected).replace(/DIR\/([^"]*)/g, (_, path) => inFolder(path));
      expect(JSON.parse(flags)).to.deep.equal(JSON.parse(wanted));
    });
  }

  const compilers: [edge: string, cc: string, expected: string][] = [
    ['begins at the file where it is a path', 'tools/gcc -g', 'DIR/tools/gcc -g'],
    ['is looked for where it is a name', 'ccache tools/gcc', 'ccache tools/gcc'],
    ['stays where it is absolute', '/opt/gcc', '/opt/gcc'],
    ['without an end is left to what runs it', "tools/gcc 'x", "tools/gcc 'x"],
  ];
  for (const [edge, cc, expected] of compilers) {
    it(`a compiler ${edge}`, () => {
      writeFileSync(config, JSON.stringify({ cc, strict: true }));
      expect(readConfig(config)).to.deep.equal({
        cc: expected.replace('DIR', directory),
        strict: true,
      });
    });
  }

  /** What `flagsOf` throws. */
  const errorOf = (args: readonly string[], contents: object): Promise<unknown> =>
    flagsOf(args, contents).then(
      () => null,
      (error: unknown) => error,
    );

  it('what neither gives is asked for', async () => {
    const target = await errorOf(['run', 'm'], {});
    expect(target)
      .to.be.instanceOf(CommanderError)
      .with.property('message')
      .that.includes('--target <name>');
    const model = await errorOf(['run', '--target', 'host'], {});
    expect(model)
      .to.be.instanceOf(BonsaiError)
      .with.property('message')
      .that.includes("argument 'model'");
  });

  const wrong: [edge: string, text: string, says: RegExp][] = [
    ['an unknown key', '{"traget":"host"}', /does not know the key "traget"/],
    ['a wrong type', '{"maxRam":"9000"}', /"maxRam" is "9000", not a number/],
    ['a budget of nothing', '{"maxFlash":0}', /"maxFlash" is 0, not above 0/],
    [
      'a target that is not there',
      '{"target":"pico"}',
      /"target" is "pico", not one of .*"rp2040"/,
    ],
    ['no object', '[1]', /is an array, not an object/],
    ['no JSON', 'target: host', /is not JSON/],
    ['a path with an end in it', '{"output": "o\\u0000x"}', /"output" has a character 0/],
    ['a port with an end in it', '{"port": "/dev/\\u0000"}', /"port" has a character 0/],
  ];
  for (const [edge, text, says] of wrong) {
    it(`refuses ${edge}, names the file and the keys that there are`, () => {
      writeFileSync(config, text);
      try {
        readConfig(config);
        expect.fail('it was read');
      } catch (error) {
        if (!(error instanceof BonsaiError)) throw error;
        expect(error).to.include({ code: 'usage', where: config });
        expect(error.message).to.match(says);
        expect(error.hint).to.match(/any of: model, target, port, goal, maxFlash/);
      }
    });
  }

  it('refuses what an option of the command does not take', async () => {
    const error = await errorOf(['run', 'm'], { target: 'host', cores: 'auto' });
    expect(error)
      .to.be.instanceOf(BonsaiError)
      .with.property('message')
      .that.includes('"cores": auto');
  });
});
