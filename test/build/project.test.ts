import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { writeProject } from '../../src/boards/build/project.js';
import { isAsWritten } from '../../src/boards/build/sums.js';
import { BonsaiError, InternalError } from '../../src/errors.js';
import { skip } from '../support/skip.js';

describe('build/project', () => {
  let parent: string;
  let out: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'bonsaic-project-'));
    out = join(parent, 'out');
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  const project = (files: Record<string, string | Uint8Array> = {}) =>
    new Map(Object.entries({ 'bonsai.json': '{"format":1}', 'a.c': 'int a;', ...files }));
  const text = (path: string) => readFileSync(join(out, path), 'utf8');

  it('writes text, bytes and folders, and leaves nothing beside them', () => {
    writeProject(out, project({ 'deep/er/b.bin': Uint8Array.of(0, 255) }));
    expect(readdirSync(out).sort()).to.deep.equal(['SHA256SUMS', 'a.c', 'bonsai.json', 'deep']);
    expect([...readFileSync(join(out, 'deep/er/b.bin'))]).to.deep.equal([0, 255]);
    expect(readdirSync(parent)).to.deep.equal(['out']);
  });

  it('creates the folders above', () => {
    writeProject(join(out, 'x', 'y'), project());
    expect(text('x/y/a.c')).to.equal('int a;');
  });

  it('takes an empty directory', () => {
    mkdirSync(out);
    writeProject(out, project());
    expect(text('a.c')).to.equal('int a;');
  });

  it('replaces an earlier project, built files and all', () => {
    writeProject(out, project({ 'old.c': '' }));
    mkdirSync(join(out, 'build'));
    writeFileSync(join(out, 'build', 'old.o'), '');
    writeProject(out, project({ 'a.c': 'new' }));
    expect(readdirSync(out).sort()).to.deep.equal(['SHA256SUMS', 'a.c', 'bonsai.json']);
    expect(text('a.c')).to.equal('new');
    expect(readdirSync(parent)).to.deep.equal(['out']);
  });

  it('leaves what was built where it writes what is there', () => {
    const files = project({ 'report.txt': 'planned', 'deep/b.c': 'int b;' });
    const rows: [edge: string, change: () => void, next: typeof files, isBuilt: boolean][] = [
      ['the same', () => {}, files, true],
      ['another report', () => {}, project({ 'deep/b.c': 'int b;', 'report.txt': 'x' }), true],
      ['no report', () => {}, project({ 'deep/b.c': 'int b;' }), true],
      ['a report that was measured since', () => put('report.json', '{}'), files, true],
      ['notes of others', () => put('notes.txt', ''), files, true],
      ['a file that was edited, forced', () => put('a.c', 'int b;'), files, false],
      ['a file that is lost', () => rmSync(join(out, 'deep/b.c')), files, false],
      ['another file', () => {}, project({ 'deep/b.c': 'int c;' }), false],
      ['one file less', () => {}, project(), false],
      ['one file more', () => {}, project({ 'deep/b.c': 'int b;', 'c.c': '' }), false],
      ['a list that was changed', () => put('SHA256SUMS', `${text('SHA256SUMS')}\n`), files, false],
    ];
    const put = (path: string, contents: string) => writeFileSync(join(out, path), contents);
    for (const [edge, change, next, isBuilt] of rows) {
      writeProject(out, files);
      mkdirSync(join(out, 'build'), { recursive: true });
      put('build/a.o', '');
      change();
      const hasNotes = existsSync(join(out, 'notes.txt'));
      writeProject(out, next, { force: edge.endsWith('forced') });
      expect(existsSync(join(out, 'build/a.o')), edge).to.equal(isBuilt);
      for (const [path, contents] of next) expect(text(path), edge).to.equal(contents);
      const found = readdirSync(out).filter((name) => !/^(build|SHA256SUMS)$/.test(name));
      const wanted = [...next.keys()].map((path) => path.replace(/\/.*/, ''));
      expect(found.sort(), edge).to.deep.equal(
        [...wanted, ...(hasNotes ? ['notes.txt'] : [])].sort(),
      );
      expect(readdirSync(parent), edge).to.deep.equal(['out']);
      rmSync(out, { recursive: true });
    }
  });

  it('follows a link to a project', () => {
    writeProject(out, project());
    symlinkSync(out, join(parent, 'link'));
    writeProject(join(parent, 'link'), project({ 'a.c': 'new' }));
    expect(text('a.c')).to.equal('new');
  });

  const foreign: [edge: string, make: () => void, says: RegExp][] = [
    [
      'a directory of somebody else',
      () => {
        mkdirSync(out);
        writeFileSync(join(out, 'thesis.tex'), 'years');
      },
      /did not write/,
    ],
    [
      'a bonsai.json that is something else',
      () => {
        mkdirSync(out);
        writeFileSync(join(out, 'bonsai.json'), 'shears');
      },
      /did not write/,
    ],
    ['a file', () => writeFileSync(out, 'years'), /^is not a directory$/],
    [
      'a place below a file',
      () => writeFileSync(out, ''),
      /^cannot be made: .*out is not a directory$/,
    ],
    [
      'a link to nowhere',
      () => symlinkSync('no/where', out),
      /^is a link to no\/where, which does not exist$/,
    ],
    [
      'a place below a link to nowhere',
      () => symlinkSync('no/where', out),
      /^cannot be made: .*out is a link to no\/where/,
    ],
    ['a link to itself', () => symlinkSync('out', out), /^is a link to out, which/],
    ['a link to a device', () => symlinkSync('/dev/null', out), /^is not a directory$/],
  ];
  for (const [edge, make, says] of foreign) {
    it(`refuses ${edge}, and leaves it alone`, () => {
      make();
      const before = readdirSync(parent);
      const place = edge.startsWith('a place') ? join(out, 'below', 'it') : out;
      expect(() => writeProject(place, project())).to.throw(BonsaiError, says);
      expect(readdirSync(parent)).to.deep.equal(before);
      if (edge === 'a directory of somebody else') expect(text('thesis.tex')).to.equal('years');
      if (edge === 'a file') expect(readFileSync(out, 'utf8')).to.equal('years');
    });
  }

  it('refuses a folder that takes no others, where Node alone would never return', function () {
    if (!existsSync('/proc/self')) skip(this, 'there is no /proc');
    expect(() => writeProject('/proc/none/out', project())).to.throw(
      BonsaiError,
      'cannot be written',
    );
  });

  it('refuses a folder that it may not write to', function () {
    // Nothing keeps root from writing.
    if (process.getuid?.() === 0) skip(this, 'root may write anywhere');
    mkdirSync(out, { mode: 0o500 });
    expect(() => writeProject(join(out, 'x'), project())).to.throw(
      BonsaiError,
      'cannot be written',
    );
  });

  it('keeps what others have put there, and says when it cannot', () => {
    writeProject(out, project({ 'sub/b.c': 'old', 'gone.c': '' }));
    for (const folder of ['sub/notes', 'empty', 'build'])
      mkdirSync(join(out, folder), { recursive: true });
    for (const path of ['thesis.tex', 'sub/notes/a.txt', 'build/a.o'])
      writeFileSync(join(out, path), 'years');
    symlinkSync('thesis.tex', join(out, 'link'));
    writeFileSync(join(out, 'report.json'), 'rewritten by profile');
    writeProject(out, project({ 'sub/b.c': 'new' }));
    expect(readdirSync(out).sort()).to.deep.equal([
      'SHA256SUMS',
      'a.c',
      'bonsai.json',
      'empty',
      'link',
      'sub',
      'thesis.tex',
    ]);
    expect([
      text('thesis.tex'),
      text('sub/notes/a.txt'),
      text('link'),
      text('sub/b.c'),
    ]).to.deep.equal(['years', 'years', 'years', 'new']);
    const clash = () => writeProject(out, project({ 'thesis.tex': 'mine' }));
    expect(clash).to.throw(BonsaiError, /did not write thesis\.tex/);
    expect(text('thesis.tex')).to.equal('years');
    rmSync(join(out, 'SHA256SUMS'));
    expect(() => writeProject(out, project())).to.throw(BonsaiError, /tells which files/);
    expect(text('thesis.tex')).to.equal('years');
    expect(readdirSync(parent)).to.deep.equal(['out']);
  });

  it('tells what was changed since', () => {
    writeProject(out, project({ 'report.txt': 'a' }));
    const check = (path: string, contents: string) => isAsWritten(out, path, Buffer.from(contents));
    expect([check('a.c', 'int a;'), check('a.c', 'int b;')]).to.deep.equal([true, false]);
    expect([check('report.txt', 'a'), check('b.c', '')]).to.deep.equal([null, null]);
    execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: out });
  });

  it('refuses to replace the directory it runs in', () => {
    expect(() => writeProject('.', project())).to.throw(BonsaiError, 'current directory');
    expect(() => writeProject('..', project())).to.throw(BonsaiError, 'current directory');
  });

  it('keeps the old version when writing fails half-way', () => {
    writeProject(out, project());
    // "a.c" cannot be a file and a folder.
    expect(() => writeProject(out, project({ 'a.c/b': '' }))).to.throw(BonsaiError);
    expect(text('a.c')).to.equal('int a;');
    expect(readdirSync(parent)).to.deep.equal(['out']);
  });

  it('never writes outside', () => {
    for (const path of ['../evil', 'a/../../evil']) {
      expect(() => writeProject(out, project({ [path]: '' }))).to.throw(InternalError, 'outside');
    }
    expect(existsSync(out)).to.equal(false);
    expect(() => writeProject(out, new Map())).to.throw(InternalError, 'bonsai.json');
  });
});
