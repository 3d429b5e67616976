/** Why a port does not open, and who holds it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { openError, type Surroundings } from '../../src/boards/device/access.js';
import { holdersOf, namesOf } from '../../src/boards/device/holders.js';
import { openLink } from '../../src/boards/device/open-link.js';
import { openSession } from '../../src/boards/profile/session.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule, FakeBoard, manifestOf } from '../support/fake-board.js';
import { onPty } from '../support/pty.js';
import { needs } from '../support/skip.js';

const usual: Surroundings = {
  user: 'ada',
  groupIds: [1000, 1001],
  groups: 'root:x:0:\ndialout:x:20:bob\nada:x:1000:\nuucp:x:14:\n',
  isContainer: false,
  ownerOf: () => ({ groupId: 20, mode: 0o20660 }),
  holdersOf: () => [],
};

describe('device/access', () => {
  const denied = new Error('Error: Permission denied, cannot open /dev/ttyUSB0');
  const permissions: [edge: string, here: Partial<Surroundings>, hint: RegExp][] = [
    ['a stranger to the group', {}, /usermod -aG dialout ada$/],
    [
      'another group (Arch)',
      { ownerOf: () => ({ groupId: 14, mode: 0o20660 }) },
      /usermod -aG uucp ada$/,
    ],
    [
      'a member since this login',
      { groups: 'dialout:x:20:bob,ada\n' },
      /member of dialout, but this login is older/,
    ],
    ['a member who may not', { groupIds: [20] }, /sandbox/],
    ['no udev rule', { ownerOf: () => ({ groupId: 0, mode: 0o20660 }) }, /udev rule.*70-bonsaic/],
    ['nothing for groups', { ownerOf: () => ({ groupId: 20, mode: 0o20600 }) }, /udev rule/],
    ['a group without a name', { ownerOf: () => ({ groupId: 77, mode: 0o20660 }) }, /udev rule/],
    ['a container', { isContainer: true }, /--device=\/dev\/ttyUSB0/],
    ['a system without groups', { groupIds: null }, /owner of this machine/],
    ['a port that has gone', { ownerOf: () => null }, /owner of this machine/],
  ];
  for (const [edge, here, hint] of permissions) {
    it(`no permission: ${edge}`, () => {
      const error = openError('/dev/ttyUSB0', denied, { ...usual, ...here });
      expect(error).to.include({ exitStatus: 5, where: '/dev/ttyUSB0' });
      expect(error.message).to.equal('no permission to open the serial port');
      expect(error.hint).to.match(hint);
    });
  }

  it('names the holders of a busy port', () => {
    const holders = [
      { processId: 7, command: 'minicom -D /dev/ttyUSB0' },
      { processId: 8, command: 'gpsd' },
    ];
    const busy = new Error('Error Resource temporarily unavailable Cannot lock port');
    const error = openError('/dev/ttyUSB0', busy, { ...usual, holdersOf: () => holders });
    expect(error.message).to.equal(
      'the serial port is in use by another program: ' +
        'minicom -D /dev/ttyUSB0 (process 7), gpsd (process 8)',
    );
    expect(error.hint).to.match(/end that program/);
  });
});

describe('device/holders', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-holders-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('finds who has it open, and who has locked it', () => {
    const port = join(directory, 'ttyUSB0');
    writeFileSync(port, '');
    const link = join(directory, 'by-id');
    symlinkSync(port, link);
    const proc = join(directory, 'proc');
    const program = (id: number, command: string, open: string | null) => {
      mkdirSync(join(proc, String(id), 'fd'), { recursive: true });
      writeFileSync(join(proc, String(id), 'cmdline'), command.replaceAll(' ', '\0'));
      if (open !== null) symlinkSync(open, join(proc, String(id), 'fd', '3'));
    };
    program(10, '/usr/bin/minicom -D /dev/ttyUSB0', port);
    program(11, `python3 ${'x'.repeat(100)}`, '/dev/null');
    program(12, 'someone else', null);
    program(13, '', port);
    program(process.pid, 'bonsaic', port);
    const { ino } = statSync(port);
    const locks = [
      `1: FLOCK  ADVISORY  WRITE 11 00:05:${ino} 0 EOF`,
      `2: POSIX  ADVISORY  WRITE 12 00:05:${ino + 1} 0 EOF`,
      `3: OFDLCK ADVISORY  WRITE -1 00:05:${ino} 0 EOF`,
    ];
    writeFileSync(join(proc, 'locks'), `${locks.join('\n')}\n`);
    expect(namesOf(holdersOf(link, proc))).to.equal(
      `minicom -D /dev/ttyUSB0 (process 10), a program (process 13), ` +
        `python3 ${'x'.repeat(52)}… (process 11)`,
    );
    expect(holdersOf(link, '/none')).to.deep.equal([]);
    expect(holdersOf('/none')).to.deep.equal([]);
  });
});

describe('device/holders: pseudo-terminals', () => {
  it('names neither the program that made the terminal nor the one that started it', () => {
    const proc = mkdtempSync(join(tmpdir(), 'bonsaic-proc-'));
    // A file stands for the terminal.
    const terminal = join(proc, 'pts', '7');
    mkdirSync(join(proc, 'pts'));
    writeFileSync(terminal, '');
    const program = (id: number, parent: number, command: string, master: number | null) => {
      for (const folder of ['fd', 'fdinfo'])
        mkdirSync(join(proc, `${id}`, folder), { recursive: true });
      writeFileSync(join(proc, `${id}`, 'cmdline'), command);
      writeFileSync(join(proc, `${id}`, 'status'), `Name:\tx\nPPid:\t${parent}\n`);
      symlinkSync(terminal, join(proc, `${id}`, 'fd', '6'));
      if (master === null) return;
      symlinkSync('/dev/ptmx', join(proc, `${id}`, 'fd', '5'));
      writeFileSync(join(proc, `${id}`, 'fdinfo', '5'), `pos:\t0\ntty-index:\t${master}\n`);
    };
    program(10, 1, 'bonsaic simulate', null);
    program(11, 10, 'socat', 7);
    program(12, 1, 'minicom', null);
    program(13, 1, 'tmux', 8);
    try {
      expect(namesOf(holdersOf(terminal, proc))).to.equal(
        'minicom (process 12), tmux (process 13)',
      );
    } finally {
      rmSync(proc, { recursive: true, force: true });
    }
  });
});

describe('device: two programs on one port', () => {
  before(function () {
    needs(this, 'socat');
  });

  /** Another process with the port open, locked as this one would. */
  async function holder(path: string): Promise<ChildProcess> {
    const script =
      `const { SerialPort } = require('serialport');` +
      `const port = new SerialPort({ path: ${JSON.stringify(path)}, baudRate: 9600 });` +
      `port.on('open', () => port.resume() && console.log('open'));`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  }

  it('names a program that reads without a lock, when an answer does not come', async () => {
    const module = chainModule(8);
    const manifest = manifestOf(module);
    const silent = () => () => new Uint8Array(0);
    const pty = await onPty(new FakeBoard(module, manifest, { misbehave: silent }));
    const reader = spawn('sh', ['-c', 'exec 3<"$0"; echo open; exec sleep 600', pty.path]);
    try {
      await once(reader.stdout, 'data');
      const link = await openLink(pty.path);
      const session = openSession(link, manifest, { timeoutMs: 50 });
      const error = await session.catch((reason: unknown) => reason);
      await link.close();
      expect(error).to.be.instanceOf(BonsaiError);
      expect((error as BonsaiError).message).to.match(/did not answer hello/);
      if (process.platform === 'linux') {
        // It may still be the shell.
        const also = new RegExp(`the port is also open in s.* \\(process ${reader.pid}\\)$`);
        expect((error as BonsaiError).message).to.match(also);
      }
    } finally {
      reader.kill('SIGKILL');
      pty.unplug();
    }
  });

  it('refuses the second and names the first, until that is killed', async () => {
    const module = chainModule(8);
    const pty = await onPty(new FakeBoard(module, manifestOf(module)));
    try {
      const first = await holder(pty.path);
      const error = await openLink(pty.path).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 5);
      const named = process.platform === 'linux' ? `(process ${first.pid})` : '';
      expect((error as BonsaiError).message)
        .to.include('in use by another program')
        .include(named);
      first.kill('SIGKILL');
      await once(first, 'exit');
      const link = await openLink(pty.path);
      // This process is a second program, too.
      const own = await openLink(pty.path).catch((reason: unknown) => reason);
      expect((own as BonsaiError).message).to.include('in use');
      await link.close();
      await (await openLink(pty.path)).close();
    } finally {
      pty.unplug();
    }
  });

  it('waits for a lock that no other program has: it ends with what this one sends', async () => {
    const module = chainModule(8);
    const pty = await onPty(new FakeBoard(module, manifestOf(module)));
    try {
      const first = await openLink(pty.path);
      const second = openLink(pty.path);
      await sleep(200);
      await first.close();
      await (await second).close();
    } finally {
      pty.unplug();
    }
  });
});
