/** What a survey finds behind ports, and which port `--port auto` takes. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildsIn } from '../../src/boards/build/directory.js';
import { boardTable } from '../../src/boards/device/boards.js';
import type { Device } from '../../src/boards/device/device.js';
import type { SerialPortInfo } from '../../src/boards/device/ports.js';
import {
  choosePort,
  flashPortFor,
  type Machine,
  surveyDrives,
  surveyPorts,
} from '../../src/boards/profile/ports.js';
import { encodeFrame } from '../../src/boards/profile/protocol.js';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { namedPorts, portsText } from '../../src/cli/ports.js';
import { BonsaiError } from '../../src/errors.js';
import { version } from '../../src/package.js';
import { chainModule, FakeBoard, type FakeOptions, manifestOf } from '../support/fake-board.js';
import { inVirtualTime } from '../support/time.js';

const module = chainModule(8);
const manifest = manifestOf(module);

const ids = {
  pico: ['2e8a', '000a'],
  micropython: ['2e8a', '0005'],
  espressif: ['303a', '1001'],
  nucleo: ['0483', '374b'],
  cp210x: ['10c4', 'ea60'],
  mouse: ['046d', 'c077'],
  uart: [null, null],
} as const;

interface Behind {
  readonly ids: keyof typeof ids;
  readonly behind: FakeOptions | 'busy' | 'never opens' | 'silent' | 'prints' | 'noise';
}

/** Ports by name, with what is behind each. */
function machineOf(ports: Record<string, Behind>): Machine & { readonly opened: string[] } {
  const opened: string[] = [];
  const answer = (bytes: Uint8Array): FakeOptions => ({ misbehave: () => () => bytes });
  const text = new Uint8Array(Buffer.from('Guru Meditation Error: Core 0 panic\r\n'));
  const table = {
    silent: answer(new Uint8Array(0)),
    prints: answer(text),
    noise: answer(Uint8Array.of(0x9e, 0, 0xf8, 0)),
  };
  return {
    opened,
    list: async () =>
      Object.entries(ports).map(([path, port]): SerialPortInfo => {
        const [vendorId, productId] = ids[port.ids];
        return { path, vendorId, productId, manufacturer: null, serialNumber: null };
      }),
    async open(path): Promise<Device> {
      opened.push(path);
      const { behind = 'silent' } = ports[path] ?? {};
      if (behind === 'busy') {
        throw new BonsaiError('device', path, 'the serial port is in use', 'end that program');
      }
      if (behind === 'never opens') return new Promise(() => {});
      return new FakeBoard(module, manifest, typeof behind === 'string' ? table[behind] : behind);
    },
  };
}

const running = (target: string): FakeOptions => ({ target });

describe('device/boards', () => {
  const table = boardTable();
  const rows: [vendorId: string | null, productId: string | null, name: RegExp, targets: RegExp][] =
    [
      ['2e8a', '000a', /Pico$/, /^rp2040,rp2350$/],
      ['0483', '374b', /ST-Link/, /^stm32f405,stm32f411,stm32g0b1/],
      ['303a', '1001', /Espressif/, /^esp32c3,esp32s3$/],
      ['1a86', '7523', /CH340/, /^$/],
    ];
  for (const [vendorId, productId, name, targets] of rows) {
    it(`${vendorId}:${productId}`, () => {
      const board = table({ vendorId, productId });
      expect(board?.name).to.match(name);
      expect(board?.targets.join()).to.match(targets);
    });
  }

  it('knows nothing of others', () => {
    expect(table({ vendorId: '046d', productId: 'c077' })).to.equal(null);
    expect(table({ vendorId: null, productId: null })).to.equal(null);
  });

  it('has data that names targets, each id once', () => {
    const path = new URL('../../targets/usb-adapters.json', import.meta.url);
    const rows: { vendorId: string; productId: string; boards: string[] }[] = JSON.parse(
      readFileSync(path, 'utf8'),
    );
    const keys = rows.map(({ vendorId, productId }) => `${vendorId} ${productId}`);
    expect(new Set(keys).size).to.equal(keys.length);
    for (const board of rows.flatMap(({ boards }) => boards)) {
      const matches = (name: string) => name.startsWith(board.replace('*', ''));
      expect(listTargets().some(matches), board).to.equal(true);
    }
  });
});

describe('build/directory: builds of a folder', () => {
  it('finds those of the folder and below it, and leaves out what is none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bonsaic-builds-'));
    try {
      const write = (name: string, text: string) => {
        mkdirSync(join(folder, name), { recursive: true });
        writeFileSync(join(folder, name, 'bonsai.json'), text);
      };
      const model = { name: 'kws', sha256: 'ab' };
      write('out', JSON.stringify({ tag: '0011', plan: { model } }));
      write('broken', '{');
      write('other', '{"tag": 7}');
      mkdirSync(join(folder, 'empty'));
      expect(buildsIn(folder)).to.deep.equal([
        { directory: join(folder, 'out'), tag: '0011', model },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('profile/ports: survey', () => {
  it('asks what may be a board, all at once, and tells what answers', async () => {
    const machine = machineOf({
      ttyACM0: { ids: 'pico', behind: running('rp2040') },
      ttyACM1: { ids: 'espressif', behind: 'prints' },
      ttyACM2: { ids: 'nucleo', behind: 'busy' },
      ttyUSB0: { ids: 'cp210x', behind: 'never opens' },
      ttyUSB1: { ids: 'cp210x', behind: 'silent' },
      ttyUSB2: { ids: 'cp210x', behind: 'noise' },
      ttyACM3: { ids: 'mouse', behind: running('rp2040') },
      ttyS0: { ids: 'uart', behind: running('rp2040') },
    });
    // One after the other they would take 8 s.
    const ports = await inVirtualTime(() => surveyPorts({}, machine), 2100);
    expect(machine.opened).to.have.length(6);
    const firmware = new Map(ports.map((port) => [port.path, port.firmware]));
    expect(firmware.get('ttyACM0')).to.deep.equal({
      ...{ state: 'bonsaic', target: 'rp2040', modelSha256: 'ab'.repeat(32) },
      ...{ tag: '00112233', protocol: 1, model: 'chain', version },
    });
    expect(firmware.get('ttyACM1')).to.include({ state: 'other' });
    expect(firmware.get('ttyACM1'))
      .to.have.property('why')
      .that.matches(/"Guru Meditation/);
    expect(firmware.get('ttyACM2')).to.include({ state: 'closed', hint: 'end that program' });
    expect(firmware.get('ttyUSB0'))
      .to.have.property('why')
      .that.matches(/not open within 2 s/);
    expect(firmware.get('ttyUSB1')).to.include({ state: 'silent' });
    expect(firmware.get('ttyUSB2'))
      .to.have.property('hint')
      .that.matches(/baud rate/);
    expect([firmware.get('ttyACM3'), firmware.get('ttyS0')]).to.deep.equal([null, null]);

    const text = portsText(namedPorts(ports, []), 200);
    expect(text).to.match(
      /ttyACM0 +2e8a:000a +Raspberry Pi Pico +bonsaic [\d.]+ for rp2040: chain, build 0011/,
    );
    const silent = ports.map((port) =>
      port.firmware?.state === 'bonsaic'
        ? { ...port, firmware: { ...port.firmware, model: null, version: null } }
        : port,
    );
    expect(portsText(namedPorts(silent, []), 200)).to.match(/bonsaic for rp2040: model abab/);
    const model = { name: 'kws', sha256: 'ab'.repeat(32) };
    const builds = [
      { directory: 'old', tag: '99999999', model },
      { directory: 'out', tag: '00112233', model },
    ];
    expect(portsText(namedPorts(silent, builds), 200)).to.match(
      /bonsaic for rp2040: kws, build 00112233 \(out\), protocol 1/,
    );
    const [old] = namedPorts(silent, builds.slice(0, 1));
    expect(old).to.include({ model: 'kws', directory: null });
    expect(text).to.match(/\nttyACM2: end that program/);
    expect(text).to.match(/ttyUSB1 .* no answer/);
  });

  it('asks every port with --probe, another version of the protocol too', async () => {
    const machine = machineOf({
      ttyS0: {
        ids: 'uart',
        behind: { misbehave: () => (answer) => encodeFrame({ ...answer, version: 2 }) },
      },
    });
    const [port] = await surveyPorts({ probe: true }, machine);
    expect(port?.firmware)
      .to.have.property('why')
      .that.matches(/version 2 of the protocol/);
  });
});

describe('profile/ports: --port auto', () => {
  const rows: [edge: string, ports: Record<string, Behind>, chosen: string | RegExp][] = [
    ['the only one of its ids', { a: { ids: 'pico', behind: 'silent' } }, 'a'],
    [
      'ids before bare adapters',
      { a: { ids: 'cp210x', behind: 'silent' }, b: { ids: 'pico', behind: 'silent' } },
      'b',
    ],
    [
      'an answer before ids',
      { a: { ids: 'pico', behind: 'silent' }, b: { ids: 'cp210x', behind: running('rp2040') } },
      'b',
    ],
    [
      'the one of two that answers',
      { a: { ids: 'pico', behind: 'silent' }, b: { ids: 'pico', behind: running('rp2040') } },
      'b',
    ],
    ['a bare adapter', { a: { ids: 'cp210x', behind: 'silent' } }, 'a'],
    [
      'not an adapter with another board',
      { a: { ids: 'cp210x', behind: running('stm32f405') } },
      /no serial port leads to a board of target rp2040: a \(CP210x USB bridge\)/,
    ],
    ['not another board', { a: { ids: 'espressif', behind: 'silent' } }, /no serial port leads/],
    ['not an unknown device', { a: { ids: 'mouse', behind: running('rp2040') } }, /no known board/],
    ['no port', {}, /there is none/],
    [
      'two alike',
      { a: { ids: 'pico', behind: 'silent' }, b: { ids: 'micropython', behind: 'prints' } },
      /several serial ports fit target rp2040: a \(.*Pico\), b \(.*MicroPython\)/,
    ],
    [
      'two that answer',
      {
        a: { ids: 'pico', behind: running('rp2040') },
        b: { ids: 'pico', behind: running('rp2040') },
      },
      /several serial ports fit/,
    ],
  ];
  for (const [edge, ports, chosen] of rows) {
    it(edge, async () => {
      const work = () => choosePort('rp2040', machineOf(ports));
      if (typeof chosen === 'string') {
        expect(await inVirtualTime(work, 2100)).to.equal(chosen);
        return;
      }
      const error = await inVirtualTime(work, 2100).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 5);
      expect((error as BonsaiError).message).to.match(chosen);
      expect((error as BonsaiError).hint).to.match(/--port (a|PATH)$/);
    });
  }
});

describe('profile/ports: drives of boot loaders', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-drives-'));
  after(() => rmSync(folder, { recursive: true }));
  /** Mounted in a folder of their own. */
  function drivesOf(...boardIds: readonly string[]) {
    const root = mkdtempSync(join(folder, 'media-'));
    for (const [i, boardId] of boardIds.entries()) {
      mkdirSync(join(root, `drive${i}`));
      writeFileSync(join(root, `drive${i}`, 'INFO_UF2.TXT'), `Model: x\nBoard-ID: ${boardId}\n`);
    }
    return { root, places: { mounts: join(root, 'none'), mountPoints: [root] } };
  }

  it('are listed with the targets that they may be', async () => {
    const { root, places } = drivesOf('RPI-RP2', 'Unknown-v1');
    const found = await surveyDrives(places);
    expect(found.map(({ path, board }) => [path, board?.targets])).to.have.deep.members([
      [join(root, 'drive0'), ['rp2040']],
      [join(root, 'drive1'), []],
    ]);
  });

  const rows: [
    edge: string,
    boardIds: readonly string[],
    ports: Record<string, Behind>,
    chosen: string | RegExp,
  ][] = [
    ['the drive alone', ['RPI-RP2'], {}, 'drive0'],
    ['beside the drive of another board', ['Other', 'RPI-RP2'], {}, 'drive1'],
    ['beside a bare adapter', ['RPI-RP2'], { a: { ids: 'cp210x', behind: 'silent' } }, 'drive0'],
    ['a port that is known goes first', ['RPI-RP2'], { a: { ids: 'pico', behind: 'silent' } }, 'a'],
    ['two drives', ['RPI-RP2', 'RPI-RP2'], {}, /no serial port leads to a board/],
    ['the drive of another board', ['RP2350'], {}, /no serial port leads to a board/],
  ];
  for (const [edge, boardIds, ports, chosen] of rows) {
    it(`flash --port auto: ${edge}`, async () => {
      const { root, places } = drivesOf(...boardIds);
      const machine = machineOf(ports);
      const opened: string[] = [];
      const open = (path: string) => {
        opened.push(path);
        return machine.open(path);
      };
      const here = { ...machine, open, places };
      const found = await flashPortFor('auto', loadTarget('rp2040'), here).catch(
        (error: Error) => error.message,
      );
      if (typeof chosen === 'string') expect([chosen, join(root, chosen)]).to.include(found);
      else expect(found).to.match(chosen);
      // An opened port may restart its board.
      expect(opened, 'each port once').to.deep.equal([...new Set(opened)]);
    });
  }
});
