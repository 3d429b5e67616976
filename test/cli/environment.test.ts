/** What lies around a command is broken: its exit code, what it says, and what it leaves behind. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cliPath } from '../support/cli.js';

const model = 'examples/activity/activity.tflite';
const compile = ['compile', model, '--target', 'host', '-o', 'OUT'];

interface Row {
  readonly edge: string;
  readonly args: readonly string[];
  /** 'FILE' is a file, 'OUT' a directory that is not there. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where standard output goes; 'closed': to nobody. */
  readonly stdout?: string;
  readonly status: number;
  readonly says: RegExp;
}

// Root may write anywhere but below a file and in /proc.
const rows: readonly Row[] = [
  {
    edge: 'TMPDIR that is not there',
    args: ['run', model, '--target', 'host'],
    env: { TMPDIR: '/none/x' },
    ...{ status: 1, says: /\/none\/x: takes no temporary files.*\n.*set TMPDIR/ },
  },
  {
    edge: 'TMPDIR that is a file',
    args: ['verify', model],
    env: { TMPDIR: 'FILE' },
    ...{ status: 1, says: /takes no temporary files/ },
  },
  {
    edge: 'no HOME',
    args: compile,
    env: { HOME: undefined, XDG_CACHE_HOME: undefined },
    ...{ status: 0, says: /^$/ },
  },
  {
    edge: 'a cache that is a file',
    args: compile,
    env: { XDG_CACHE_HOME: 'FILE' },
    ...{ status: 0, says: /^$/ },
  },
  {
    edge: 'no tools of a board in PATH',
    args: ['run', model, '--target', 'stm32f405', '--cc', '/bin/true'],
    env: { PATH: '/none' },
    ...{ status: 4, says: /npm run setup|--cc names the compiler|is not/ },
  },
  {
    edge: 'no compiler in PATH',
    args: ['run', model, '--target', 'host'],
    env: { PATH: '/none' },
    ...{ status: 4, says: /gcc: is not installed/ },
  },
  { edge: 'a full disk', args: ['targets'], stdout: '/dev/full', status: 1, says: /ENOSPC|space/ },
  {
    edge: 'an output directory in /proc',
    args: [...compile.slice(0, -1), '/proc/x/y'],
    ...{ status: 1, says: /\/proc\/x.*cannot be written/ },
  },
  {
    edge: 'an output directory below a file',
    args: [...compile.slice(0, -1), join('FILE', 'x')],
    ...{ status: 1, says: /is a file|not a directory|cannot be written/ },
  },
  {
    edge: 'a file for an output directory',
    args: [...compile.slice(0, -1), 'FILE'],
    ...{ status: 1, says: /not a directory|is a file/ },
  },
  {
    edge: 'a folder for a model',
    args: ['compile', '/proc', '--target', 'host', '-o', 'OUT'],
    ...{ status: 1, says: /\/proc: is a directory, not a file/ },
  },
  {
    edge: 'a model without end',
    args: ['compile', '/dev/zero', '--target', 'host', '-o', 'OUT'],
    ...{ status: 1, says: /\/dev\/zero: is a device or a pipe/ },
  },
  {
    edge: 'a file of the system, which looks empty and may never end',
    args: ['compile', '/proc/self/maps', '--target', 'host', '-o', 'OUT'],
    ...{ status: 1, says: /\/proc\/self\/maps: belongs to the system/ },
  },
];

describe('a broken environment', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'bonsaic-environment-'));
    writeFileSync(join(folder, 'file'), 'years');
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const { edge, args, env = {}, stdout, status, says } of rows) {
    it(`${edge}: exit ${status}`, () => {
      const out = join(folder, 'out');
      const named = (text: string) =>
        text.replace(/^FILE/, join(folder, 'file')).replace(/^OUT/, out);
      const changed = Object.entries(env).map(([name, value]) => [name, value && named(value)]);
      const run = spawnSync(process.execPath, [cliPath, ...args.map(named)], {
        encoding: 'utf8',
        env: { ...process.env, ...Object.fromEntries(changed) },
        stdio: ['ignore', stdout === undefined ? 'pipe' : openSync(stdout, 'w'), 'pipe'],
      });
      expect(run.status, run.stderr).to.equal(status);
      expect(run.stderr).to.match(says);
      // Nothing half-written, and no lock.
      expect(existsSync(join(out, 'bonsai.json'))).to.equal(status === 0);
      rmSync(out, { recursive: true, force: true });
      expect(readdirSync(folder)).to.deep.equal(['file']);
    });
  }

  const shells: readonly (readonly [edge: string, command: string, status: number])[] = [
    [
      'standard output that nobody reads',
      '"$0" "$1" inspect "$2" --target host | true; exit "$PIPESTATUS"',
      0,
    ],
    ['no standard output', '"$0" "$1" inspect "$2" --target host >&-', 0],
    ['no standard input', '"$0" "$1" inspect "$2" --target host <&- >/dev/null', 0],
    ['no standard error', '"$0" "$1" inspect /none 2>&-', 1],
  ];
  for (const [edge, command, status] of shells) {
    it(`${edge}: exit ${status}`, () => {
      const args = ['-c', command, process.execPath, cliPath, model];
      const run = spawnSync('bash', args, { encoding: 'utf8' });
      expect(run.status, run.stderr).to.equal(status);
      expect(run.stderr).to.equal('');
    });
  }
});
