/** A folder that acts as the drive of a UF2 boot loader. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { owe } from '../../leaving.js';
import { driveSectorBytes, type Uf2Rom } from './chips/uf2rom.js';

const indexPage =
  '<html><head><meta http-equiv="refresh" content="0;URL=\'https://github.com/microsoft/uf2\'"/></head></html>\n';

/** A file as the boot loader has it. */
interface Taken {
  readonly changedMs: number;
  /** Whole sectors. */
  readonly bytes: Uint8Array;
}

export class DriveFolder {
  private readonly taken = new Map<string, Taken>();
  private settled = () => {};

  constructor(
    readonly path: string,
    private readonly rom: Uf2Rom,
  ) {}

  appear(): void {
    this.settled = owe({ owes: 'removal', path: this.path });
    try {
      mkdirSync(this.path);
    } catch (error) {
      this.settled();
      throw error;
    }
    writeFileSync(join(this.path, 'INDEX.HTM'), indexPage);
    // Last: hosts recognize the drive by it.
    writeFileSync(join(this.path, 'INFO_UF2.TXT'), this.rom.info);
  }

  /** Removes the folder with all that was copied to it. */
  vanish(): void {
    rmSync(this.path, { recursive: true, force: true });
    this.settled();
    this.taken.clear();
  }

  /** Gives the boot loader the sectors that were written since the last call, and tells whether there were any. */
  poll(): boolean {
    const files = readdirSync(this.path, { withFileTypes: true }).filter((entry) => entry.isFile());
    return files.map(({ name }) => this.takeNew(name)).includes(true);
  }

  private takeNew(name: string): boolean {
    const path = join(this.path, name);
    const { mtimeMs: changedMs, size } = statSync(path);
    const before = this.taken.get(name);
    const whole = size - (size % driveSectorBytes);
    if (before?.changedMs === changedMs && before.bytes.length === whole) return false;
    const bytes = new Uint8Array(readFileSync(path)).subarray(0, whole);
    this.taken.set(name, { changedMs, bytes });
    const begin = firstNew(before?.bytes, bytes);
    for (let at = begin; at < bytes.length; at += driveSectorBytes) {
      this.rom.take(bytes.subarray(at, at + driveSectorBytes));
    }
    return begin < bytes.length;
  }
}

/** Where what is written begins: at the end of what was there, or at 0 if the file was written anew. */
function firstNew(before: Uint8Array | undefined, now: Uint8Array): number {
  if (before === undefined || now.length < before.length) return 0;
  return Buffer.compare(before, now.subarray(0, before.length)) === 0 ? before.length : 0;
}
