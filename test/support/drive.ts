/** A simulated board whose boot loader is a drive, in virtual time: a folder, and a file as its port. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeUf2 } from '../../src/boards/build/uf2.js';
import { Uf2Rom } from '../../src/boards/device/chips/uf2rom.js';
import { DriveFolder } from '../../src/boards/device/drive-folder.js';
import type { FlashJob, Greeting } from '../../src/boards/flash/protocol.js';
import { type DriveFile, openDriveFile } from '../../src/boards/flash/uf2/copy.js';
import type { DriveSurroundings } from '../../src/boards/flash/uf2drive.js';
import type { SettingsOf } from '../../src/boards/target/flash.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { BonsaiError } from '../../src/errors.js';
import { Random } from './module.js';

export const target = loadTarget('rp2040');
export const settings = target.flashProtocols.find(
  ({ protocol }) => protocol === 'uf2-drive',
) as SettingsOf<'uf2-drive'>;
const flashAddress = Number(target.flashAddress);
const familyId = Number(target.uf2FamilyId);

/** A file system in memory where there is one: a thousand boards on a disk take a minute. */
const memoryFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** After which the board is on USB again: re-enumeration. */
const restartMs = 700;

/** Firmware of bonsaic as `greet` knows it: its name on USB, the hash of a model and the tag of a build. */
export function firmwareOf(seed: number, bytes: number): Uint8Array {
  const random = new Random(seed);
  const image = Uint8Array.from({ length: bytes }, () => random.integer(0, 255));
  image.set(Buffer.from(`bonsaic ${target.name}\0`), nameAt);
  return image;
}

const nameAt = 600;
const [hashAt, tagAt] = [1000, 1100];

export const uf2Of = (image: Uint8Array): Uint8Array => makeUf2(image, flashAddress, familyId);

export class DriveBoard {
  nowMs = 0;
  readonly directory = mkdtempSync(join(memoryFolder, 'bonsaic-drive-'));
  readonly port = join(this.directory, 'ttyACM0');
  readonly drivePath = join(this.directory, 'media/user/RPI-RP2');
  readonly mounts = join(this.directory, 'mounts');
  readonly rom = new Uf2Rom({
    ...{ boardId: 'RPI-RP2', familyId, flashAddress },
    flashBytes: 64 * 1024,
  });
  readonly touched: string[] = [];
  /** Whether the reboot command works. */
  answersRestart = false;
  /** Whether a touch does. */
  heedsTouch = true;
  /** Whether the image runs after a restart. */
  starts = true;
  /** What opening and writing files does besides; null: nothing. */
  breakFile: ((file: DriveFile) => DriveFile) | null = null;
  private events: { at: number; run: () => void }[] = [];
  private readonly folder = new DriveFolder(this.drivePath, this.rom);

  constructor() {
    mkdirSync(join(this.directory, 'media/user'), { recursive: true });
    writeFileSync(this.mounts, '');
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  get isInBootLoader(): boolean {
    return existsSync(this.drivePath);
  }

  after(ms: number, run: () => void): void {
    this.events.push({ at: this.nowMs + ms, run });
  }

  enterBootLoader(): void {
    rmSync(this.port, { force: true });
    this.rom.restart();
    if (!this.isInBootLoader) this.folder.appear();
  }

  /** The user pulls the cable and plugs the board in with BOOTSEL held. */
  plugIn(): void {
    this.events = [];
    this.leave();
    this.enterBootLoader();
  }

  /** Runs what its flash holds. */
  start(): void {
    this.leave();
    writeFileSync(this.port, '');
  }

  leave(): void {
    this.folder.vanish();
    rmSync(this.port, { force: true });
  }

  /** The boot loader takes what the host has sent. */
  poll(): void {
    if (!this.isInBootLoader) return;
    this.folder.poll();
    if (!this.rom.isComplete) return;
    this.leave();
    if (this.starts) this.after(restartMs, () => this.start());
  }

  private advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = this.events.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.events = this.events.filter((event) => event !== due);
      this.nowMs = Math.max(this.nowMs, due.at);
      due.run();
    }
    this.nowMs = end;
    this.poll();
  }

  private async openFile(path: string): Promise<DriveFile> {
    const file = await openDriveFile(path);
    const seen: DriveFile = {
      write: (bytes) => file.write(bytes),
      close: () => file.close(),
      // What is written is there at once: the sync of a disk would only take time.
      sync: async () => this.poll(),
    };
    return this.breakFile?.(seen) ?? seen;
  }

  get around(): DriveSurroundings {
    return {
      mounts: this.mounts,
      mountPoints: [join(this.directory, 'media')],
      touch: async (path) => {
        this.touched.push(path);
        if (this.heedsTouch) this.after(restartMs, () => this.enterBootLoader());
      },
      openFile: (path) => this.openFile(path),
      listUsb: async () => [],
      now: () => this.nowMs,
      sleep: async (ms) => this.advance(ms),
    };
  }

  /** What the firmware in its flash says, while it runs. */
  private async greet(): Promise<Greeting | null> {
    const { flash } = this.rom;
    const runs = existsSync(this.port) && flash.subarray(nameAt).some((byte) => byte !== 0xff);
    if (!runs) return null;
    return {
      modelSha256: flash.slice(hashAt, hashAt + 32),
      tag: flash.slice(tagAt, tagAt + 4),
    };
  }

  job(
    image: Uint8Array,
    changes: Partial<FlashJob<SettingsOf<'uf2-drive'>>> = {},
  ): FlashJob<SettingsOf<'uf2-drive'>> {
    return {
      image: { path: 'x.uf2', bytes: uf2Of(image) },
      ...{ target, settings, port: this.port },
      open: async () => {
        throw new BonsaiError('device', this.port, 'is not opened by this protocol');
      },
      restart: async () => {
        if (this.answersRestart) this.after(restartMs, () => this.enterBootLoader());
        return this.answersRestart;
      },
      greet: () => this.greet(),
      progress: () => {},
      say: () => {},
      sleep: async (ms) => this.advance(ms),
      ...changes,
    };
  }

  holds(image: Uint8Array): boolean {
    return Buffer.compare(this.rom.flash.subarray(0, image.length), Buffer.from(image)) === 0;
  }
}

/** An error of the system. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: as the kernel says it`), { code, syscall: 'write' });
}
