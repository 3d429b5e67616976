/** Copies a UF2 file to the drive of a boot loader, which takes its blocks as they arrive. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { blockSize, encodeBlock, UF2Flags } from 'uf2';
import { BonsaiError } from '../../../errors.js';
import type { FlashProgress } from '../protocol.js';

/** A file on the drive; tests replace it. */
export interface DriveFile {
  /** Writes behind the bytes before, and returns how many it has written. */
  write(bytes: Uint8Array): Promise<number>;
  /** Resolves when the drive has all bytes. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export async function openDriveFile(path: string): Promise<DriveFile> {
  const file = await open(path, 'w');
  return {
    write: async (bytes) => (await file.write(bytes)).bytesWritten,
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

export interface Copy {
  /** The folder of the drive. */
  readonly drive: string;
  readonly file: Uint8Array;
  /** Blocks before the file, from `resetBlocks`. */
  readonly before: Uint8Array;
  readonly openFile: (path: string) => Promise<DriveFile>;
  readonly progress: FlashProgress;
}

const pieceBytes = 16 * 1024;
/** The kernel writes whole pages, so nothing else may be in a page that must arrive first. */
const pageBytes = 4096;

/**
 * Blocks that have the boot ROMs of RP2040 and RP2350 forget an earlier copy that was broken off.
 * They recognize blocks that they have already by number and count alone, and would mix the files
 * (`_update_current_uf2_info` in virtual_disk.c of their published sources). Another count begins
 * anew; a number outside of the count writes nothing.
 */
export function resetBlocks(
  { familyId, flashAddress }: { readonly familyId: number; readonly flashAddress: number },
  file: Uint8Array,
): Uint8Array {
  const totalBlocks = file.length / blockSize + 1;
  const block = encodeBlock({
    flags: UF2Flags.familyIDPresent,
    ...{ flashAddress, boardFamily: familyId, payload: new Uint8Array(256) },
    ...{ blockNumber: totalBlocks, totalBlocks },
  });
  return Buffer.concat(new Array(pageBytes / blockSize).fill(block));
}

/**
 * The file with its first block at the end: without it nothing starts the image, since it has the second stage of the
 * boot (RP2040) or the vector table. So a board that starts has all. Boot loaders take blocks in any order.
 */
export function firstBlockLast(file: Uint8Array): Uint8Array {
  return Buffer.concat([file.subarray(blockSize), file.subarray(0, blockSize)]);
}

/** @throws BonsaiError 'flash' that says what has stopped the writing */
export async function copyToDrive(copy: Copy): Promise<void> {
  const { drive, file, before, openFile, progress } = copy;
  const path = join(drive, 'bonsai.uf2');
  let done = 0;
  try {
    const target = await openFile(path);
    try {
      progress(0, file.length);
      if (before.length > 0) await writeAll(target, before);
      // A sync for each piece, so that the bar shows the board's progress and not a cache's.
      for (const piece of piecesOf(file)) {
        await writeAll(target, piece);
        done += piece.length;
        if (done === file.length) break;
        progress(done, file.length);
      }
    } finally {
      await target.close().catch(() => {});
    }
  } catch (error) {
    if (codeOf(error) === '') throw error;
    // The board restarts as soon as it has the last block, which the kernel may find out first.
    if (done < file.length - blockSize || !isGone(error)) {
      throw stopped(path, `${done} of ${file.length} bytes`, error);
    }
  }
  progress(file.length, file.length);
}

/** The last block is a piece of its own: a failure to write it may mean that the board has it. */
function* piecesOf(file: Uint8Array): Iterable<Uint8Array> {
  const last = file.length - blockSize;
  for (let at = 0; at < last; at += pieceBytes) {
    yield file.subarray(at, Math.min(at + pieceBytes, last));
  }
  yield file.subarray(last);
}

/** Resolves when the drive has the bytes. */
async function writeAll(file: DriveFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += await file.write(bytes.subarray(done));
  await file.sync();
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? '';

/** What the kernel says when a drive is no longer there. */
const isGone = (error: unknown) => /^(EIO|ENODEV|ENXIO|ENOENT|ESTALE)$/.test(codeOf(error));

function stopped(path: string, progress: string, error: unknown): BonsaiError {
  const again = 'unplug the board, hold BOOTSEL while you plug it in, and try again';
  const message = `writing stopped after ${progress}: ${(error as Error).message}`;
  const refuse = (what: string, hint: string) =>
    new BonsaiError('flash', path, `${message} (${what})`, hint);
  if (isGone(error)) return refuse('the drive went away', again);
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return refuse('the drive is full', `delete what was copied to it, or ${again}`);
    case 'EROFS':
      return refuse(
        'the drive is mounted for reading only',
        'mount it again: sudo mount -o remount,rw,uid=$(id -u) FOLDER',
      );
    case 'EACCES':
    case 'EPERM':
      return refuse(
        'the drive is mounted for another user',
        'mount it for yourself: sudo mount -o remount,rw,uid=$(id -u) FOLDER',
      );
    default:
      return new BonsaiError('flash', path, message, again);
  }
}
