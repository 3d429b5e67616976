import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodeBlock } from 'uf2';
import { BonsaiError } from '../../src/errors.js';
import { flash } from '../../src/flash/index.js';
import { findDrive, flashUf2Drive } from '../../src/flash/uf2drive.js';
import { loadTarget } from '../../src/target/index.js';

const file = Uint8Array.from({ length: 50_000 }, (_, i) => i % 251);
const info = 'UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bonsaic-drive-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A board whose drive is at `drive` while it is in its boot loader. */
function board({ waitMs = 60_000 } = {}) {
  const port = join(directory, 'ttyACM0');
  const media = join(directory, 'media/user');
  const drive = join(media, 'RPI-RP2');
  const mounts = join(directory, 'mounts');
  writeFileSync(mounts, '');
  const start = () => {
    rmSync(drive, { recursive: true, force: true });
    writeFileSync(port, '');
  };
  const enter = () => {
    rmSync(port, { force: true });
    mkdirSync(drive, { recursive: true });
    writeFileSync(join(drive, 'INFO_UF2.TXT'), info);
  };
  const touched: string[] = [];
  const around = {
    mounts,
    mountPoints: [join(directory, 'media')],
    waitMs,
    touch: async (path: string) => {
      touched.push(path);
      setTimeout(enter, 30);
    },
  };
  return { port, drive, mounts, around, start, enter, touched };
}

async function failure(work: Promise<unknown>): Promise<BonsaiError> {
  const reason = await work.then(
    () => 'it worked',
    (error: unknown) => error,
  );
  expect(reason).to.be.instanceOf(BonsaiError);
  return reason as BonsaiError;
}

describe('flash/uf2drive', () => {
  it('touches the port, copies, waits for the port', async () => {
    const { port, drive, around, start, touched } = board();
    start();
    const seen: number[] = [];
    let written = new Uint8Array();
    const progress = (done: number, total: number) => {
      expect(total).to.equal(file.length);
      seen.push(done);
      if (done < total) return;
      written = readFileSync(join(drive, 'bonsai.uf2'));
      setTimeout(start, 30);
    };
    await flashUf2Drive(file, 'x.uf2', port, progress, around);
    expect(touched).to.deep.equal([port]);
    expect(Uint8Array.from(written)).to.deep.equal(file);
    expect(seen).to.deep.equal([16384, 32768, 49152, 50_000]);
  });

  it('takes a board that is in its boot loader already', async () => {
    const { port, around, enter, start, touched } = board();
    enter();
    const progress = (done: number, total: number) => {
      if (done === total) setTimeout(start, 30);
    };
    await flashUf2Drive(file, 'x.uf2', port, progress, around);
    expect(touched).to.deep.equal([]);
  });

  it('says how to mount when no drive appears', async () => {
    const { port, around, start } = board({ waitMs: 100 });
    start();
    const silent = { ...around, touch: async () => {} };
    const error = await failure(flashUf2Drive(file, 'x.uf2', port, () => {}, silent));
    expect(error.exitStatus).to.equal(5);
    expect(error.message).to.match(/no RPI-RP2 or RP2350 drive appeared within 0.1 s/);
    expect(error.hint).to.match(/BOOTSEL.*mount/);
  });

  it('says so when there is neither port nor drive', async () => {
    const { port, around } = board({ waitMs: 100 });
    const error = await failure(flashUf2Drive(file, 'x.uf2', port, () => {}, around));
    expect(error.hint).to.match(/no such port either/);
  });

  it('notices a board that does not start the image', async () => {
    const { port, around, enter } = board({ waitMs: 100 });
    enter();
    const error = await failure(flashUf2Drive(file, 'x.uf2', port, () => {}, around));
    expect(error.message).to.match(/did not start it/);
  });

  it('notices a port that does not come back', async () => {
    const { port, drive, around, enter } = board({ waitMs: 100 });
    enter();
    const progress = (done: number, total: number) => {
      if (done === total) rmSync(drive, { recursive: true });
    };
    const error = await failure(flashUf2Drive(file, 'x.uf2', port, progress, around));
    expect(error.message).to.match(/did not come back/);
  });

  it('says what stopped the writing', async () => {
    const { port, drive, around, enter } = board({ waitMs: 100 });
    enter();
    mkdirSync(join(drive, 'bonsai.uf2'));
    const error = await failure(flashUf2Drive(file, 'x.uf2', port, () => {}, around));
    expect(error.message).to.match(/writing stopped after 0 of 50000 bytes/);
  });

  it('finds a FAT mount anywhere, spaces in its path too', async () => {
    const { mounts } = board();
    const drive = join(directory, 'my drives');
    mkdirSync(drive);
    writeFileSync(join(drive, 'INFO_UF2.TXT'), info);
    writeFileSync(mounts, `/dev/sda1 ${drive.replaceAll(' ', '\\040')} vfat rw 0 0\n`);
    expect(await findDrive(mounts, [])).to.equal(drive);
  });

  it('leaves other boards’ drives alone', async () => {
    const { drive, mounts, around, enter } = board();
    enter();
    writeFileSync(join(drive, 'INFO_UF2.TXT'), 'Board-ID: SAMD21G18A-Feather-v0\n');
    expect(await findDrive(mounts, around.mountPoints)).to.equal(null);
  });
});

describe('flash', () => {
  const rp2040 = loadTarget('rp2040');

  it('checks the image for the simulator', async () => {
    const image = join(directory, 'x.uf2');
    const payload = new Uint8Array(256);
    const block = { flags: 0x2000, flashAddress: 0x1000_0000, payload, boardFamily: 0xe48bff56 };
    writeFileSync(image, encodeBlock({ ...block, blockNumber: 0, totalBlocks: 1 }));
    expect(await flash(image, 'sim', rp2040)).to.deep.equal({ bytes: 256 });
    writeFileSync(image, 'no image');
    expect((await failure(flash(image, 'sim', rp2040))).exitStatus).to.equal(5);
  });

  it('refuses a target without boards', async () => {
    const image = join(directory, 'program');
    writeFileSync(image, '');
    const error = await failure(flash(image, '/dev/ttyS0', loadTarget('host')));
    expect(error.message).to.match(/does not flash boards of target host/);
  });

  it('says when there is no image', async () => {
    expect((await failure(flash('/none', 'sim', rp2040))).hint).to.match(/bonsaic build/);
  });
});
