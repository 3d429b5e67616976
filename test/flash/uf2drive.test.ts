import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeBlock, encodeBlock } from 'uf2';
import { PicobootChip } from '../../src/boards/device/chips/picoboot.js';
import { Uf2Rom } from '../../src/boards/device/chips/uf2rom.js';
import type { DriveFile } from '../../src/boards/flash/uf2/copy.js';
import { findDrives } from '../../src/boards/flash/uf2/drives.js';
import { flashUf2Drive } from '../../src/boards/flash/uf2drive.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { DriveBoard, firmwareOf, systemError, target, uf2Of } from '../support/drive.js';
import { failure } from '../support/failure.js';
import { flash } from '../support/flash.js';
import { Random } from '../support/module.js';
import { UsbBoard } from '../support/usb.js';

const image = firmwareOf(1, 25_000);
const info = (boardId: string) => `UF2 Bootloader v3.0\nModel: any\nBoard-ID: ${boardId}\n`;

let board: DriveBoard;
beforeEach(() => {
  board = new DriveBoard();
});
afterEach(() => board.dispose());

const otherDrive = (boardId: string) => {
  const path = join(board.directory, 'media/user', boardId);
  mkdirSync(path);
  writeFileSync(join(path, 'INFO_UF2.TXT'), info(boardId));
  return path;
};

describe('flash/uf2drive', () => {
  const ways: [edge: string, prepare: () => void, touches: number][] = [
    [
      'asks running firmware to restart',
      () => {
        board.start();
        board.answersRestart = true;
      },
      0,
    ],
    ['touches a port whose firmware does not answer', () => board.start(), 1],
    ['takes a drive that is there, without a port', () => board.enterBootLoader(), 0],
    [
      'takes the drive that is there when the port is a debug probe’s',
      () => {
        board.enterBootLoader();
        writeFileSync(board.port, '');
        board.heedsTouch = false;
      },
      1,
    ],
  ];
  for (const [edge, prepare, touches] of ways) {
    it(edge, async () => {
      prepare();
      expect(await flashUf2Drive(board.job(image), board.around)).to.equal(25_088);
      expect(board.holds(image)).to.equal(true);
      expect(board.touched.length).to.equal(touches);
      expect(existsSync(board.port)).to.equal(true);
    });
  }

  it('tells the progress of the file, the last of it once', async () => {
    board.start();
    const seen: number[] = [];
    const file = uf2Of(image);
    const progress = (done: number, total: number) => {
      expect(total).to.equal(file.length);
      seen.push(done);
    };
    await flashUf2Drive(board.job(image, { progress }), board.around);
    expect(seen).to.deep.equal([0, 16384, 32768, 49152, file.length - 512, file.length]);
  });

  it('finishes when the board is gone before the last sync has returned', async () => {
    board.enterBootLoader();
    let writes = 0;
    board.breakFile = (file) => ({
      ...file,
      write: async (bytes) => {
        writes += bytes.length;
        return file.write(bytes);
      },
      sync: async () => {
        await file.sync();
        if (writes === 4096 + uf2Of(image).length) throw systemError('EIO');
      },
    });
    await flashUf2Drive(board.job(image), board.around);
    expect(board.holds(image)).to.equal(true);
  });

  it('takes the folder of a drive as the port', async () => {
    board.enterBootLoader();
    writeFileSync(join(otherDrive('RPI-RP2b'), 'INFO_UF2.TXT'), info('RPI-RP2'));
    await flashUf2Drive(board.job(image, { port: board.drivePath }), board.around);
    expect(board.holds(image)).to.equal(true);
  });

  it('does not mix the image with what a broken copy of another has left', async () => {
    board.enterBootLoader();
    const old = firmwareOf(2, image.length);
    board.breakFile = (file) => ({
      ...file,
      sync: async () => {
        await file.sync();
        throw systemError('ENOSPC');
      },
    });
    await failure(flashUf2Drive(board.job(old), board.around));
    board.breakFile = null;
    await flashUf2Drive(board.job(image), board.around);
    expect(board.holds(image)).to.equal(true);
  });

  it('waits for the drive of a boot loader that is on USB, whatever the port', async () => {
    const chip = new PicobootChip({ romVersion: 1, flashAddress: 0x1000_0000, flashBytes: 65_536 });
    const usb = new UsbBoard(chip, { vendorId: 0x2e8a, productId: 0x0003 });
    board.after(3_000, () => board.enterBootLoader());
    await flashUf2Drive(board.job(image), { ...board.around, listUsb: async () => usb.list() });
    expect(board.holds(image)).to.equal(true);
    expect(chip.isStarted).to.equal(false);
  });

  it('writes by PICOBOOT where no drive is mounted for a while', async () => {
    board.start();
    board.heedsTouch = false;
    const { flash: cells } = board.rom;
    const chip = new PicobootChip({
      ...{ romVersion: 1, flashAddress: 0x1000_0000, flashBytes: cells.length },
    });
    const usb = new UsbBoard(chip, { vendorId: 0x2e8a, productId: 0x0003 });
    const around = {
      ...board.around,
      touch: async () => rmSync(board.port),
      listUsb: async () => (board.nowMs > 2_000 ? usb.list() : []),
      sleep: async (ms: number) => {
        await board.around.sleep(ms);
        if (!chip.isStarted) return;
        cells.set(chip.flash);
        writeFileSync(board.port, '');
      },
    };
    await flashUf2Drive(board.job(image), around);
    expect(board.holds(image)).to.equal(true);
    expect(board.nowMs).to.be.within(7_000, 9_000);
  });

  const silent = { around: { touch: async () => {} } };
  const failures: [
    edge: string,
    prepare: () => void,
    change: { around?: object; port?: string },
    says: RegExp,
    hint: RegExp,
  ][] = [
    [
      'no drive appears',
      () => board.start(),
      silent,
      /no drive of a RPI-RP2 appeared within 15 s/,
      /BOOTSEL.*mount/,
    ],
    [
      'neither port nor drive: at once',
      () => board.after(100, () => board.enterBootLoader()),
      {},
      /no such serial port, and no drive of a RPI-RP2 is mounted: th/,
      /hold BOOTSEL .*, then try again/,
    ],
    [
      'the drive of another chip, without a port',
      () => void otherDrive('RP2350'),
      {},
      /drive of another board, RP2350; rp2040 has RPI-RP2: nothing was written/,
      /--target rp2350/,
    ],
    [
      'another chip behind the port',
      () => {
        board.start();
        board.heedsTouch = false;
        board.after(2_000, () => otherDrive('RP2350'));
      },
      {},
      /drive of another board/,
      /--target rp2350/,
    ],
    [
      'a board that no target has',
      () => void otherDrive('SAMD21G18A-Feather-v0'),
      {},
      /drive of another board, SAMD21/,
      /unplug that board/,
    ],
    [
      'two boards in their boot loader',
      () => {
        board.enterBootLoader();
        writeFileSync(join(otherDrive('RPI-RP2b'), 'INFO_UF2.TXT'), info('RPI-RP2'));
      },
      {},
      /several boards are in their boot loader/,
      /--port .*RPI-RP2/,
    ],
    [
      'a board that does not leave its boot loader',
      () => {
        board.enterBootLoader();
        board.breakFile = (file) => ({ ...file, sync: async () => {} });
        board.poll = () => {};
      },
      {},
      /did not start it within 15 s/,
      /try again/,
    ],
    [
      'a port that does not come back',
      () => {
        board.start();
        board.starts = false;
      },
      {},
      /did not come back/,
      /bonsaic ports/,
    ],
    [
      'other firmware after the drive was pulled',
      () => {
        board.enterBootLoader();
        // It is plugged in again with what it had.
        board.breakFile = (file) => ({
          ...file,
          sync: async () => {
            board.leave();
            board.rom.flash.set(firmwareOf(3, image.length));
            board.after(500, () => board.start());
          },
        });
      },
      { port: '' },
      /runs other firmware than x.uf2/,
      /BOOTSEL/,
    ],
  ];
  for (const [edge, prepare, { around = {} }, says, hint] of failures) {
    it(`ends with status 5: ${edge}`, async () => {
      prepare();
      const error = await failure(flashUf2Drive(board.job(image), { ...board.around, ...around }));
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
      expect(error.exitStatus).to.equal(5);
    });
  }

  const broken: [code: string, says: RegExp, hint: RegExp][] = [
    ['ENOSPC', /\d+ of \d+ bytes: .*the drive is full/, /delete/],
    ['EROFS', /for reading only/, /remount,rw/],
    ['EACCES', /for another user/, /uid=/],
    ['EIO', /the drive went away/, /BOOTSEL/],
    ['ENODEV', /the drive went away/, /BOOTSEL/],
    ['EINVAL', /writing stopped/, /BOOTSEL/],
  ];
  for (const [code, says, hint] of broken) {
    it(`says what stopped the writing: ${code}; the next attempt works`, async () => {
      board.enterBootLoader();
      let writes = 0;
      board.breakFile = (file): DriveFile => ({
        ...file,
        write: async (bytes) => {
          if (++writes === 3) throw systemError(code);
          return file.write(bytes);
        },
      });
      const error = await failure(flashUf2Drive(board.job(image), board.around));
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
      board.breakFile = null;
      await flashUf2Drive(board.job(image), board.around);
      expect(board.holds(image)).to.equal(true);
    });
  }

  it('refuses images before it looks for a board', async () => {
    const block = { flags: 0x2000, payload: new Uint8Array(256), blockNumber: 0, totalBlocks: 1 };
    const rows: [edge: string, address: number, boardFamily: number, says: RegExp][] = [
      ['another family', 0x1000_0000, 0xe48bff59, /is for another board/],
      ['RAM', 0x2000_0000, 0xe48bff56, /0x20000000, which is not in the flash of rp2040/],
      ['behind 2 MB', 0x1020_0000, 0xe48bff56, /0x10200000, which is not in the flash/],
      ['before the flash', 0x0fff_ff00, 0xe48bff56, /not in the flash/],
    ];
    for (const [edge, flashAddress, boardFamily, says] of rows) {
      const bytes = encodeBlock({ ...block, flashAddress, boardFamily });
      const job = board.job(image, { image: { path: 'y.uf2', bytes } });
      expect((await failure(flashUf2Drive(job, board.around))).message, edge).to.match(says);
    }
    expect(board.nowMs).to.equal(0);
  });

  it('finds a FAT mount anywhere, spaces in its path too, and each once', async () => {
    const drive = join(board.directory, 'media/user/my drives');
    mkdirSync(drive);
    writeFileSync(join(drive, 'INFO_UF2.TXT'), info('RPI-RP2'));
    writeFileSync(board.mounts, `/dev/sda1 ${drive.replaceAll(' ', '\\040')} vfat rw 0 0\n`);
    const found = [{ path: drive, boardId: 'RPI-RP2' }];
    const { mounts } = board;
    expect(await findDrives({ mounts, mountPoints: [] }, '/none')).to.deep.equal(found);
    expect(await findDrives(board.around, '/none')).to.deep.equal(found);
  });
});

describe('device/chips/uf2rom', () => {
  const options = {
    ...{ boardId: 'RPI-RP2', familyId: Number(target.uf2FamilyId) },
    ...{ flashAddress: 0x1000_0000, flashBytes: 64 * 1024 },
  };
  const sectorsOf = (bytes: Uint8Array) => {
    const file = uf2Of(bytes);
    return Array.from({ length: file.length / 512 }, (_, i) =>
      file.subarray(i * 512, i * 512 + 512),
    );
  };
  const put = (sectors: readonly Uint8Array[], rom = new Uf2Rom(options)) => {
    for (const sector of sectors) rom.take(sector);
    return rom;
  };
  const holds = (rom: Uf2Rom) => Buffer.from(rom.flash.subarray(0, image.length)).equals(image);

  it('takes blocks in any order, twice, among other sectors', () => {
    const random = new Random(5);
    const sectors = sectorsOf(image);
    const noise = Uint8Array.from({ length: 512 }, () => random.integer(0, 255));
    const mixed = [...sectors, ...sectors.slice(3, 20), noise];
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = random.integer(0, i);
      [mixed[i], mixed[j]] = [mixed[j] as Uint8Array, mixed[i] as Uint8Array];
    }
    const rom = put(mixed);
    expect([rom.isComplete, holds(rom)]).to.deep.equal([true, true]);
  });

  const change = (offset: number, value: number) => (sector: Uint8Array) => {
    const copy = Uint8Array.from(sector);
    new DataView(copy.buffer).setUint32(offset, value, true);
    return copy;
  };
  const rows: [edge: string, changed: (sector: Uint8Array) => Uint8Array][] = [
    ['another family', change(28, 0xe48bff59)],
    ['no family', change(8, 0)],
    ['not for flash', change(8, 0x2001)],
    ['shorter pages', change(16, 128)],
    ['an address in RAM', change(12, 0x2000_0000)],
    ['an odd address', change(12, 0x1000_0010)],
    ['no end', change(508, 0)],
  ];
  for (const [edge, changed] of rows) {
    it(`ignores blocks with ${edge}`, () => {
      const rom = put(sectorsOf(image).map(changed));
      expect([rom.isComplete, rom.flash.every((byte) => byte === 0xff)]).to.deep.equal([
        false,
        true,
      ]);
    });
  }

  it('is complete only with the last block', () => {
    const sectors = sectorsOf(image);
    const rom = put(sectors.slice(1));
    expect(rom.isComplete).to.equal(false);
    expect(put(sectors.slice(0, 1), rom).isComplete).to.equal(true);
  });

  it('the uf2 package reads from our file what the boot loader wrote', () => {
    const rom = put(sectorsOf(image));
    const file = uf2Of(image);
    for (let at = 0; at < file.length; at += 512) {
      const { flashAddress, payload, boardFamily } = decodeBlock(file.subarray(at, at + 512));
      const place = flashAddress - 0x1000_0000;
      expect(Buffer.from(payload).equals(rom.flash.subarray(place, place + 256))).to.equal(true);
      expect(boardFamily).to.equal(Number(target.uf2FamilyId));
    }
  });
});

describe('flash', () => {
  it('checks the image for the simulator', async () => {
    const path = join(board.directory, 'x.uf2');
    const payload = new Uint8Array(256);
    const block = { flags: 0x2000, flashAddress: 0x1000_0000, payload, boardFamily: 0xe48bff56 };
    writeFileSync(path, encodeBlock({ ...block, blockNumber: 0, totalBlocks: 1 }));
    expect(await flash(path, 'sim', target)).to.deep.equal({
      bytes: 256,
      written: false,
      unchanged: false,
    });
    writeFileSync(path, 'no image');
    expect((await failure(flash(path, 'sim', target))).exitStatus).to.equal(5);
  });

  it('refuses a target that has no board', async () => {
    const path = join(board.directory, 'program');
    writeFileSync(path, '');
    const error = await failure(flash(path, '/dev/ttyS0', loadTarget('host')));
    expect(error.message).to.match(/runs on this machine, which has no serial port/);
    const simulated = await failure(flash(path, '/dev/ttyS0', loadTarget('lx60')));
    expect(simulated.message).to.match(/does not flash boards of target lx60/);
  });

  it('says when there is no image', async () => {
    expect((await failure(flash('/none', 'sim', target))).hint).to.match(/bonsaic build/);
  });
});
