/** Output directories when bonsaic is killed: at every call that changes the disk, old or new is whole. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { recoverProject, writeProject } from '../../src/boards/build/project.js';
import { packageFile } from '../../src/package.js';

/** Calls that change the disk. */
const changing = [
  'mkdirSync',
  'writeFileSync',
  'renameSync',
  'linkSync',
  'cpSync',
  'rmdirSync',
  'rmSync',
  'symlinkSync',
] as const;

class Killed extends Error {}

/**
 * Runs `work` on a disk that stops at the n-th change: as after SIGKILL, nothing is tidied up. A
 * removal or a write stops half-way.
 *
 * @returns whether it came to its end
 */
function killedAt(n: number, work: () => void): boolean {
  const originals = new Map(changing.map((name) => [name, fs[name]]));
  let left = n;
  for (const name of changing) {
    const original = fs[name] as (...args: unknown[]) => unknown;
    Object.assign(fs, {
      [name]: (...args: unknown[]) => {
        if (--left > 0) return original(...args);
        if (left === 0) half(name, args, originals);
        throw new Killed();
      },
    });
  }
  syncBuiltinESMExports();
  try {
    work();
    return true;
  } catch (error) {
    if (left > 0) throw error;
    return false;
  } finally {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  }
}

function half(name: string, [path, contents]: unknown[], originals: Map<string, unknown>): void {
  const write = originals.get('writeFileSync') as typeof fs.writeFileSync;
  const remove = originals.get('rmSync') as typeof fs.rmSync;
  if (name === 'writeFileSync') {
    write(path as string, Buffer.from(contents as string).subarray(0, 3));
  } else if (name === 'rmSync' && fs.existsSync(path as string)) {
    const [first] = fs.lstatSync(path as string).isDirectory()
      ? fs.readdirSync(path as string)
      : [];
    if (first !== undefined) remove(join(path as string, first), { recursive: true });
  }
}

/** Path → contents of all below. */
function contentsOf(directory: string): Record<string, string> {
  const paths = fs.readdirSync(directory, { recursive: true }).map(String).sort();
  const files = paths.filter((path) => fs.statSync(join(directory, path)).isFile());
  return Object.fromEntries(
    files.map((path) => [path, fs.readFileSync(join(directory, path), 'utf8')]),
  );
}

const oldFiles = new Map([
  ['bonsai.json', '{"format":1}'],
  ['a.c', 'old a'],
  ['gone/b.c', 'old b'],
]);
const newFiles = new Map([
  ['bonsai.json', '{"format":1,"new":1}'],
  ['a.c', 'new a'],
  ['deep/c.c', 'new c'],
]);

describe('killed at every change of the disk', () => {
  let parent: string;
  let out: string;
  const { fsyncSync } = fs;
  // A kill leaves what was written in the system's memory, and syncing takes its time.
  before(() => {
    fs.fsyncSync = () => {};
    syncBuiltinESMExports();
  });
  after(() => {
    fs.fsyncSync = fsyncSync;
    syncBuiltinESMExports();
  });
  beforeEach(() => {
    parent = fs.mkdtempSync(join(tmpdir(), 'bonsaic-killed-'));
    out = join(parent, 'out');
  });
  afterEach(() => fs.rmSync(parent, { recursive: true }));

  const scenarios: [edge: string, before: () => void, kept: Record<string, string>][] = [
    ['the first version', () => {}, {}],
    ['a second version', () => writeProject(out, oldFiles), {}],
    [
      'a second version beside files of others',
      () => {
        writeProject(out, oldFiles);
        fs.mkdirSync(join(out, 'notes'));
        fs.writeFileSync(join(out, 'notes/n.txt'), 'years');
        fs.writeFileSync(join(out, 'todo'), 'months');
      },
      { 'notes/n.txt': 'years', todo: 'months' },
    ],
  ];
  for (const [edge, before, kept] of scenarios) {
    for (const next of ['a reader', 'a writer', 'a writer that is killed as well'] as const) {
      it(`${edge}, then ${next}`, () => {
        before();
        const old = fs.existsSync(out) ? contentsOf(out) : null;
        const sums = (files: typeof newFiles) => {
          writeProject(join(parent, 'other'), files);
          const all = contentsOf(join(parent, 'other'));
          fs.rmSync(join(parent, 'other'), { recursive: true });
          return all;
        };
        const fresh = { ...sums(newFiles), ...kept };
        const isWhole = () => {
          const found = fs.existsSync(out) ? contentsOf(out) : null;
          expect(found).to.be.deep.oneOf([old, fresh]);
        };
        let n = 1;
        for (let isDone = false; !isDone; n++) {
          isDone = killedAt(n, () => writeProject(out, newFiles));
          // Without any help the place holds a whole version, or none: between two renames.
          if (fs.existsSync(out)) isWhole();
          if (next === 'a writer that is killed as well') {
            for (let m = 1; !killedAt(m, () => writeProject(out, newFiles)); m += 3) {
              if (fs.existsSync(out)) isWhole();
            }
          } else if (next === 'a writer') writeProject(out, newFiles);
          else recoverProject(out);
          isWhole();
          if (next !== 'a reader') expect(contentsOf(out)).to.deep.equal(fresh);
          const litter = fs
            .readdirSync(parent)
            .filter((name) => !/^(out|\.out\.bonsaic-lock.*)$/.test(name));
          expect(litter).to.deep.equal([]);
          fs.rmSync(out, { recursive: true, force: true });
          before();
        }
        expect(n, 'changes of the disk').to.be.greaterThan(6);
      });
    }
  }

  it('the same version with another report: what was built stays', () => {
    const files = (report: string) => new Map([...oldFiles, ['report.txt', report]]);
    let n = 1;
    for (let isDone = false; !isDone; n++) {
      writeProject(out, files('old'));
      fs.mkdirSync(join(out, 'build'), { recursive: true });
      fs.writeFileSync(join(out, 'build/a.o'), 'object');
      const { 'report.txt': _, ...before } = contentsOf(out);
      isDone = killedAt(n, () => writeProject(out, files('new')));
      recoverProject(out);
      const { 'report.txt': report, ...after } = contentsOf(out);
      expect(after).to.deep.equal(before);
      expect(report).to.be.oneOf(['old', 'new']);
      expect(fs.readdirSync(parent).filter((name) => !name.endsWith('-lock'))).to.deep.equal([
        'out',
      ]);
    }
    expect(n, 'changes of the disk').to.be.greaterThan(4);
  });

  it('keeps nobody out afterwards', async () => {
    const dead = spawnSync('true').pid;
    fs.symlinkSync(String(dead), join(parent, '.out.bonsaic-lock'));
    writeProject(out, newFiles);
    expect(fs.readdirSync(parent)).to.deep.equal(['out']);
  });

  it('finds the way back through a link', () => {
    writeProject(out, oldFiles);
    fs.symlinkSync('out', join(parent, 'link'));
    fs.renameSync(out, join(parent, '.out.bonsaic-old'));
    recoverProject(join(parent, 'link'));
    expect(fs.readFileSync(join(parent, 'link/a.c'), 'utf8')).to.equal('old a');
    fs.renameSync(out, join(parent, '.out.bonsaic-old'));
    writeProject(join(parent, 'link'), newFiles);
    expect(fs.readFileSync(join(out, 'a.c'), 'utf8')).to.equal('new a');
  });

  it('leaves an old version alone where somebody has put something else in its place', () => {
    writeProject(out, oldFiles);
    fs.renameSync(out, join(parent, '.out.bonsaic-old'));
    fs.mkdirSync(out);
    fs.writeFileSync(join(out, 'todo'), 'months');
    recoverProject(out);
    expect(() => writeProject(out, newFiles)).to.throw(/did not write/);
    expect(fs.readdirSync(parent)).to.include('.out.bonsaic-old');
  });
});

describe('the command', () => {
  const parent = fs.mkdtempSync(join(tmpdir(), 'bonsaic-killed-'));
  const out = join(parent, 'out');
  after(() => fs.rmSync(parent, { recursive: true }));
  const preload = join(parent, 'preload.mjs');
  fs.writeFileSync(
    preload,
    `import fs from 'node:fs';
     import { syncBuiltinESMExports } from 'node:module';
     let left = Number(process.env.KILL_AT);
     const { renameSync } = fs;
     fs.renameSync = (...args) => {
       if (/bonsaic-(old|new)/.test(args.join()) && left-- === 0) process.kill(process.pid, 'SIGKILL');
       return renameSync(...args);
     };
     syncBuiltinESMExports();`,
  );
  const command = (killAt: number, optimize: string) =>
    [
      process.execPath,
      ...['--import', 'tsx', '--import', preload, packageFile('src/cli.ts'), 'compile'],
      ...[packageFile('examples/activity/activity.tflite'), '--target', 'host', '-o', out],
      ...['--optimize', optimize],
      { KILL_AT: String(killAt) },
    ] as const;
  const start = (killAt: number, optimize: string) => {
    const [program, ...rest] = command(killAt, optimize);
    const env = { ...process.env, ...(rest.pop() as object) };
    return spawn(program, rest as string[], { cwd: packageFile('.'), env, stdio: 'ignore' });
  };
  const goal = () =>
    JSON.parse(fs.readFileSync(join(out, 'bonsai.json'), 'utf8')).plan.options.optimize;

  it('survives SIGKILL before and between its renames, and two at once end well', async () => {
    expect(await once(start(-1, 'balanced'), 'exit')).to.deep.equal([0, null]);
    const before = contentsOf(out);
    expect(await once(start(0, 'size'), 'exit')).to.deep.equal([null, 'SIGKILL']);
    expect(contentsOf(out)).to.deep.equal(before);
    expect(await once(start(1, 'size'), 'exit')).to.deep.equal([null, 'SIGKILL']);
    expect(fs.existsSync(out)).to.equal(false);
    const both = [start(-1, 'speed'), start(-1, 'balanced')].map((child) => once(child, 'exit'));
    expect(await Promise.all(both)).to.deep.equal([
      [0, null],
      [0, null],
    ]);
    expect(goal()).to.be.oneOf(['speed', 'balanced']);
    spawnSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: out });
    expect(fs.readdirSync(parent).sort()).to.deep.equal(['out', 'preload.mjs']);
  });
});
