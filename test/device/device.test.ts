import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openError } from '../../src/boards/device/access.js';
import { openDevice } from '../../src/boards/device/index.js';
import { listPorts, portsOfSysfs } from '../../src/boards/device/ports.js';
import { failure } from '../support/failure.js';

const host = { name: 'host', simulator: 'process' } as const;
const rp2040 = { name: 'rp2040', simulator: 'rp2040js' } as const;

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bonsaic-device-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

/** An executable shell script. */
function program(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('device: opening', () => {
  const plain = () => {
    const path = join(directory, 'plain.txt');
    writeFileSync(path, '');
    return path;
  };
  const rows: [
    edge: string,
    open: () => Parameters<typeof openDevice>,
    message: RegExp,
    hint: RegExp,
  ][] = [
    ['a missing port', () => ['/dev/ttyNone9', rp2040, ''], /no such serial port/, /bonsaic ports/],
    ['a file', () => [plain(), rp2040, ''], /is not a serial port/, /bonsaic ports/],
    ['a missing image', () => ['sim', rp2040, '/none.uf2'], /cannot read/, /bonsaic build/],
    ['a missing program', () => ['sim', host, '/none'], /cannot start/, /bonsaic build/],
    [
      'no simulator',
      () => ['sim', { name: 'board', simulator: null }, ''],
      /board has no simulator/,
      /bonsaic ports.*compile MODEL --target board -o DIR, then bonsaic build DIR$/,
    ],
    [
      'a serial port of this machine',
      () => ['/dev/ttyACM0', host, ''],
      /runs on this machine/,
      /leave --port out/,
    ],
  ];
  for (const [edge, open, message, hint] of rows) {
    it(`explains ${edge}`, async () => {
      const error = await failure(openDevice(...open()));
      expect(error.exitStatus).to.equal(5);
      expect(error.message).to.match(message);
      expect(error.hint).to.match(hint);
    });
  }

  it('refuses a link that no board has as a wrong command line', async () => {
    const error = await failure(openDevice('sim:spi', rp2040, program('x', '')));
    expect([error.exitStatus, error.hint]).to.deep.equal([1, 'use sim, sim:uart or sim:usb']);
  });

  const systemErrors: [text: string, message: RegExp, hint: RegExp][] = [
    ['Error: Permission denied, cannot open /dev/ttyACM0', /no permission/, /./],
    ['Error Resource temporarily unavailable Cannot lock port', /in use/, /close the other/],
    ['Error: Device or resource busy, cannot open /dev/ttyS0', /in use/, /fuser/],
    ['Error: Inappropriate ioctl for device, cannot open /dev/null', /not a serial port/, /ports/],
    ['its path is empty', /path is empty/, /ports/],
    ['something new', /cannot open the serial port: something new/, /ports/],
  ];
  for (const [text, message, hint] of systemErrors) {
    it(`explains "${text}"`, () => {
      const error = openError('/dev/x', new Error(text));
      expect(error.message).to.match(message);
      expect(error.hint).to.match(hint);
    });
  }
});

describe('device: a program on this machine', () => {
  it('talks over stdin and stdout', async () => {
    const device = await openDevice('sim', host, program('echo', 'exec cat'));
    const answer = new Promise<Uint8Array>((resolve) => device.onData(resolve));
    device.write(Uint8Array.of(1, 0, 255));
    expect(await answer).to.deep.equal(Uint8Array.of(1, 0, 255));
    await device.close();
  });

  it('keeps what comes before anyone listens', async () => {
    const device = await openDevice('sim', host, program('early', 'printf early; exec cat'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const answer = new Promise<Uint8Array>((resolve) => device.onData(resolve));
    expect(Buffer.from(await answer).toString()).to.equal('early');
    await device.close();
  });

  const deaths: [edge: string, script: string, reason: RegExp][] = [
    ['ends', 'exit 3', /ended with status 3/],
    ['crashes', 'kill -SEGV $$', /killed by SIGSEGV/],
    ['ends with words', 'echo "ASan: heap-use" >&2; exit 1', /status 1: ASan: heap-use/],
  ];
  for (const [edge, script, reason] of deaths) {
    it(`is lost when it ${edge}`, async () => {
      const device = await openDevice('sim', host, program('dead', script));
      const lost = new Promise<string>((resolve) => device.onLost(resolve));
      expect(await lost).to.match(reason);
      device.write(Uint8Array.of(1));
      await device.close();
    });
  }

  it('is killed when it does not end by itself', async () => {
    const device = await openDevice('sim', host, program('stubborn', 'exec sleep 60'));
    await device.close();
  });
});

describe('device: list of ports', () => {
  it('works on this machine, udevadm or not', async () => {
    expect(await listPorts()).to.be.an('array');
  });

  it('reads USB names from sysfs, leaves out consoles and missing UARTs', () => {
    const sys = join(directory, 'sys');
    const usb = join(sys, 'devices/usb1/1-1');
    const tty = join(sys, 'class/tty');
    const port = (name: string, device: string | null, files: Record<string, string> = {}) => {
      mkdirSync(join(tty, name), { recursive: true });
      if (device !== null) {
        mkdirSync(device, { recursive: true });
        symlinkSync(device, join(tty, name, 'device'));
      }
      for (const [file, text] of Object.entries(files)) writeFileSync(join(tty, name, file), text);
    };
    port('ttyACM10', join(usb, '1-1:1.0'));
    port('ttyACM9', join(usb, '1-1:1.1'));
    port('tty0', null);
    port('ttyS0', join(sys, 'devices/serial8250'), { type: '4\n' });
    port('ttyS1', join(sys, 'devices/serial8250'), { type: '0\n' });
    const properties = {
      idVendor: '2e8a',
      idProduct: '000a',
      manufacturer: 'bonsai',
      serial: 'E6',
    };
    for (const [file, text] of Object.entries(properties))
      writeFileSync(join(usb, file), `${text}\n`);

    const none = { manufacturer: null, vendorId: null, productId: null, serialNumber: null };
    const pico = {
      manufacturer: 'bonsai',
      vendorId: '2e8a',
      productId: '000a',
      serialNumber: 'E6',
    };
    expect(portsOfSysfs(tty)).to.deep.equal([
      { path: '/dev/ttyACM9', ...pico },
      { path: '/dev/ttyACM10', ...pico },
      { path: '/dev/ttyS0', ...none },
    ]);
  });

  it('is empty without sysfs', () => expect(portsOfSysfs('/none')).to.deep.equal([]));
});
