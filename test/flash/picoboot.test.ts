/** PICOBOOT against the simulated boot ROM; docs/reliability.md has the outcomes of its faults. */
import { expect } from 'chai';
import { makeUf2 } from '../../src/boards/build/uf2.js';
import { PicobootChip } from '../../src/boards/device/chips/picoboot.js';
import { UsbFault } from '../../src/boards/device/usb.js';
import { PicobootClient, Refused } from '../../src/boards/flash/picoboot/client.js';
import { flashPicoboot } from '../../src/boards/flash/picoboot.js';
import type { FlashJob } from '../../src/boards/flash/protocol.js';
import type { SettingsOf } from '../../src/boards/target/flash.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { failure } from '../support/failure.js';
import { checkTable, Outcomes, resultOf, seeds } from '../support/fault-rows.js';
import { Random } from '../support/module.js';
import { type TransferFault, UsbBoard } from '../support/usb.js';

type Settings = SettingsOf<'picoboot'>;

const randomBytes = (seed: number, length: number) => {
  const random = new Random(seed);
  return Uint8Array.from({ length }, () => random.integer(0, 255));
};

/** A board of the target with other bytes in its flash, and how to flash it. */
function boardOf(name: string, bytes: number, seed = 1) {
  const target = loadTarget(name);
  const settings = target.flashProtocols.find(
    (each): each is Settings => each.protocol === 'picoboot',
  ) as Settings;
  const { romVersion } = settings;
  const flashAddress = Number(target.flashAddress);
  const flashBytes = 64 * 1024;
  const chip = new PicobootChip(
    { romVersion, flashAddress, flashBytes },
    Uint8Array.from({ length: flashBytes }, (_, i) => (i * 31 + seed) & 0xff),
  );
  const ids = { vendorId: Number(settings.vendorId), productId: Number(settings.productId) };
  const board = new UsbBoard(chip, ids);
  const imageOf = (imageSeed: number) => randomBytes(imageSeed, bytes);
  const jobOf = (image: Uint8Array, port = 'usb'): FlashJob<Settings> => ({
    image: { path: 'x.uf2', bytes: makeUf2(image, flashAddress, Number(target.uf2FamilyId)) },
    ...{ target, settings, port },
    open: async () => {
      throw new BonsaiError('device', port, 'is not opened by this protocol');
    },
    ...{ restart: async () => false, greet: async () => null },
    ...{ progress: () => {}, say: () => {}, sleep: async () => {} },
  });
  const holds = (image: Uint8Array) =>
    Buffer.compare(chip.flash.subarray(0, image.length), Buffer.from(image)) === 0;
  return { board, chip, imageOf, jobOf, holds, flashAddress };
}

describe('flash/picoboot', () => {
  for (const name of ['rp2040', 'rp2350']) {
    it(`${name}: writes, reads back and restarts`, async () => {
      const { board, chip, imageOf, jobOf, holds } = boardOf(name, 10_000);
      const before = chip.flash.slice();
      const seen: [number, number][] = [];
      const job = { ...jobOf(imageOf(1)), progress: (...at: [number, number]) => seen.push(at) };
      expect(await flashPicoboot(job, board)).to.equal(10_240);
      expect([holds(imageOf(1)), chip.isStarted]).to.deep.equal([true, true]);
      expect(seen[0], 'before the first erase').to.deep.equal([0, 10_240]);
      expect(seen.at(-1)).to.deep.equal([10_240, 10_240]);
      // Three sectors; nothing behind.
      expect(Buffer.compare(chip.flash.subarray(12_288), before.subarray(12_288))).to.equal(0);
    });
  }

  it('erases only the sectors that differ', async () => {
    const { board, chip, imageOf, jobOf, holds } = boardOf('rp2040', 40_000);
    await flashPicoboot(jobOf(imageOf(1)), board);
    const workMs = chip.workMs;
    const changed = imageOf(1);
    changed[20_000] = (changed[20_000] ?? 0) ^ 0xff;
    board.plugIn();
    await flashPicoboot(jobOf(changed), board);
    expect(holds(changed)).to.equal(true);
    expect(chip.workMs - workMs).to.be.within(45, 55);
  });

  it('waits for a board that the user plugs in', async () => {
    const { board, imageOf, jobOf, holds } = boardOf('rp2040', 5_000);
    board.chip.isStarted = true;
    const { sleep } = board;
    board.sleep = async (ms) => {
      await sleep(ms);
      if (board.nowMs > 5_000) board.plugIn();
    };
    await flashPicoboot(jobOf(imageOf(2)), board);
    expect(holds(imageOf(2))).to.equal(true);
  });

  const pico2 = { vendorId: 0x2e8a, productId: 0x000f };
  const failures: [
    edge: string,
    prepare: (made: ReturnType<typeof boardOf>) => void,
    port: string,
    says: RegExp,
    hint: RegExp,
  ][] = [
    [
      'no board',
      ({ chip }) => Object.assign(chip, { isStarted: true }),
      'usb',
      /within 15 s/,
      /BOOT/,
    ],
    [
      'another chip by its ids',
      ({ board, chip }) => {
        Object.assign(chip, { isStarted: true });
        board.others.push({ ...board.asFound(), ...pico2 });
      },
      'usb',
      /another chip than that of rp2040: nothing was erased/,
      /--target rp2350/,
    ],
    [
      'two boards',
      ({ board }) => board.others.push({ ...board.asFound(), serialNumber: 'B' }),
      'usb',
      /several boards.*E0C912952D54, B/,
      /--port usb:SERIAL/,
    ],
    ['no board of that serial number', () => {}, 'usb:C', /within 15 s/, /BOOTSEL/],
    [
      'another chip by its ROM',
      (made) => {
        const { chip } = boardOf('rp2350', 100);
        Object.assign(made.board, { chip });
      },
      'usb',
      /boot ROM says 'Mu' 2, not 'Mu' 1: nothing was erased/,
      /--target/,
    ],
    [
      'flash that is worn out',
      ({ chip }) => {
        const bulkOut = chip.bulkOut.bind(chip);
        chip.bulkOut = (bytes) => {
          const answer = bulkOut(bytes);
          chip.flash[300] = 0x55;
          return answer;
        };
      },
      'usb',
      /differs at 0x10000000 after 4 attempts/,
      /worn out/,
    ],
  ];
  for (const [edge, prepare, port, says, hint] of failures) {
    it(`ends with status 5: ${edge}`, async () => {
      const made = boardOf('rp2040', 5_000);
      prepare(made);
      const before = made.board.chip.flash.slice();
      const error = await failure(flashPicoboot(made.jobOf(made.imageOf(3), port), made.board));
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
      expect(error.exitStatus).to.equal(5);
      if (/nothing was erased/.test(error.message)) {
        expect(Buffer.compare(made.board.chip.flash, before)).to.equal(0);
      }
    });
  }

  it('takes the board of the serial number that the port names', async () => {
    const { board, imageOf, jobOf, holds } = boardOf('rp2040', 5_000);
    board.others.push({ ...board.asFound(), serialNumber: 'B' });
    await flashPicoboot(jobOf(imageOf(4), 'usb:E0C912952D54'), board);
    expect(holds(imageOf(4))).to.equal(true);
  });
});

describe('device/chips/picoboot', () => {
  const open = async (name = 'rp2040') => {
    const made = boardOf(name, 100);
    const device = await made.board.asFound().open();
    return { ...made, device, client: new PicobootClient(device) };
  };
  const begin = 0x1000_0000;
  type Client = PicobootClient;
  const refusals: [edge: string, run: (client: Client) => Promise<unknown>, says: RegExp][] = [
    ['a sector that begins in another', (c) => c.erase(begin + 256, 4096, 1), /bad alignment/],
    ['half a sector', (c) => c.erase(begin, 2048, 1), /bad alignment/],
    ['a page that begins in another', (c) => c.write(begin + 1, new Uint8Array(256)), /alignment/],
    ['memory that is not there', (c) => c.erase(0x0800_0000, 4096, 1), /invalid address/],
    ['a read behind the flash', (c) => c.read(begin + 64 * 1024, 256), /invalid address/],
    ['the other chip’s restart', (c) => c.reboot(2, 0), /unknown command/],
  ];
  for (const [edge, run, says] of refusals) {
    it(`refuses ${edge}, and goes on after a reset`, async () => {
      const { client } = await open();
      await client.exitXip();
      const error = await run(client).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(Refused);
      expect((error as Error).message).to.match(says);
      const stalled = await client.exitXip().catch((reason: unknown) => reason);
      expect(stalled).to.be.instanceOf(UsbFault);
      await client.reset();
      await client.exitXip();
    });
  }

  it('does not reach the flash before it has left XIP', async () => {
    const { client, chip } = await open();
    const before = chip.flash.slice();
    await client.erase(begin, 4096, 1);
    await client.write(begin, new Uint8Array(256));
    expect(Buffer.compare(chip.flash, before)).to.equal(0);
    await client.exitXip();
    await client.erase(begin, 4096, 1);
    await client.write(begin, new Uint8Array(256));
    expect([...chip.flash.subarray(254, 258)]).to.deep.equal([0, 0, 0xff, 0xff]);
  });

  it('shuts the drive out until the interface is reset', async () => {
    const { client, chip } = await open();
    await client.claim();
    expect(chip.refusesDrive).to.equal(true);
    await client.reset();
    expect(chip.refusesDrive).to.equal(false);
  });

  it('stalls at what is no command', async () => {
    const rows: [edge: string, packet: Uint8Array][] = [
      ['too short', new Uint8Array(31)],
      ['no magic', new Uint8Array(32)],
    ];
    for (const [edge, packet] of rows) {
      const { device } = await open();
      await device.bulkOut(packet, 10);
      const error = await device.bulkIn(64, 10).catch((reason: unknown) => reason);
      expect((error as UsbFault).kind, edge).to.equal('stall');
    }
  });
});

describe('flash: faults of USB', () => {
  /** Faults that end the session strike once, the others any transfer. */
  const faults: readonly (readonly [name: string, fault: TransferFault, isEnd: boolean])[] = [
    ['transfers lost', 'lost', false],
    ['answers lost', 'late', false],
    ['endpoints stalled', 'stall', false],
    ['cable pulled', 'unplugged', true],
    ['power lost', 'power lost', true],
    ['host killed', 'killed', true],
  ];
  const imageBytes = 9_000;
  const longestMs = 60_000;

  it('each of 200 seeds ends done or with an error, and the next attempt succeeds', async () => {
    const clean = boardOf('rp2040', imageBytes);
    await flashPicoboot(clean.jobOf(clean.imageOf(1)), clean.board);
    const { transfers } = clean.board;
    const rows: (readonly (string | number)[])[] = [];
    for (const [name, fault, isEnd] of faults) {
      const outcomes = new Outcomes();
      for (let seed = 0; seed < seeds; seed++) {
        const what = `${name}, seed ${seed}`;
        const random = new Random(seed);
        const { board, chip, imageOf, jobOf, holds } = boardOf('rp2040', imageBytes, seed);
        const endAt = random.integer(0, transfers - 1);
        const rate = [3, 10, 40][random.integer(0, 2)] ?? 0;
        board.fault = (at) =>
          (isEnd ? at === endAt : random.integer(0, rate) === 0) ? fault : null;
        const image = imageOf(seed);
        const result = await resultOf(() => flashPicoboot(jobOf(image), board), what);
        outcomes.add(result, board.nowMs);
        if (result === 'done')
          expect([holds(image), chip.isStarted], what).to.deep.equal([true, true]);
        expect(board.nowMs, what).to.be.below(longestMs);
        board.plugIn();
        const next = imageOf(seed + 1_000);
        expect(await resultOf(() => flashPicoboot(jobOf(next), board), what)).to.equal('done');
        expect(holds(next), `${what}: the next attempt`).to.equal(true);
      }
      rows.push(outcomes.row('rp2040, PICOBOOT', name));
    }
    checkTable('usb faults', rows);
  });
});
