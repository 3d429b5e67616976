/** Folders that compile wrote, and what users change and add there. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
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
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import { writeProject } from '../../src/boards/build/project.js';
import { BonsaiError } from '../../src/errors.js';
import { cliPath } from '../support/cli.js';
import { runHere } from '../support/command.js';
import { needs, skip } from '../support/skip.js';

const model = resolve('examples/activity/activity.tflite');

describe('files that the user has edited', () => {
  let out: string;
  beforeEach(() => {
    out = join(mkdtempSync(join(tmpdir(), 'bonsaic-own-')), 'out');
  });
  afterEach(() => rmSync(dirname(out), { recursive: true }));

  const sources = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`s${i}.c`, `int s${i};`]),
  );
  const files = (changes: Record<string, string> = {}) =>
    new Map(Object.entries({ 'bonsai.json': '{"format":1}', ...sources, ...changes }));
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    writeFileSync(join(out, path), text);
  };
  const editAll = () => {
    for (const path of Object.keys(sources)) put(path, 'mine');
  };

  const rows: [edge: string, edit: () => void, next: Map<string, string>, says: RegExp | null][] = [
    ['nothing', () => {}, files({ 's0.c': 'new' }), null],
    ['one file', () => put('s1.c', 'mine'), files(), /^s1\.c was changed since compile/],
    [
      'two files, where another one changes',
      () => ['s1.c', 's3.c'].map((path) => put(path, 'mine')),
      files({ 's0.c': 'new' }),
      /^s1\.c, s3\.c were changed/,
    ],
    ['more than are named', editAll, files(), /^s0\.c, .*, s4\.c and 3 more were changed/],
    ['a file that the new version lacks', () => put('s1.c', 'mine'), lacking('s1.c'), /^s1\.c/],
    ['as the new version has it', () => put('s1.c', 'same'), files({ 's1.c': 'same' }), null],
    ['a file that is gone: it comes back', () => rmSync(join(out, 's1.c')), files(), null],
    ['a folder in its place', () => replace('s1.c', (path) => mkdirSync(path)), files(), /^s1\.c/],
    [
      'a link to the same contents',
      () =>
        replace('s1.c', (path) => {
          writeFileSync(join(dirname(out), 'elsewhere'), 'int s1;');
          symlinkSync('../elsewhere', path);
        }),
      files(),
      null,
    ],
    [
      'a link to nothing',
      () => replace('s1.c', (path) => symlinkSync('nowhere', path)),
      files(),
      /^s1\.c/,
    ],
    ['a pipe in its place', () => replace('s1.c', pipe), files(), /^s1\.c/],
    [
      'a link to a device that never ends',
      () => replace('s1.c', (path) => symlinkSync('/dev/zero', path)),
      files(),
      /^s1\.c/,
    ],
    ['a pipe for the manifest', () => replace('bonsai.json', pipe), files(), /^holds files/],
    ['a pipe for the sums', () => replace('SHA256SUMS', pipe), files(), /^has no SHA256SUMS/],
    ['a report, which is rewritten', () => put('report.txt', 'mine'), files(), null],
    ['a file of the user, which stays', () => put('app/main.c', 'mine'), files(), null],
  ];
  function lacking(path: string): Map<string, string> {
    const next = files();
    next.delete(path);
    return next;
  }
  function pipe(path: string): void {
    expect(spawnSync('mkfifo', [path]).status).to.equal(0);
  }
  function replace(path: string, make: (path: string) => void): void {
    rmSync(join(out, path));
    make(join(out, path));
  }
  for (const [edge, edit, next, says] of rows) {
    it(edge, () => {
      writeProject(out, files());
      edit();
      const found = () => readdirSync(out, { recursive: true }).map(String).sort();
      const before = found();
      const write = (force: boolean) => () => writeProject(out, next, { force });
      if (says === null) write(false)();
      else {
        expect(write(false)).to.throw(BonsaiError, says).with.property('exitStatus', 1);
        expect(found()).to.deep.equal(before);
        if (edge === 'one file') expect(readFileSync(join(out, 's1.c'), 'utf8')).to.equal('mine');
        if (edge === 'a folder in its place' || edge.startsWith('a pipe for')) return;
        write(true)();
      }
      for (const [path, text] of next) {
        expect(readFileSync(join(out, path), 'utf8'), path).to.equal(text);
      }
      if (edge.startsWith('a file of the user')) {
        expect(readFileSync(join(out, 'app/main.c'), 'utf8')).to.equal('mine');
      }
      expect(readdirSync(dirname(out)).filter((name) => name.startsWith('.'))).to.deep.equal([]);
    });
  }

  it('a report that cannot be written: what was measured is told, and then why', async () => {
    expect((await runHere(['compile', model, '--target', 'host', '-o', out])).status).to.equal(0);
    replace('report.txt', (path) => mkdirSync(join(path, 'mine'), { recursive: true }));
    const profile = ['profile', out, '--port', 'sim', '--json'];
    const { status, stdout, stderr } = await runHere(profile);
    expect(status, stderr).to.equal(1);
    const { error, latency } = JSON.parse(stdout);
    expect(latency.count).to.be.above(0);
    expect(error).to.include({ where: join(out, 'report.txt'), exit: 1 });
    expect(error.message).to.match(/^cannot be written: /);
    expect(error.message).not.to.include('bonsaic-new');
    expect(readdirSync(join(out, 'report.txt'))).to.deep.equal(['mine']);
  });

  it('compile and run -o name the ways on, and --force takes the first', async () => {
    const compile = ['compile', model, '--target', 'host', '-o', out];
    expect((await runHere(compile)).status).to.equal(0);
    put('firmware/src/main.c', '// mine\n');
    put('app/notes.c', '// mine too\n');
    for (const command of [compile, ['run', model, '--target', 'host', '-o', out]]) {
      const { status, stderr } = await runHere(command);
      expect(status, stderr).to.equal(1);
      expect(stderr).to.match(/firmware\/src\/main\.c was changed since compile wrote the folder/);
      for (const way of ['--force', '-o DIR', join(out, 'app')]) expect(stderr).to.include(way);
    }
    expect(readFileSync(join(out, 'firmware/src/main.c'), 'utf8')).to.equal('// mine\n');
    expect((await runHere([...compile, '--force'])).status).to.equal(0);
    expect(readFileSync(join(out, 'firmware/src/main.c'), 'utf8')).to.match(/^int main\(void\)$/m);
    expect(readFileSync(join(out, 'app/notes.c'), 'utf8')).to.equal('// mine too\n');
  });

  it('--force is refused where nothing would be replaced', async () => {
    const { status, stderr } = await runHere(['run', model, '--target', 'host', '--force']);
    expect([status, stderr]).to.satisfy(([code]: [number]) => code === 1);
    expect(stderr).to.match(/--force: needs -o/);
    expect((await runHere(['build', out, '--force'])).status).to.equal(1);
  });
});

/** The firmware's main loop as a user would begin with it, with a call of his own and the model. */
function ownMain(out: string): string {
  const text = readFileSync(join(out, 'firmware/src/main.c'), 'utf8');
  const includes = '#include "activity.h"\n#include "blink.h"\n';
  return `${includes}${text.replace('bonsai_port_start();', 'bonsai_port_start();\n    blink(ACTIVITY_ARENA_BYTES);')}`;
}

describe('folders that another user has made', () => {
  const isRoot = process.getuid?.() === 0;
  /** Any user but root. */
  const other = isRoot ? { uid: 65534, gid: 65534 } : {};
  let home: string;
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [cliPath, ...args], {
      ...{ cwd: home, encoding: 'utf8', ...other },
      env: { ...process.env, HOME: home, TMPDIR: home },
    });
  const compile = (...more: string[]) =>
    run('compile', 'm.tflite', '--target', 'host', '-o', 'out', ...more);
  /** Takes a folder's permissions: the other user's where this is root. */
  const lock = (path: string) => {
    chmodSync(path, 0o555);
    if (isRoot) chownSync(path, 0, 0);
  };

  beforeEach(function () {
    home = mkdtempSync(join(tmpdir(), 'bonsaic-other-'));
    cpSync(model, join(home, 'm.tflite'));
    if (isRoot) chownSync(home, other.uid ?? 0, other.gid ?? 0);
    if (run('--version').status !== 0) skip(this, 'the tests are in a folder of root alone');
    expect(compile().stderr).not.to.include('error');
  });
  afterEach(() => rmSync(home, { recursive: true }));

  it('a folder in it: refused before anything is renamed, and readers go on', () => {
    const app = join(home, 'out/app/mine');
    mkdirSync(app, { recursive: true });
    writeFileSync(join(app, 'notes'), '');
    lock(app);
    try {
      const { status, stderr } = compile('--optimize', 'size');
      expect(status, stderr).to.equal(1);
      expect(stderr).to.match(
        /error: out\/app(\/mine)?: may not be changed by you\n {2}→ make it yours/,
      );
      expect(run('build', 'out').status).to.equal(0);
      expect(readdirSync(home).filter((name) => /^\.out/.test(name))).to.deep.equal([]);
    } finally {
      chmodSync(app, 0o755);
    }
  });

  it('an old version that is left: readers go on, a writer is told of it', () => {
    const old = join(home, '.out.bonsaic-old');
    mkdirSync(join(old, 'build'), { recursive: true });
    writeFileSync(join(old, 'build/m.o'), '');
    lock(join(old, 'build'));
    try {
      const { status, stderr } = run('build', 'out');
      expect(status, stderr).to.equal(0);
      const refused = compile('--optimize', 'size');
      expect(refused.status, refused.stderr).to.equal(1);
      expect(refused.stderr).to.match(/has left .*\/\.out\.bonsaic-old, which may not be removed/);
    } finally {
      chmodSync(join(old, 'build'), 0o755);
    }
  });
});

describe("the user's own code in app/", () => {
  const place = (path: string) => {
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    return path;
  };
  const pipe = (path: string) => spawnSync('mkfifo', [place(path)]);
  const rows: [edge: string, path: string, put: (path: string) => void, says: RegExp | null][] = [
    ['a pipe among the sources', 'firmware/src/main.c', pipe, /main\.c: is a device.*\n.*--force/],
    ['a pipe as code', 'app/x.c', pipe, /x\.c: is a device or a pipe, not a file\n.*move it/],
    ['a pipe beside code', 'app/notes', pipe, /notes: is a device or a pipe/],
    [
      'a device that never ends',
      'app/x.c',
      (path) => symlinkSync('/dev/zero', place(path)),
      /x\.c: is a device or a pipe/,
    ],
    [
      "a link to nothing, as an editor's lock",
      'app/.#x.c',
      (path) => symlinkSync('no', place(path)),
      null,
    ],
    [
      'a file of 2 GB',
      'app/recording',
      (path) => {
        writeFileSync(place(path), '');
        truncateSync(path, 2 ** 31 + 1);
      },
      null,
    ],
    ['a file of that name', 'app', (path) => writeFileSync(path, ''), null],
  ];
  for (const [edge, path, put, says] of rows) {
    it(`${edge}: ${says === null ? 'built' : 'refused, not waited for'}`, async () => {
      const parent = mkdtempSync(join(tmpdir(), 'bonsaic-app-'));
      const out = join(parent, 'out');
      try {
        await runHere(['compile', model, '--target', 'host', '-o', out]);
        put(join(out, path));
        const { status, stderr } = await runHere(['build', out]);
        expect(status, stderr).to.equal(says === null ? 0 : 1);
        if (says !== null) expect(stderr).to.match(says);
      } finally {
        rmSync(parent, { recursive: true });
      }
    });
  }

  for (const [target, compiler] of [
    ['rp2040', 'arm-none-eabi-gcc'],
    ['stm32f405', 'arm-none-eabi-gcc'],
  ] as const) {
    it(`${target}: is built with the firmware, runs, survives compile, and none changes nothing`, async function () {
      needs(this, compiler);
      if (target === 'stm32f405') needs(this, 'qemu-system-arm');
      const parent = mkdtempSync(join(tmpdir(), 'bonsaic-app-'));
      const out = join(parent, 'out');
      const app = join(out, 'app');
      const must = async (...args: string[]) => {
        const ended = await runHere(args);
        expect(ended.status, ended.stderr).to.equal(0);
        return ended.stdout;
      };
      const compile = ['compile', model, '--target', target, '-o', out];
      const image = () => readFileSync(join(out, 'build/activity.bin'));
      try {
        await must(...compile);
        await must('build', out);
        const without = image();
        mkdirSync(app);
        await must(...compile);
        await must('build', out);
        expect(image().equals(without), 'an empty app/').to.equal(true);

        writeFileSync(join(app, 'main.c'), ownMain(out));
        writeFileSync(
          join(app, 'blink.h'),
          '#include <stdint.h>\nextern volatile int32_t seen;\nvoid blink(int32_t n);\n',
        );
        writeFileSync(
          join(app, 'blink.c'),
          '#include "blink.h"\nint32_t extra(void);\nvolatile int32_t seen;\nvoid blink(int32_t n) { seen = n + extra(); }\n',
        );
        writeFileSync(
          join(app, 'extra.S'),
          '.syntax unified\n.thumb\n.global extra\n.thumb_func\nextra:\n movs r0, #EXTRA\n bx lr\n',
        );
        writeFileSync(join(app, 'app.mk'), 'APP_FLAGS += -DEXTRA=7\n');
        cpSync(app, join(parent, 'before'), { recursive: true });
        await must('profile', out, '--port', 'sim');
        expect(image().equals(without), 'own code').to.equal(false);
        const map = readFileSync(join(out, 'build/activity.map'), 'utf8');
        expect(map)
          .to.match(/\.text\.blink\s+0x0*[1-9a-f]/)
          .and.to.include('build/app/extra.o');
        expect(map).not.to.include('build/firmware/src/main.o');

        await must(...compile, '--optimize', 'size');
        for (const name of readdirSync(join(parent, 'before'))) {
          const text = (folder: string) => readFileSync(join(folder, name), 'utf8');
          expect(text(app), name).to.equal(text(join(parent, 'before')));
        }
        writeFileSync(join(app, 'blink.c'), '#include "none.h"\n');
        const { status, stderr } = await runHere(['build', out]);
        expect(status).to.equal(4);
        expect(stderr)
          .to.match(/none\.h: No such file/)
          .and.not.match(/compile again/);
      } finally {
        rmSync(parent, { recursive: true });
      }
    });
  }
});
