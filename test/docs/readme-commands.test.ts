/** Commands and options of README.md, tried as they stand there. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { goals } from '../../src/compiler/ir/op.js';
import { roundings } from '../../src/compiler/ir/rounding.js';
import { sramCopies } from '../../src/compiler/plan/types.js';
import { cliPath } from '../support/cli.js';
import { runHere } from '../support/command.js';
import { once } from '../support/once.js';
import { codeIn, optionsIn, readme, tableOf } from '../support/readme.js';
import { ReadmeFolder, succeed } from '../support/readme-folder.js';
import { needs } from '../support/skip.js';

const here = new ReadmeFolder();

const helpOf = async (command: string) => (await succeed(['help', command])).stdout;

/** An option's line in the help of a command: its long name and what it says of it. */
const helpLine = /^ {2}(?:-\w, )?(--[a-z-]+)(?: [<[][^>\]]*[>\]])?(?: {2,}|\n {10,})(\S.*)$/gm;
const optionsOf = async (command: string) =>
  [...(await helpOf(command)).matchAll(helpLine)].map(([, option = '']) => option);
/** Options of all commands. */
const allOptions = once(async () => {
  const all = new Set<string>();
  for (const command of await commands()) {
    for (const option of await optionsOf(command)) all.add(option);
  }
  return all;
});

/** The commands of `bonsaic help`. */
async function commands(): Promise<readonly string[]> {
  const { stdout } = await runHere(['help']);
  const list = stdout.slice(stdout.indexOf('Commands:'));
  return [...list.matchAll(/^ {2}([a-z]+) /gm)].flatMap(([, name = '']) =>
    name === 'help' ? [] : [name],
  );
}

interface Claim {
  readonly name: string;
  /** As README writes it, without the program's name. */
  readonly line: readonly string[];
  /** Options that its row names, of any command. */
  readonly options: readonly string[];
}

/** Commands of README's table. A name alone takes what stands behind the first name of its row. */
const claims: readonly Claim[] = tableOf('command', 'what it does').flatMap(([cell = '', text]) => {
  const [first = '', ...others] = codeIn(cell);
  const [program, name = '', ...rest] = first.split(/\s+/);
  expect(program).to.equal('bonsaic');
  const options = optionsIn(`${first} ${text}`);
  return [name, ...others].map((one) => ({ name: one, line: [one, ...rest], options }));
});

const floatModels = /^(compress|quantize|prune|sensitivity)$/;

/** The command line that README's words stand for. */
async function trialOf({ name, line }: Claim): Promise<readonly string[]> {
  const words = line.flatMap((word) => (word === '…' ? [] : [word.replace(/^\[|\]$/g, '')]));
  const compiled =
    words.includes('DIR') && !words.includes('-o') ? await here.built() : here.fresh();
  const stands: Readonly<Record<string, string>> = {
    MODEL: floatModels.test(name) ? here.float : here.kws,
    ...{ D: here.samples, DIR: compiled, T: 'rp2040', P: 'sim', A: 'sim', B: 'sim:usb' },
    'a,b': 'stm32f411,rp2350',
  };
  const wasm = floatModels.test(name) ? ['--backend', 'wasm'] : [];
  return [...words.map((word) => stands[word] ?? word), ...wasm];
}

/** Rows that take minutes, or a program that ends by a signal; their tests are below. */
const elsewhere = /^(tune|simulate)$/;

describe('README: commands', () => {
  after(() => here.remove());

  it('the table has each command of help, and no other', async () => {
    expect(new Set(claims.map(({ name }) => name))).to.deep.equal(new Set(await commands()));
  });

  for (const claim of claims) {
    const { name, line, options } = claim;
    it(`bonsaic ${line.join(' ')}: its options are in its help`, async () => {
      const known = await optionsOf(name);
      expect(known, 'what README writes as the command').to.include.members(
        optionsIn(line.join(' ')),
      );
      const all = await allOptions();
      for (const option of options) expect(all, option).to.include(option);
    });
    if (elsewhere.test(name)) continue;
    it(`bonsaic ${line.join(' ')}: does it, with one document for --json`, async () => {
      const args = await trialOf(claim);
      const json = (await optionsOf(name)).includes('--json');
      // Tools that this machine lacks.
      const [statuses, where] = name === 'doctor' ? [[0, 4], 'doctor'] : [[0], args.join(' ')];
      const { status, stdout, stderr } = await runHere([...args, ...(json ? ['--json'] : [])]);
      expect(status, `${where}: ${stderr}`).to.be.oneOf(statuses);
      if (json) expect(typeof JSON.parse(stdout), where).to.equal('object');
    });
  }

  it('tune --forget, without a measurement', async () => {
    const cache = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = here.place('cache');
    try {
      await succeed(['tune', '--forget', '--target', 'rp2040']);
    } finally {
      if (cache === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = cache;
    }
  });

  it('simulate: a board has its place, until a signal', async function () {
    needs(this, 'socat');
    const link = here.place('terminal');
    const board = spawn(process.execPath, [cliPath, 'simulate', 'stm32f405', '--link', link]);
    const ended = new Promise((resolve) => board.once('exit', resolve));
    try {
      for (let wait = 0; wait < 600 && !existsSync(link); wait++) await setTimeout(50);
      expect(existsSync(link)).to.equal(true);
    } finally {
      // The terminal may be there a moment before the board answers signals in its own way.
      board.kill('SIGTERM');
      const stuck = setTimeout(60_000, 'stuck', { ref: false });
      const how = await Promise.race([ended, stuck]);
      if (how === 'stuck') board.kill('SIGKILL');
      expect(how, 'its status').to.be.oneOf([0, 143]);
    }
  });

  it('operators --json gives the names by format', async () => {
    const [, shape = ''] = /`operators --json` gives [^:]*: `([^`]*)`/.exec(readme) ?? [];
    const [format = ''] = Object.keys(JSON.parse(shape.replace('...', '""')));
    const { stdout } = await succeed(['operators', '--json']);
    expect(JSON.parse(stdout)[format]).to.include('CONV_2D');
  });

  it('every option that README names is one of bonsaic', async () => {
    const all = await allOptions();
    for (const option of optionsIn(readme)) expect(all).to.include(option);
  });

  it('every option of every command says in help what it does', async () => {
    for (const command of await commands()) {
      const help = await helpOf(command);
      const listed = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, name]) => name);
      const described = await optionsOf(command);
      expect(described, command).to.deep.equal(listed);
    }
  });

  it('its lists of values are those of the options', () => {
    const [, copies = ''] = /`--sram-copies ([a-z|]*)`/.exec(readme) ?? [];
    expect(copies.split('|')).to.deep.equal([...sramCopies]);
    const rows = tableOf('`--optimize`');
    const named = rows.map(([cell = '']) => codeIn(cell)[0]);
    expect(named).to.have.members([...goals]);
    const flags = tableOf('runtime', 'flag').flatMap(([, flag = '']) => codeIn(flag));
    const shown = new Set(flags.map((flag) => flag.replace('--rounding ', '')));
    expect(shown).to.deep.equal(new Set(roundings));
  });

  it('the default goal, rounding and flash are those of help', async () => {
    const help = await helpOf('compile');
    const defaultOf = (option: string) => {
      const [, line = ''] = help.split(`  ${option} `);
      return /default:\s+"([^"]*)"/.exec(line.split(/^ {2}--/m)[0] ?? '')?.[1];
    };
    const goal = tableOf('`--optimize`').find(([cell = '']) => cell.includes('(default)'));
    expect(codeIn(goal?.[0] ?? '')[0]).to.equal(defaultOf('--optimize'));
    const [, rounding] = /`--rounding ([a-z]*)` \(the default\)/.exec(readme) ?? [];
    expect(rounding).to.equal(defaultOf('--rounding'));
  });
});
