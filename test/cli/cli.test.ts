/** The command line as a user meets it: statuses, documents, directories. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cliPath } from '../support/cli.js';
import { runHere } from '../support/command.js';
import { shellStatus } from '../support/signals.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const model = join(root, 'examples/activity/activity.tflite');
const vectors = join(root, 'examples/activity/vectors.json');
const toSimulator = ['--target', 'rp2040', '--port', 'sim'];

const bonsaic = (...args: string[]) => runHere(args);

/** As a process of its own: its status, its folder, its pipes. */
function bonsaicIn(cwd: string, ...args: string[]) {
  const run = spawnSync(process.execPath, [cliPath, ...args], {
    encoding: 'utf8',
    cwd,
  });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

/** The one document on stdout. */
async function json(...args: string[]) {
  const run = await bonsaic(...args, '--json');
  return { ...run, document: JSON.parse(run.stdout) };
}

describe('command line', () => {
  let directory: string;
  const file = (name: string, contents: string | Uint8Array) => {
    const path = join(directory, name);
    writeFileSync(path, contents);
    return path;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-cli-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it('says before it builds that nothing simulates a board', async () => {
    const run = await bonsaic(
      'run',
      model,
      '--target',
      'stm32f411',
      '--port',
      'sim',
      '-o',
      directory,
    );
    expect(run.status).to.equal(5);
    expect(run.stderr)
      .to.match(/stm32f411 has no simulator/)
      .and.not.to.match(/Build|Compile/);
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it('runs a model on the simulated board and reports every field of the contract', async () => {
    const { status, document } = await json(
      ...['run', model, '--target', 'rp2040', '--port', 'sim', '--vectors', vectors],
    );
    expect(status).to.equal(0);
    expect(document).to.have.all.keys(
      ...['model', 'target', 'device', 'toolchain', 'verify', 'latency', 'memory', 'layers'],
      'options',
    );
    expect(document.model).to.have.all.keys('name', 'sha256', 'macs', 'liveMacs', 'parameters');
    expect(document.verify).to.include({ vectors: 8, mismatches: 0, firstDivergingLayer: null });
    expect(document.latency).to.have.all.keys(
      ...['unit', 'count', 'min', 'max', 'runs', 'clockHz', 'ms'],
    );
    expect(document.memory).to.include.all.keys(
      ...['arenaBytes', 'stackBytes', 'staticRamBytes', 'sramCopyBytes', 'ramBytes'],
      ...['codeBytes', 'tableBytes', 'weightBytes', 'flashBytes'],
    );
    const { codeBytes, tableBytes, weightBytes, flashBytes } = document.memory;
    expect(codeBytes + tableBytes + weightBytes).to.equal(flashBytes);
    expect(document.layers).to.have.length(9);
    for (const layer of document.layers) {
      expect(layer).to.include.all.keys(
        ...['index', 'name', 'op', 'ops', 'kernel', 'why', 'macs', 'count', 'share'],
        ...['weightBytes', 'region', 'crc32'],
      );
    }
    expect(document.options).to.include({ optimize: 'balanced', rounding: 'tflm', xip: 'model' });
  });

  it('runs what bonsaic.json says: a folder, one word; flags come before it', () => {
    const config = { model: 'net.tflite', target: 'host', vectors: 'v/v.json', maxMs: 1e-6 };
    mkdirSync(join(directory, 'v'));
    copyFileSync(model, file('net.tflite', ''));
    copyFileSync(vectors, join(directory, 'v/v.json'));
    file('bonsaic.json', JSON.stringify(config));
    const run = bonsaicIn(directory, 'run', '--json', '--optimize', 'size');
    expect(run.stderr).to.match(/defaults of bonsaic\.json: model .*, maxMs 0\.000001/);
    // Progress, too.
    expect(run.stderr).to.match(/Build for host/);
    const document = JSON.parse(run.stdout);
    expect(document.verify).to.include({ vectors: 8, mismatches: 0 });
    expect(document.options).to.include({ optimize: 'size' });
    expect(document.error).to.include({ code: 'over-budget', exit: 3 });
    expect(run.status).to.equal(3);
  });

  it('ends quietly when its reader has seen enough', () => {
    const command = `"${process.execPath}" "${cliPath}" operators --json`;
    const pipe = `set -o pipefail; ${command} | true`;
    const { status, stderr } = spawnSync('bash', ['-c', pipe], { cwd: root, encoding: 'utf8' });
    expect([status, stderr]).to.deep.equal([0, '']);
  });

  it('goes step by step: compile, build, flash, profile', async () => {
    const out = join(directory, 'out');
    const compiled = await bonsaic(
      'compile',
      model,
      '--target',
      'rp2040',
      '-o',
      out,
      '--dump',
      'plan',
    );
    expect(compiled.status).to.equal(0);
    expect(compiled.stderr).to.match(/^plan \S+ for rp2040, --optimize balanced$/m);
    const built = await json('build', out);
    expect(built.status).to.equal(0);
    expect(built.document.images.map((path: string) => path.split('.').at(-1))).to.deep.equal([
      'elf',
      'bin',
      'uf2',
    ]);
    expect((await bonsaic('flash', out, '--port', 'sim')).status).to.equal(0);
    const profiled = await json('profile', out, '--port', 'sim:usb');
    expect(profiled.status).to.equal(0);
    expect(profiled.document.verify).to.include({ vectors: 4, mismatches: 0 });
    expect(profiled.document.device).to.equal('sim:usb');
  });

  it('verifies the C on this machine with the source operators kept apart', async () => {
    const { status, document } = await json('verify', model, '--faithful', '--vectors', vectors);
    expect(status).to.equal(0);
    expect(document.target).to.equal('host');
    expect(document.verify.mismatches).to.equal(0);
  });

  it("verifies a board's kernels here, under sanitizers, then on its simulator", async () => {
    const pairs = JSON.parse(readFileSync(vectors, 'utf8')).pairs.slice(0, 2);
    pairs[1].output[0] = -pairs[1].output[0];
    const wrong = file('wrong.json', JSON.stringify({ pairs }));
    const { status, document } = await json(
      'verify',
      model,
      '--target',
      'rp2040',
      '--vectors',
      wrong,
    );
    expect(status).to.equal(6);
    expect(document.sanitized.toolchain).to.match(/^gcc/);
    expect(document.sanitized.verify).to.include({ vectors: 2, mismatches: 1 });
    expect(document).to.include({ target: 'rp2040', device: 'sim' });
    expect(document.verify).to.include({ vectors: 2, mismatches: 1 });
    expect(document.error.where).to.equal('activity on this machine, under sanitizers');
    const kernels = document.layers.map(({ kernel }: { kernel: string }) => kernel);
    expect(kernels.join(), 'kernels that only the board has').to.match(/thumb1\//);
  });

  describe('statuses', () => {
    type Row = [edge: string, status: number, stderr: RegExp, args: () => string[]];
    /** Takes no room on the disk. */
    const large = (name: string) => {
      const path = file(name, '');
      truncateSync(path, 10 * 2 ** 30);
      return path;
    };
    const rows: Row[] = [
      ['no such command', 1, /unknown command/, () => ['compil']],
      ['a missing option', 1, /--target/, () => ['compile', model, '-o', directory]],
      ['a model that is not there', 1, /cannot be read/, () => ['inspect', 'nowhere.tflite']],
      ...['/dev/zero', root].flatMap((path) =>
        [
          ['inspect', path],
          ['compile', model, '--target', 'host', '-o', 'nowhere', '--labels', path],
          [...['run', model, '--target', 'host', '--port', 'sim'], '--vectors', path],
        ].map((args) => [`${args[0]}: ${path}`, 1, /is a (device|directory)/, () => args] as Row),
      ),
      ['a model of 10 GB', 2, /has 10737418240 bytes/, () => ['inspect', large('large.tflite')]],
      [
        'labels of 10 GB',
        1,
        /has 10737418240 bytes/,
        () => [
          ...['compile', model, '--target', 'host', '-o', join(directory, 'o')],
          ...['--labels', large('labels.txt')],
        ],
      ],
      [
        '-o: a link to nowhere',
        1,
        /is a link to nowhere, which does not exist/,
        () => {
          const link = join(directory, 'link');
          symlinkSync('nowhere', link);
          return ['compile', model, '--target', 'host', '-o', link];
        },
      ],
      [
        'a port without a board',
        1,
        /which board is there/,
        () => ['run', model, '--port', '/dev/ttyACM0'],
      ],
      [
        'tune without a simulator, before the build',
        5,
        /target esp32 has no simulator/,
        () => ['tune', '--target', 'esp32', '--port', 'sim'],
      ],
      [
        'one board to share the vectors',
        1,
        /--spread: needs several --port/,
        () => ['profile', directory, '--port', 'sim', '--spread'],
      ],
      [
        'a board and a simulator to share the vectors, before the build',
        1,
        /sim is simulated, and \/dev\/ttyACM0 is not/,
        () => ['profile', directory, '--port', '/dev/ttyACM0', '--port', 'sim', '--spread'],
      ],
      ['no model', 1, /missing argument 'model'/, () => ['run']],
      [
        'without a target and a port: simulated',
        3,
        /on the simulated rp2040: --target/,
        () => ['run', model, '--max-flash', '100'],
      ],
      [
        'without a port: simulated',
        3,
        /on the simulated stm32f405: --port chooses/,
        () => ['run', model, '--target', 'stm32f405', '--max-flash', '100'],
      ],
      ['a pass that is not there', 1, /one of import/, () => ['inspect', model, '--dump', 'x']],
      [
        'compile: a pass that is not there',
        1,
        /one of import, .*, plan$/m,
        () => ['compile', model, '--target', 'host', '-o', join(directory, 'o'), '--dump', 'x'],
      ],
      [
        'labels of another model',
        1,
        /labels\.txt: has 2 names, no output has 2 classes/,
        () => [
          ...['compile', model, '--target', 'host', '-o', join(directory, 'o')],
          ...['--labels', file('labels.txt', 'a\nb\n')],
        ],
      ],
      [
        'labels that are no list',
        1,
        /is not an array of names/,
        () => [
          ...['compile', model, '--target', 'host', '-o', join(directory, 'o')],
          ...['--labels', file('labels.json', '{"classes":["a"]}')],
        ],
      ],
      [
        'a budget with a unit',
        1,
        /must be a number above 0/,
        () => ['build', directory, '--max-flash', '1MB'],
      ],
      [
        'two cores of a chip that has one',
        1,
        /--cores 2: stm32f405 has one core/,
        () => [
          'compile',
          model,
          '--target',
          'stm32f405',
          '-o',
          join(directory, 'o'),
          '--cores',
          '2',
        ],
      ],
      ['a text as model', 2, /error: .*→ /s, () => ['inspect', file('a.tflite', 'hello, world')]],
      [
        'half a model',
        2,
        /error: /,
        () => ['inspect', file('half.tflite', readFileSync(model).subarray(0, 7000))],
      ],
      [
        'vectors of another model',
        2,
        /pair 0/,
        () => [
          ...['run', model, '--target', 'host', '--port', 'sim', '--vectors'],
          file('v.json', '{"pairs":[{"input":[1],"output":[2]}]}'),
        ],
      ],
      [
        'vectors that are no text: what a terminal would obey is shown instead',
        2,
        /is not JSON.*\\x1b/,
        () => [
          ...['run', model, '--target', 'host', '--port', 'sim', '--vectors'],
          file('v.json', '\x1b[2J'),
        ],
      ],
      [
        'more flash than allowed',
        3,
        /flash.*budget is 100/,
        () => ['compile', model, '--target', 'rp2040', '-o', directory, '--max-flash', '100'],
      ],
      [
        'no such compiler',
        4,
        /no-such-cc/,
        () => [...['run', model, '--target', 'host', '--port', 'sim', '--cc', 'no-such-cc']],
      ],
      [
        'no such port',
        5,
        /nowhere/,
        () => ['run', model, '--target', 'host', '--port', '/dev/nowhere'],
      ],
    ];
    for (const [edge, status, stderr, args] of rows) {
      it(`${status}: ${edge}`, async () => {
        const run = await bonsaic(...args());
        expect(run.stderr).to.match(stderr);
        expect(run.status).to.equal(status);
        expect(run.stdout).to.equal('');
        // What the command line or a file has wrong is found before anything is built.
        if (status <= 2) expect(run.stderr).to.not.match(/Build for/);
      });
    }

    it('3: more RAM than allowed, as soon as more than the arena is known', async () => {
      // No other goal needs less.
      const goal = ['--target', 'rp2040', '--optimize', 'size'];
      const compiled = await json('compile', model, ...goal, '-o', directory);
      const { arenaBytes, sramCopyBytes } = compiled.document.memory;
      const build = async (maxRam: number) =>
        (await json('build', directory, '--max-ram', String(maxRam))).document;
      const { error } = await build(arenaBytes + sramCopyBytes + 100);
      expect(error.message).to.match(/^needs at least \d+ bytes of RAM/);
      expect(error.hint).to.match(/copies of weights take \d+/);
      expect(await build(arenaBytes + sramCopyBytes + 10_000)).to.not.have.property('error');
    });

    it('the image is estimated before it is built', async () => {
      for (const goal of ['balanced', 'size']) {
        const options = ['--target', 'rp2040', '--optimize', goal, '-o', directory];
        const { imageBytes } = (await json('compile', model, ...options)).document.options.decision;
        const { flashBytes } = (await json('build', directory)).document.memory;
        expect(imageBytes, goal).to.be.within(flashBytes, flashBytes + 4000);
      }
    });

    it('3: what a directory was compiled for holds when it is built and flashed, flags aside', async () => {
      // No other choice of kernels is smaller: nothing is known of an interpreter there.
      const goal = ['--target', 'esp32c3', '--optimize', 'size', '-o', directory];
      await json('compile', model, ...goal);
      const { flashBytes } = (await json('build', directory)).document.memory;
      const budget = ['--max-flash', String(flashBytes - 1)];
      const again = await bonsaic('compile', model, ...goal, ...budget);
      expect(again.status).to.equal(0);
      const rows = [
        [['build', directory], 3],
        [['flash', directory, '--port', 'sim'], 3],
        [['build', directory, '--max-flash', '100000'], 0],
      ] as const;
      for (const [command, status] of rows) {
        const run = await bonsaic(...command);
        expect(run.status, command.join(' ')).to.equal(status);
        if (status === 3)
          expect(run.stderr).to.match(/needs \d+ bytes of flash, the budget is \d+/);
      }
    });

    it('3: a plan over its budget is not built, and nothing is written', async () => {
      const out = join(directory, 'out');
      const budget = ['--max-flash', '100', '--max-ram', '100'];
      const { status, document } = await json('run', model, ...toSimulator, '-o', out, ...budget);
      expect(status).to.equal(3);
      expect(document.error).to.include({ code: 'over-budget', exit: 3, where: 'activity' });
      expect(document.memory.arenaBytes).to.be.a('number');
      expect(document.error.message).to.match(
        /flash.*budget is 100; needs at least \d+ bytes of RAM/,
      );
      expect(document.error.hint).to.match(/most in layer.*\nwith --optimize.*\nnone is enough/);
      expect(existsSync(out)).to.equal(false);
    });

    it('6: outputs that differ, after the report', async () => {
      const pairs = JSON.parse(readFileSync(vectors, 'utf8')).pairs;
      pairs[0].output[0] = -pairs[0].output[0];
      const { status, document } = await json(
        ...['run', model, '--target', 'host', '--port', 'sim', '--vectors'],
        file('wrong.json', JSON.stringify({ pairs })),
      );
      expect(status).to.equal(6);
      expect(document.verify).to.include({ vectors: 8, mismatches: 1 });
      expect(document.error).to.include({ code: 'outputs-differ', exit: 6 });
    });

    it('inspect tells what is proved of each layer', async () => {
      const { status, document } = await json('inspect', model, '--target', 'host');
      expect(status).to.equal(0);
      const [first] = document.proofs;
      expect(first).to.include.all.keys('channels', 'constantChannels', 'liveChannels', 'liveMacs');
      expect(first.accumulator).to.have.all.keys('bits', 'tieFreeChannels');
      const pruned = document.layers.map(({ weights }: { weights: object | null }) => weights);
      expect(pruned[0]).to.include.all.keys('zeros', 'pattern', 'stored', 'distinctValues');
      expect(pruned.at(-1)).to.equal(null);
      const [{ unit, layers }] = document.targets;
      expect(unit).to.equal('cycles');
      for (const { chosen, dense } of layers) {
        expect(chosen).to.include.all.keys('kernel', 'cores', 'form', 'count', 'bytes');
        expect(dense.form).to.equal('dense');
      }
      const text = bonsaicIn(root, 'inspect', model, '--target', 'rp2040').stdout.split('\n');
      expect(text.join('\n')).to.match(/# +kernel +cycles +bytes/);
      expect(Math.max(...text.map((line) => line.length)), 'a pipe').to.be.at.most(80);
      const live = document.proofs.map(({ liveMacs }: { liveMacs: number }) => liveMacs);
      const sum = live.reduce((a: number, b: number) => a + b);
      expect(document.targets[0].liveMacs).to.equal(sum);
    });

    const documents: [edge: string, code: string, status: number, args: () => string[]][] = [
      ['a model', 'not-a-model', 2, () => ['inspect', file('a.tflite', 'hello, world')]],
      ['a missing option', 'usage', 1, () => ['compile', model]],
      ['an unknown command', 'usage', 1, () => ['compil']],
      ['no port', 'usage', 1, () => ['run', model, '--target', 'rp2040', '--port', '']],
      ['no simulator', 'device', 5, () => ['run', model, '--target', 'stm32f411', '--port', 'sim']],
      [
        'a compiler that makes nothing',
        'toolchain',
        4,
        () => ['run', model, '--target', 'host', '--port', 'sim', '--cc', '/bin/true'],
      ],
    ];
    for (const [edge, code, expected, args] of documents) {
      it(`an error is a document too when --json asks for one: ${edge}`, async () => {
        const { status, document } = await json(...args());
        expect(document.error).to.have.all.keys('code', 'exit', 'where', 'message', 'hint');
        expect(document.error).to.include({ code, exit: expected });
        expect(status).to.equal(expected);
      });
    }

    for (const [signal, expected] of [
      ['SIGTERM', 143],
      ['SIGINT', 130],
    ] as const) {
      it(`${signal} leaves no temporary directory, and a document of the error`, async () => {
        const args = ['run', model, ...toSimulator, '--json'];
        const child = spawn(process.execPath, [cliPath, ...args], {
          cwd: root,
          env: { ...process.env, TMPDIR: directory },
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        let stdout = '';
        child.stdout.on('data', (text: Buffer) => {
          stdout += text;
        });
        const ended = once(child, 'close');
        const projects = () => readdirSync(directory).filter((name) => /^bonsaic-/.test(name));
        while (projects().length === 0 && child.exitCode === null) await setTimeout(5);
        child.kill(signal);
        const [status, by] = await ended;
        expect(shellStatus(status, by)).to.equal(expected);
        expect(projects()).to.deep.equal([]);
        const { error } = JSON.parse(stdout);
        expect(error).to.have.all.keys('code', 'exit', 'where', 'message', 'hint');
        expect(error).to.include({ code: 'stopped', exit: expected });
        expect(error.message).to.include(signal);
      });
    }
  });

  describe('output directories', () => {
    // What lies beside a directory goes with the process.
    const compile = (source: string, out: string) =>
      bonsaicIn(root, 'compile', source, '--target', 'host', '-o', out);

    it('an old one survives a failed compile, and nothing is left beside it', () => {
      const out = join(directory, 'out');
      expect(compile(model, out).status).to.equal(0);
      const before = readFileSync(join(out, 'activity.c'));
      expect(compile(file('a.tflite', 'hello, world'), out).status).to.equal(2);
      expect(readFileSync(join(out, 'activity.c'))).to.deep.equal(before);
      expect(readdirSync(directory).sort()).to.deep.equal(['a.tflite', 'out']);
    });

    it('a failed compile makes none', () => {
      const out = join(directory, 'out');
      expect(compile(file('a.tflite', 'hello, world'), out).status).to.equal(2);
      expect(existsSync(out)).to.equal(false);
    });

    it('a damaged manifest is refused', async () => {
      writeFileSync(join(directory, 'bonsai.json'), '{"format":1,"plan":{"model":{"name":".."}}}');
      const run = await bonsaic('build', directory);
      expect(run.stderr).to.match(/bonsai\.json: is damaged/);
      expect(run.status).to.equal(1);
    });

    it("somebody else's files are not replaced", () => {
      const out = join(directory, 'mine');
      mkdirSync(out);
      writeFileSync(join(out, 'thesis.tex'), 'years of work');
      expect(compile(model, out).status).to.equal(1);
      expect(readFileSync(join(out, 'thesis.tex'), 'utf8')).to.equal('years of work');
    });
  });
});
