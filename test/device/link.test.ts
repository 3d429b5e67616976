/** Links over TCP: bytes alone, RFC 2217 with servers of several habits, and ser2net itself. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Device } from '../../src/boards/device/device.js';
import { Listeners } from '../../src/boards/device/device.js';
import { isNetworkPort, type Link, parseNetworkPort } from '../../src/boards/device/link.js';
import { openLink } from '../../src/boards/device/open-link.js';
import { TelnetReader } from '../../src/boards/device/telnet.js';
import { openSession } from '../../src/boards/profile/session.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule, FakeBoard, manifestOf } from '../support/fake-board.js';
import { Random } from '../support/module.js';
import { type Habits, type PortServer, serveBytes, serveRfc2217 } from '../support/port-server.js';
import { onPty } from '../support/pty.js';
import { needs } from '../support/skip.js';

/** Sends back what it gets. */
class Echo implements Device {
  readonly name = 'echo';
  readonly simulation = null;
  private readonly listeners = new Listeners();
  write = (bytes: Uint8Array) => this.listeners.emitData(bytes);
  onData = (listener: (bytes: Uint8Array) => void) => this.listeners.onData(listener);
  onLost = (listener: (reason: string) => void) => this.listeners.onLost(listener);
  close = async () => {};
}

const every = Uint8Array.from({ length: 1024 }, (_, i) => (i % 4 === 3 ? 255 : i >> 2));

async function echoed(link: Link, bytes = every): Promise<Buffer> {
  let found = Buffer.alloc(0);
  const all = new Promise<void>((resolve) => {
    link.onData((part) => {
      found = Buffer.concat([found, part]);
      if (found.length >= bytes.length) resolve();
    });
  });
  link.write(bytes);
  await link.drain();
  await all;
  return found;
}

async function failure(work: Promise<unknown>, exitStatus = 5): Promise<BonsaiError> {
  const reason = await work.then(
    () => 'it worked',
    (error: unknown) => error,
  );
  expect(reason).to.be.instanceOf(BonsaiError).with.property('exitStatus', exitStatus);
  return reason as BonsaiError;
}

describe('device/link: addresses', () => {
  const rows: [text: string, host: string, port: number][] = [
    ['socket://localhost:3333', 'localhost', 3333],
    ['rfc2217://192.168.0.7:4000', '192.168.0.7', 4000],
    ['RFC2217://desk-3.lab:65535', 'desk-3.lab', 65535],
    ['socket://[::1]:80', '::1', 80],
    ['socket://host:1/', 'host', 1],
  ];
  for (const [text, host, port] of rows) {
    it(text, () => {
      expect(isNetworkPort(text)).to.equal(true);
      expect(parseNetworkPort(text)).to.include({ host, port });
    });
  }

  const faults = [
    ...['socket://', 'socket://host', 'socket://host:', 'socket://host:0', 'socket://host:65536'],
    ...['rfc2217://:80', 'socket://user@host:1', 'socket://host:1/path', 'socket://host:1?a'],
    ...['socket://a b:1'],
  ];
  for (const text of faults) {
    it(`refuses ${text}`, async () => {
      const error = await failure(openLink(text), 1);
      expect(error.hint).to.match(/socket:\/\/HOST:PORT/);
    });
  }

  it('refuses an empty port', async () => {
    const error = await failure(openLink(' '), 1);
    expect(error.message).to.match(/names no port/);
  });

  it('leaves paths alone', () => expect(isNetworkPort('/dev/socket://a:1')).to.equal(false));
});

describe('device/link: over TCP', () => {
  let server: PortServer | null = null;
  afterEach(async () => {
    await server?.close();
    server = null;
  });

  async function open(habits?: Habits | 'bytes', device: Device = new Echo()): Promise<Link> {
    server =
      habits === 'bytes' ? await serveBytes(device) : await serveRfc2217(device, habits ?? {});
    const scheme = habits === 'bytes' ? 'socket' : 'rfc2217';
    return openLink(`${scheme}://127.0.0.1:${server.port}`, { baudRate: 57600, parity: 'even' });
  }

  it('carries every byte, without settings over a socket', async () => {
    const link = await open('bytes');
    expect([link.setBaudRate, link.setModemLines]).to.deep.equal([null, null]);
    expect(await echoed(link)).to.deep.equal(Buffer.from(every));
    await link.close();
  });

  const habits: [name: string, Habits][] = [
    ['one that waits', {}],
    ['one that offers first', { offersFirst: true }],
    ['one that pads the baud rate', { answer: (c, value) => (c === 1 ? [...value, 0, 0] : value) }],
    ['one that confirms signals by another value', { answer: (c, v) => (c === 5 ? [1] : v) }],
  ];
  for (const [name, habit] of habits) {
    it(`carries every byte over RFC 2217, and the settings: ${name}`, async () => {
      const link = await open(habit);
      expect(await echoed(link)).to.deep.equal(Buffer.from(every));
      await link.setModemLines?.({ dtr: true, rts: false });
      // 4 278 255 360 baud has IACs in it.
      await link.setBaudRate?.(0xff00ff00);
      expect(server?.asked).to.deep.equal([
        [1, 0, 0, 0xe1, 0],
        [2, 8],
        [3, 3],
        [4, 1],
        [5, 8],
        [5, 12],
        [1, 0xff, 0, 0xff, 0],
      ]);
      await link.close();
    });
  }

  it('runs a session', async () => {
    const module = chainModule(2500);
    const manifest = manifestOf(module);
    const link = await open({}, new FakeBoard(module, manifest));
    const session = await openSession(link, manifest);
    expect((await session.infer([new Int8Array(2500)])).count).to.equal(1000);
    await session.close();
  });

  const refusals: [edge: string, Habits, message: RegExp, hint: RegExp][] = [
    ['the option', { refuses: 44 }, /does not speak RFC 2217: it refuses the option/, /ser2net/],
    ['binary bytes', { refuses: 0 }, /it is not binary/, /ser2net/],
    [
      'a second client',
      { says: 'Port already in use\r\n' },
      /^was closed by the other end; it says "Port already in use"$/,
      /another program may use/,
    ],
    [
      'the baud rate',
      { answer: (command, value) => (command === 1 ? [0, 0, 0x25, 0x80] : value) },
      /refuses 57600 baud: its serial port runs at 9600/,
      /choose a rate/,
    ],
    [
      'parity',
      { answer: (command, value) => (command === 3 ? [1] : value) },
      /refuses even parity/,
      /cannot/,
    ],
  ];
  for (const [edge, habit, message, hint] of refusals) {
    it(`tells that the server refuses ${edge}`, async () => {
      const error = await failure(open(habit));
      expect(error.message).to.match(message);
      expect(error.hint).to.match(hint);
    });
  }

  it('tells that the server has no modem lines', async () => {
    const link = await open({ answer: (command, value) => (command === 5 ? null : value) });
    const error = await failure(link.setModemLines?.({ dtr: true, rts: true }) ?? sleep(0));
    expect(error.message).to.match(/does not set DTR and RTS: no answer within 1 s/);
    await link.close();
  });

  for (const kind of ['bytes', {}] as const) {
    it(`is lost when the server goes, ${kind === 'bytes' ? 'socket' : 'rfc2217'}`, async () => {
      const link = await open(kind);
      const lost = new Promise<string>((resolve) => link.onLost(resolve));
      server?.drop();
      expect(await lost).to.match(/closed by the other end/);
      link.write(Uint8Array.of(1));
      await link.drain();
      await link.close();
    });
  }

  it('tells that nobody listens', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    await new Promise((resolve) => holder.close(resolve));
    const error = await failure(openLink(`socket://127.0.0.1:${port}`));
    expect(error.message).to.match(/cannot connect/);
    expect(error.hint).to.match(/nobody listens there/);
  });
});

describe('device/telnet', () => {
  it('takes any bytes in any pieces alike, in bounded memory', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      // Commands are as frequent as data.
      const bytes = Uint8Array.from(random.int8(3000) as Int8Array, (byte) =>
        byte < -90 ? 255 : byte < -40 ? 240 + (byte & 15) : byte & 255,
      );
      const read = (pieceBytes: number) => {
        const events: string[] = [];
        let data = '';
        const flush = () => {
          if (data !== '') events.push(data);
          data = '';
        };
        const reader = new TelnetReader({
          data: (part) => {
            data += Buffer.from(part).toString('hex');
          },
          negotiate: (verb, option) => {
            flush();
            events.push(`${verb} ${option}`);
          },
          subnegotiate: (part) => {
            flush();
            expect(part.length).to.be.at.most(256);
            events.push(`sb ${Buffer.from(part).toString('hex')}`);
          },
        });
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          reader.push(bytes.subarray(at, at + pieceBytes));
        }
        flush();
        return events;
      };
      expect(read(1), `seed ${seed}`).to.deep.equal(read(bytes.length));
    }
  });
});

describe('device/link: ser2net', () => {
  let directory = '';
  before(function () {
    needs(this, 'ser2net');
    needs(this, 'socat');
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-ser2net-'));
  });
  after(() => directory && rmSync(directory, { recursive: true, force: true }));

  const rows = [
    ['socket', 'tcp'],
    ['rfc2217', 'telnet(rfc2217),tcp'],
  ] as const;

  /** What a second client is told. */
  async function second(port: string): Promise<string> {
    try {
      const link = await openLink(port);
      const reason = await new Promise<string>((resolve) => link.onLost(resolve));
      await link.close();
      return reason;
    } catch (error) {
      return (error as Error).message;
    }
  }

  for (const [scheme, accepter] of rows) {
    it(`runs a session over ${scheme}://`, async () => {
      const module = chainModule(2500);
      const manifest = manifestOf(module);
      const pty = await onPty(new FakeBoard(module, manifest));
      const port = await freePort();
      const config = join(directory, `${scheme}.yaml`);
      writeFileSync(
        config,
        `%YAML 1.1\n---\nconnection: &board\n  accepter: ${accepter},127.0.0.1,${port}\n` +
          `  connector: serialdev,${pty.path},115200n81,local\n`,
      );
      const ser2net = spawn('ser2net', ['-n', '-c', config], { stdio: 'ignore' });
      try {
        await listening(port);
        const link = await openLink(`${scheme}://127.0.0.1:${port}`);
        await link.setBaudRate?.(921600);
        // Its words arrive unless this machine takes longer than they are waited for.
        const refused = await second(`${scheme}://127.0.0.1:${port}`);
        expect(refused).to.match(/closed by the other end(; it says "Port already in use")?$/);
        const session = await openSession(link, manifest);
        expect((await session.infer([new Int8Array(2500)])).count).to.equal(1000);
        await session.close();
      } finally {
        ser2net.kill('SIGKILL');
        pty.unplug();
      }
    });
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until a server accepts, without opening what is behind it for longer than a moment. */
async function listening(port: number): Promise<void> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    await sleep(50);
    if (open) return;
  }
  throw new Error('ser2net does not listen');
}
