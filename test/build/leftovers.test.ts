/** What killed commands leave is gone after the next command that names the folder. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { recoverProject, writeProject } from '../../src/boards/build/project.js';
import { inTemporaryDirectory } from '../../src/boards/build/temporary.js';
import { runTool } from '../../src/boards/build/toolchain.js';
import { recoverOutput, withOutput, writeOutput } from '../../src/compress/output.js';
import { writeWhole } from '../../src/durable.js';
import { BonsaiError } from '../../src/errors.js';
import { skip } from '../support/skip.js';

/** The id of a process that has ended. */
const dead = spawnSync('true').pid;

const project = new Map([
  ['bonsai.json', '{"format":1}'],
  ['a.c', 'int a;'],
]);
const result = {
  'model.tflite': 'model',
  'recipe.json': '{}',
  'report.json': '{}',
  'report.txt': '',
  'bonsaic.json': '{}',
};

describe('leftovers of killed commands', () => {
  let parent: string;
  let out: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'bonsaic-left-'));
    out = join(parent, 'out');
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  const kinds = [
    ['a project', () => writeProject(out, project), () => recoverProject(out)],
    ['a result of compress', () => writeOutput(out, result), () => recoverOutput(out)],
  ] as const;
  const mark = (name: string, pid: number) => symlinkSync(String(pid), join(parent, name));
  const rows: readonly (readonly [edge: string, leave: () => void, stays?: string])[] = [
    ['the lock of a dead process', () => mark('.out.bonsaic-lock', dead)],
    ['its mark of use', () => mark(`.out.bonsaic-lock-${dead}`, dead)],
    ['a lock that it was removing', () => mark(`.out.bonsaic-lock-stale-${dead}`, dead)],
    [
      'half of a new version',
      () => mkdirSync(join(parent, '.out.bonsaic-new/firmware'), { recursive: true }),
    ],
    [
      'half of an old version that was being removed',
      () => mkdirSync(join(parent, '.out.bonsaic-old/build'), { recursive: true }),
    ],
    ['half of a report', () => writeFileSync(join(out, `.report.txt.bonsaic-new-${dead}`), '')],
    [
      'a report that a living process writes',
      () => writeFileSync(join(out, `.report.txt.bonsaic-new-${process.ppid}`), ''),
      `out/.report.txt.bonsaic-new-${process.ppid}`,
    ],
    [
      'the mark of a living process',
      () => mark(`.out.bonsaic-lock-${process.ppid}`, process.ppid),
      `.out.bonsaic-lock-${process.ppid}`,
    ],
    [
      'the lock of a living process',
      () => mark('.out.bonsaic-lock', process.ppid),
      '.out.bonsaic-lock',
    ],
  ];
  const found = () => readdirSync(parent, { recursive: true }).map(String).sort();
  for (const [kind, write, read] of kinds) {
    for (const [edge, leave, stays] of rows) {
      it(`${kind}: ${edge} ${stays === undefined ? 'goes' : 'stays'}, for a reader`, () => {
        write();
        const before = found();
        leave();
        read();
        expect(found()).to.deep.equal([...before, ...(stays === undefined ? [] : [stays])].sort());
      });
    }

    it(`${kind} between its two renames is found by a reader`, () => {
      write();
      const before = found();
      renameSync(out, join(parent, '.out.bonsaic-old'));
      read();
      expect(found()).to.deep.equal(before);
    });
  }

  it('a job of compress that was killed: its journal goes with the next result', async () => {
    writeOutput(out, result);
    mkdirSync(join(out, 'checkpoint'));
    writeFileSync(join(out, 'checkpoint/0123'), 'state');
    await withOutput(out, {}, async () => writeOutput(out, { ...result, 'model.tflite': 'new' }));
    expect(readFileSync(join(out, 'model.tflite'), 'utf8')).to.equal('new');
    expect(readdirSync(out)).not.to.include('checkpoint');
    expect(readdirSync(parent)).to.deep.equal(['out']);
  });

  it('a folder in a new one is locked while work goes on, and a failure leaves neither', async () => {
    const failing = withOutput(join(parent, 'runs/july/small'), {}, async () => {
      expect(readdirSync(join(parent, 'runs/july'))).to.deep.equal(['.small.bonsaic-lock']);
      throw new RangeError('training');
    });
    expect(await failing.catch((error: unknown) => error)).to.be.instanceOf(RangeError);
    expect(existsSync(join(parent, 'runs'))).to.equal(false);
  });

  it('a temporary folder of a dead process goes, those of others stay', async function () {
    if (!existsSync('/proc/self/ns/pid')) skip(this, 'there is no /proc');
    const space = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
    const names = [
      [`bonsaic-${space}-${dead}-0123456789ab`, false],
      [`bonsaic-pty-${space}-${dead}-0123456789ab`, false],
      [`bonsaic-${space}-${process.ppid}-0123456789ab`, true],
      // The same id in another container is another process.
      [`bonsaic-17-${dead}-0123456789ab`, true],
      [`bonsaic-${dead}-mine`, true],
    ] as const;
    for (const [name] of names) mkdirSync(join(parent, name, 'deep'), { recursive: true });
    const script = `
      const { inTemporaryDirectory } = await import('./src/boards/build/temporary.ts');
      await inTemporaryDirectory(async (folder) => console.log(folder));`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      { env: { ...process.env, TMPDIR: parent }, encoding: 'utf8' },
    );
    expect(stdout, stderr).to.match(new RegExp(`/bonsaic-${space}-\\d+-[0-9a-f]{12}/project`));
    const stay = names.filter(([, stays]) => stays).map(([name]) => name);
    const left = readdirSync(parent).filter((name) => name.startsWith('bonsaic-'));
    expect(left.sort()).to.deep.equal([...stay].sort());
    await inTemporaryDirectory(async (folder) =>
      expect(existsSync(join(folder, '..'))).to.equal(true),
    );
  });

  it('what is no mark stays, and a folder where a disk is mounted is refused before the work', async function () {
    writeWhole(join(parent, 'kept'), 'one');
    chmodSync(join(parent, 'kept'), 0o751);
    writeWhole(join(parent, 'kept'), 'two');
    expect(statSync(join(parent, 'kept')).mode & 0o777).to.equal(0o751);
    expect(readdirSync(parent)).to.deep.equal(['kept']);
    expect(readFileSync(join(parent, 'kept'), 'utf8')).to.equal('two');
    const isMounted = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync('/dev').dev;
    if (!isMounted) skip(this, 'there is no disk at /dev/shm');
    const refused = await withOutput('/dev/shm', {}, async () => expect.fail('it worked')).catch(
      (error: unknown) => error,
    );
    expect(refused).to.be.instanceOf(BonsaiError);
    expect((refused as BonsaiError).message).to.match(/a disk is mounted/);
    expect(basename((refused as BonsaiError).hint)).to.equal('NAME');
  });

  it('temporary files of a compiler that is killed', async () => {
    const here = process.env.TMPDIR;
    const place = join(parent, 'tmp');
    mkdirSync(place);
    process.env.TMPDIR = place;
    try {
      const script = 'echo > "$TMPDIR/cc1234.s"; kill -9 $$';
      const error = await runTool('sh', ['-c', script], parent).catch((fault) => fault);
      expect(error).to.be.instanceOf(BonsaiError);
      expect(readdirSync(place)).to.deep.equal([]);
    } finally {
      if (here === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = here;
    }
  });
});
