/** What README.md says of files, code, boards and set-up is tried as it stands there. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { isLibrary } from '../../src/boards/target/firmware.js';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { readConfig } from '../../src/config.js';
import { runHere } from '../support/command.js';
import { between, blockWith, codeBlocks, codeIn, readme, tableOf } from '../support/readme.js';
import { ReadmeFolder, succeed } from '../support/readme-folder.js';
import { needs, needsSimulator } from '../support/skip.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const here = new ReadmeFolder();

describe('README: what you get', () => {
  after(() => here.remove());

  const rows = tableOf('file', 'contents');
  const files = rows.flatMap(([cell = '']) => codeIn(cell));

  it('compile writes these files and folders, and no others', async () => {
    const folder = here.fresh();
    // With layers as code, which have a file of their own.
    const faster = ['--optimize', 'speed', '-o', folder];
    await succeed(['compile', here.kws, '--target', 'rp2040', ...faster]);
    const present = readdirSync(folder);
    const named = new Set(files.map((name) => name.replace(/\/.*/, '')));
    for (const name of files) expect(existsSync(join(folder, name)), name).to.equal(true);
    for (const name of present) expect(named, name).to.include(name);
    execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: folder });
  });

  it('the functions that it names are in the header', async () => {
    const header = readFileSync(join(await here.built(), 'kws.h'), 'utf8');
    const calls = codeIn(readme).flatMap((code) => /^kws_\w+(?=\()/.exec(code)?.[0] ?? []);
    expect(calls).to.include.members(['kws_run', 'kws_input', 'kws_output']);
    for (const call of calls.filter((name) => name !== 'kws_reset')) {
      expect(header).to.match(new RegExp(`\\b${call}\\(`));
    }
  });

  it('the files of the firmware that it names are there', async () => {
    const named = codeIn(readme).filter((code) => /^firmware\/\S+\.\w+$/.test(code));
    expect(named).not.to.be.empty;
    for (const name of named) {
      const written = join(await here.built(), name);
      expect(existsSync(written) || existsSync(join(root, name)), name).to.equal(true);
    }
  });

  it('its C compiles with the header, and the model needs no more than it says', async function () {
    const { compiler } = loadTarget('rp2040');
    needs(this, compiler);
    const folder = await here.built();
    const main = here.place('main.c');
    const code = blockWith('KWS_ARENA(');
    const features = 'static int8_t features[KWS_INPUT_0_BYTES];';
    const [memory = '', ...statements] = code.trimEnd().split('\n');
    const lines = ['#include <string.h>', '#include "kws.h"', features, memory];
    const body = ['int main(void) {', ...statements, 'return scores[0];', '}'];
    writeFileSync(main, `${[...lines, ...body].join('\n')}\n`);
    const flags = ['-mcpu=cortex-m0plus', '-mthumb', '-O1', '-fno-omit-frame-pointer', '-Wall'];
    const libc = ['-isystem', join(folder, 'firmware/port/common/libc'), '-I', folder];
    const compile = (source: string, standard: string) => {
      const object = `${here.place(standard)}.o`;
      const rest = [`-std=${standard}`, '-Werror', '-c', source, '-o', object];
      execFileSync(compiler, [...flags, ...libc, ...rest]);
      return object;
    };
    for (const standard of ['c99', 'c11']) compile(main, standard);
    const symbols = execFileSync(compiler.replace(/gcc$/, 'nm'), [
      ...['-u', compile(join(folder, 'kws.c'), 'c99')],
    ]).toString();
    const claimed = codeIn(between('with at most', 'of the C library'));
    for (const [name] of symbols.matchAll(/\w+$/gm)) {
      // What kws_weights.S defines, if there is one.
      if (!name.startsWith('kws_')) expect(claimed).to.include(name);
    }
  });

  it('its bonsaic.json is one, by which run does all of it', async function () {
    needsSimulator(this, loadTarget('stm32f405'));
    const config = here.fresh();
    mkdirSync(config);
    writeFileSync(join(config, 'bonsaic.json'), blockWith('"model":'));
    const { model = '', vectors: pairs = '' } = readConfig(join(config, 'bonsaic.json'));
    copyFileSync(here.kws, model);
    copyFileSync(here.vectors, pairs);
    const { stderr } = await succeed(['run', '--config', join(config, 'bonsaic.json')]);
    expect(stderr).to.match(/defaults of .*bonsaic\.json: model/);
  });

  it('its vectors are taken as they are written', async () => {
    const [shape = ''] = codeIn(readme).filter((code) => code.startsWith('{"pairs"'));
    const [pair] = JSON.parse(readFileSync(here.vectors, 'utf8')).pairs;
    let text = shape;
    for (const key of ['input', 'output']) text = text.replace('[...]', JSON.stringify(pair[key]));
    const path = here.place('written.json');
    writeFileSync(path, text);
    const { stdout } = await succeed([
      ...['run', here.kws, '--target', 'host', '--vectors', path, '--json'],
    ]);
    expect(JSON.parse(stdout).verify).to.include({ vectors: 1, mismatches: 0 });
  });
});

describe('README: boards and set-up', () => {
  const rows = tableOf('target', 'board');
  const namesIn = (text: string) =>
    [...text.matchAll(/\[([\w-]+)\]\(targets\//g)].map(([, n]) => n);
  const named = rows.flatMap(([cell = '']) => namesIn(cell));

  it('the table and the sentence below it name each target', async () => {
    const sentence = between('`cortex-m0plus`', ' are for start-up code of your own');
    const libraries = codeIn(sentence);
    const { stdout } = await runHere(['targets', '--json']);
    const targets = JSON.parse(stdout).map(({ target }: { target: string }) => target);
    expect([...named, ...libraries]).to.have.members(targets);
    for (const name of listTargets()) {
      expect(libraries.includes(name), name).to.equal(isLibrary(loadTarget(name)));
    }
  });

  it('it names the simulators that there are', () => {
    for (const [cell = '', , simulator = ''] of rows) {
      for (const name of namesIn(cell)) {
        const target = loadTarget(name ?? '');
        const { machine } = target;
        if (target.simulator === null) expect(simulator, name).to.match(/^none/);
        else if (machine !== undefined) expect(simulator, name).to.equal(`QEMU ${machine}`);
        else expect(simulator, name).to.match(/rp2040js|our own core|a process/);
      }
    }
  });

  it('it counts what was counted for docs/tables/models.md', () => {
    const page = readFileSync(join(root, 'docs/tables/models.md'), 'utf8');
    const models = page.slice(0, page.indexOf('<!-- end of models -->'));
    const units = [...models.matchAll(/^### (\S+) \([^)]*\), M (\w+)$/gm)];
    expect(units).not.to.be.empty;
    for (const [, name = '', unit] of units) {
      const row = rows.find(([cell = '']) => namesIn(cell).includes(name));
      expect(row?.[3], name).to.equal(unit);
    }
  });

  it('says first that no real board has run it, as long as docs/targets.md says so', () => {
    const first = readme.slice(0, readme.indexOf('## Commands'));
    const hardware = readFileSync(join(root, 'docs/targets.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| [') && line.endsWith('| yes |'));
    const ran = hardware.filter((line) => !line.startsWith('| [host]'));
    expect(/No real board has run/.test(first)).to.equal(ran.length === 0);
  });

  it('its npm scripts, packages and version of Node are those of package.json and setup.sh', () => {
    const { scripts, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const code = [...codeBlocks, ...codeIn(readme)].join('\n');
    const called = [...code.matchAll(/npm (?:run )?([a-z][a-z:-]*)/g)].map(([, name]) => name);
    const builtIn = new Set(['link']);
    const own = called.filter((name) => !builtIn.has(name ?? ''));
    expect(own).to.include.members(['demo', 'setup', 'build', 'test']);
    for (const name of own) expect(scripts).to.have.property(name ?? '');
    expect(engines.node).to.include(/with Node (\d+)/.exec(readme)?.[1]);
    const setup = readFileSync(join(root, 'scripts/setup.sh'), 'utf8');
    const packagesIn = (pattern: RegExp) =>
      (pattern.exec(setup)?.[1] ?? '').split(' ').map((pair) => pair.split('=')[1] ?? '');
    const first = codeIn(between('`npm run demo` installs', 'through apt'));
    expect(first.slice(1)).to.have.members(packagesIn(/^needed=\((.*)\)$/m));
    const tests = codeIn(between('`npm test` also installs', ', and PyPI'));
    expect(tests.slice(1)).to.have.members(packagesIn(/needed\+=\((.*)\)$/m));
  });

  it('the demo is a command line that does what README says', async () => {
    const script = readFileSync(join(root, 'scripts/demo.sh'), 'utf8').replaceAll('\\\n', '');
    const [, line = ''] = /^exec node dist\/cli\.js (.*) -o /m.exec(script) ?? [];
    expect(blockWith('npm run demo')).to.match(/the example on a simulated RP2040/);
    const { stdout } = await succeed([...line.split(/\s+/), '--json']);
    const { device, target, verify, latency, memory } = JSON.parse(stdout);
    expect({ device, target }).to.deep.equal({ device: 'sim', target: 'rp2040' });
    expect(verify).to.include({ mismatches: 0 });
    // What it ends with, as README shows it.
    const result = blockWith('vectors bit-exact').replaceAll(/(?<=\d) (?=\d)/g, '');
    const { flashBytes, arenaBytes, ramBytes, stackBytes, sramCopyBytes } = memory;
    const shown = [
      `latency  ${latency.count} cycles = ${latency.ms.toFixed(2)} ms`,
      `flash    ${flashBytes} B: code ${memory.codeBytes}, tables ${memory.tableBytes}, weights ${memory.weightBytes}`,
      `arena    ${arenaBytes} B`,
      `RAM      ${ramBytes} B: arena ${arenaBytes}, static ${memory.staticRamBytes}, stack ${stackBytes} `,
      `copied from flash at start ${sramCopyBytes}`,
      `verify   ${verify.vectors} of ${verify.vectors} vectors bit-exact`,
    ];
    for (const line of shown) expect(result).to.include(line);
  });
});
