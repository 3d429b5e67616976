/** The drives of UF2 boot loaders that are mounted on this machine. */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** Where drives may be mounted; tests replace it. */
export interface DrivePlaces {
  /** Path of the kernel's mount table. */
  readonly mounts: string;
  /** Folders in which desktops and macOS mount drives, one folder (or user) below. */
  readonly mountPoints: readonly string[];
}

export interface Drive {
  /** The folder. */
  readonly path: string;
  /** 'RPI-RP2', from INFO_UF2.TXT. */
  readonly boardId: string;
}

/** Those of Linux and macOS. */
export const drivePlaces: DrivePlaces = {
  mounts: '/proc/mounts',
  mountPoints: ['/media', '/run/media', '/mnt', '/Volumes'],
};

/** Whether a drive is that of a board; upper and lower case are the same. */
export function isDriveOf({ boardId }: Drive, settings: { readonly boardId: string }): boolean {
  return boardId.toLowerCase().includes(settings.boardId.toLowerCase());
}

/** Every drive of a UF2 boot loader has this file; its text names the board. */
const infoFile = 'INFO_UF2.TXT';
const boardIdLine = /^Board-ID:[ \t]*(\S.*?)\s*$/m;

/** @param port may name the folder of a drive, or a simulated board, whose drive is beside it */
export async function findDrives(
  { mounts, mountPoints }: DrivePlaces,
  port: string | null = null,
): Promise<Drive[]> {
  const named = port === null ? [] : [port, `${port}.drive`];
  const folders = [...named, ...(await mountedFolders(mounts))];
  for (const root of mountPoints) {
    for (const child of await subfolders(root)) {
      folders.push(child, ...(await subfolders(child)));
    }
  }
  const drives = new Map<string, Drive>();
  for (const folder of folders) {
    const drive = await driveAt(folder);
    // A folder may be found twice.
    if (drive !== null) drives.set(await realpath(folder).catch(() => folder), drive);
  }
  return [...drives.values()];
}

/** The drive that is mounted there; null if none is. */
export async function driveAt(folder: string): Promise<Drive | null> {
  const boardId = boardIdLine.exec(await textOf(join(folder, infoFile)))?.[1];
  return boardId === undefined ? null : { path: folder, boardId };
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
