/**
 * The boot loader of RP2040 and RP2350 is a USB drive: a UF2 file copied there is written to flash and started
 * (RP2040 datasheet 2.8.4, RP2350 datasheet 5.6; a file for the other chip is ignored). Opening the serial port at 1200 baud restarts the board in it.
 */
import { constants, existsSync } from 'node:fs';
import { access, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { touch1200 } from '../device/open-link.js';
import { readUf2 } from '../device/uf2.js';
import { BonsaiError } from '../errors.js';
import type { FlashProgress, FlashProtocol } from './protocol.js';

/** The paths and functions of the system; tests replace them. */
export interface DriveSurroundings {
  /** Path of the kernel's mount table. */
  readonly mounts: string;
  /** Folders in which desktops and macOS mount drives, one folder (or user) below. */
  readonly mountPoints: readonly string[];
  readonly touch: (port: string) => Promise<void>;
  /** How long to wait for the drive, and later for the port. */
  readonly waitMs: number;
}

const surroundings: DriveSurroundings = {
  mounts: '/proc/mounts',
  mountPoints: ['/media', '/run/media', '/mnt', '/Volumes'],
  touch: touch1200,
  waitMs: 15_000,
};

const pollMs = 200;
const pieceBytes = 16 * 1024;
/** Every boot-loader drive has this file; its text names the board. */
const infoFile = 'INFO_UF2.TXT';
const boardId = /Board-ID:\s*(RPI-RP2|RP2350)\b/;

export const uf2Drive: FlashProtocol<'uf2-drive'> = {
  async flash({ image: { path, bytes }, target, port, progress }) {
    const image = readUf2(bytes, Number(target.uf2FamilyId), path);
    await flashUf2Drive(bytes, path, port, progress);
    return image.bytes;
  },
};

export async function flashUf2Drive(
  file: Uint8Array,
  where: string,
  port: string,
  progress: FlashProgress,
  { mounts, mountPoints, touch, waitMs }: DriveSurroundings = surroundings,
): Promise<void> {
  let drive = await findDrive(mounts, mountPoints);
  if (drive === null) {
    // Without a port the user may be entering the boot loader by hand, so wait for the drive.
    if (existsSync(port)) await touch(port);
    drive = await until(() => findDrive(mounts, mountPoints), waitMs);
  }
  if (drive === null) {
    throw new BonsaiError(
      'flash',
      port,
      `no RPI-RP2 or RP2350 drive appeared within ${waitMs / 1000} s`,
      existsSync(port)
        ? 'hold BOOTSEL while you plug the board in; if the drive is not mounted automatically: ' +
            'sudo mount -o uid=$(id -u) /dev/disk/by-label/RP* /mnt'
        : 'no such port either: hold BOOTSEL while you plug the board in, then try again',
    );
  }
  await copy(file, join(drive, 'bonsai.uf2'), progress);

  // The boot ROM restarts the board after the last block, and the drive disappears. The USB port of
  // the new firmware proves that the image started; the session's hello then compares the model.
  const gone = await until(
    async () => (await findDrive(mounts, mountPoints)) === null || null,
    waitMs,
  );
  if (gone === null) {
    throw new BonsaiError(
      'flash',
      where,
      `was written to ${drive}, but the board did not start it within ${waitMs / 1000} s`,
      'is it an image for the RP2040? Unplug the board and plug it in again',
    );
  }
  await until(() => isOpenable(port), waitMs);
  if (!existsSync(port)) {
    throw new BonsaiError(
      'flash',
      port,
      `did not come back within ${waitMs / 1000} s after ${where} was written`,
      'unplug the board and plug it in again; bonsaic ports lists the ports',
    );
  }
}

/** The mount point of the boot loader's drive; null while it is not mounted. */
export async function findDrive(
  mounts: string,
  mountPoints: readonly string[],
): Promise<string | null> {
  const folders = [...(await mountedFolders(mounts))];
  for (const root of mountPoints) {
    for (const child of await subfolders(root)) {
      folders.push(child, ...(await subfolders(child)));
    }
  }
  for (const folder of folders) {
    if (boardId.test(await textOf(join(folder, infoFile)))) return folder;
  }
  return null;
}

/** Mount points of FAT file systems; a network file system could hang. */
async function mountedFolders(mounts: string): Promise<string[]> {
  const lines = (await textOf(mounts)).split('\n');
  return lines.flatMap((line) => {
    const [, folder, type] = line.split(' ');
    if (folder === undefined || !(type === 'vfat' || type === 'msdos')) return [];
    // The kernel writes a space as \040.
    return [folder.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)))];
  });
}

async function subfolders(root: string): Promise<string[]> {
  try {
    const entries = await readdir(root, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(root, entry.name));
  } catch {
    return [];
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}

async function copy(file: Uint8Array, path: string, progress: FlashProgress): Promise<void> {
  let done = 0;
  try {
    const drive = await open(path, 'w');
    try {
      while (done < file.length) {
        const { bytesWritten } = await drive.write(
          file,
          done,
          Math.min(pieceBytes, file.length - done),
        );
        // Sync after each piece, so that the bar shows the board's progress and not a cache's.
        if (done + bytesWritten < file.length) await drive.sync();
        done += bytesWritten;
        progress(done, file.length);
      }
      await drive.sync();
    } finally {
      await drive.close();
    }
  } catch (error) {
    // The board restarts as soon as it has the last block, so the last sync may fail.
    if (done === file.length) return;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new BonsaiError(
      'flash',
      path,
      `writing stopped after ${done} of ${file.length} bytes: ${message}`,
      code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
        ? 'the drive is mounted for another user: mount it with -o uid=$(id -u)'
        : 'unplug the board, hold BOOTSEL while you plug it in, and try again',
    );
  }
}

/** A new port belongs to root until udev assigns its group, after some 100 ms. */
async function isOpenable(port: string): Promise<true | null> {
  return access(port, constants.R_OK | constants.W_OK).then(
    () => true,
    () => null,
  );
}

async function until<T>(look: () => Promise<T | null>, waitMs: number): Promise<T | null> {
  const end = Date.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== null || Date.now() >= end) return found;
    await sleep(pollMs);
  }
}
