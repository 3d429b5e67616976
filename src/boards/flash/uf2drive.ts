/**
 * Boot loaders that are a USB drive: a UF2 file copied there is written to flash and started (RP2040 datasheet 2.8.4,
 * RP2350 datasheet 5.6; Adafruit's boot loader of the nRF52840). Opening the serial port at 1200 baud restarts the board
 * in it. The drive does not let the image be read back, so the firmware is asked which build it is.
 */
import { constants, statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { BonsaiError } from '../../errors.js';
import { isNetworkPort } from '../device/link.js';
import { missingPort } from '../device/missing-port.js';
import { touch1200 } from '../device/open-link.js';
import { type FoundUsbDevice, type UsbHost, usbHost } from '../device/usb.js';
import type { SettingsOf } from '../target/flash.js';
import { answersAdafruit, writeByAdafruit } from './adafruit/writer.js';
import { isOf, writeByPicoboot } from './picoboot/writer.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { hasFirmware, isBuild } from './shared/confirm.js';
import { compileHint, targetsWith } from './shared/kin.js';
import {
  copyToDrive,
  type DriveFile,
  firstBlockLast,
  openDriveFile,
  resetBlocks,
} from './uf2/copy.js';
import {
  type Drive,
  type DrivePlaces,
  driveAt,
  drivePlaces,
  findDrives,
  isDriveOf,
} from './uf2/drives.js';
import { contentOf, uf2ImageFor } from './uf2/image.js';

type Job = FlashJob<SettingsOf<'uf2-drive'>>;

/** The paths, functions and clock of the system; tests replace them. */
export interface DriveSurroundings extends DrivePlaces {
  readonly touch: (port: string) => Promise<void>;
  readonly openFile: (path: string) => Promise<DriveFile>;
  readonly listUsb: UsbHost['list'];
  now(): number;
  sleep(ms: number): Promise<unknown>;
}

const surroundings: DriveSurroundings = {
  ...drivePlaces,
  touch: touch1200,
  openFile: openDriveFile,
  listUsb: usbHost.list,
  now: () => performance.now(),
  sleep: setTimeout,
};

/** How long to wait for the drive, for its end, for the port, and for the firmware. */
export const waitMs = 15_000;
/** After which a boot loader that is on USB is written without its drive, which nothing mounts. */
const mountMs = 5_000;
/** How long the wait for another drive is where one is mounted already. */
const secondDriveMs = 5_000;
const pollMs = 200;
const enterByHand = 'hold BOOTSEL (or press reset twice) while you plug the board in';

export const uf2Drive: FlashProtocol<'uf2-drive'> = { flash: (job) => flashUf2Drive(job) };

/** @returns the bytes of the image */
export async function flashUf2Drive(
  job: Job,
  around: DriveSurroundings = surroundings,
): Promise<number> {
  const { image: file, target, port, say } = job;
  const image = uf2ImageFor(file, target);
  // A drive or 'auto' in place of a port: nothing says which port the board will have.
  const isSerial = port !== 'auto' && (await driveAt(port)) === null;
  const found = await enterBootLoader(job, around);
  if ('serial' in found) {
    say(`no drive is mounted: writing over ${port}`);
    await writeByAdafruit(job, found.serial, contentOf(image));
  } else if ('device' in found) {
    say(`no drive is mounted: writing over ${found.device.name}`);
    await writeByPicoboot(job, found.settings, found.device, image);
  } else {
    await copy(job, found, around);
    await leaveBootLoader(job, found.drive, around);
  }
  if (isSerial) await comeBack(job, around);
  await confirm(job, contentOf(image), around);
  return image.bytes;
}

interface FoundDrive {
  readonly drive: Drive;
  /** Whether it was mounted before, so that it may have a part of another file. */
  readonly wasThere: boolean;
}

/** A boot loader whose drive is not mounted, but which has another interface. */
interface FoundDevice {
  readonly device: FoundUsbDevice;
  readonly settings: SettingsOf<'picoboot'>;
}

/** A boot loader whose drive is not mounted, but which answers on its serial port. */
interface FoundSerial {
  readonly serial: SettingsOf<'adafruit-dfu'>;
}

type Found = FoundDrive | FoundDevice | FoundSerial;

async function copy(job: Job, { drive, wasThere }: FoundDrive, around: DriveSurroundings) {
  const { image, target, settings, progress, say } = job;
  const [familyId, flashAddress] = [Number(target.uf2FamilyId), Number(target.flashAddress)];
  const isStale = wasThere && settings.remembersBlocks;
  say(`copying to ${drive.path}`);
  await copyToDrive({
    ...{ drive: drive.path, file: firstBlockLast(image.bytes), progress },
    openFile: around.openFile,
    before: isStale ? resetBlocks({ familyId, flashAddress }, image.bytes) : new Uint8Array(),
  });
}

/**
 * The drive of the board: by its firmware's own command, by a touch of its port, or as it is there.
 *
 * @throws BonsaiError 'flash' when no drive appears, or several fit, or it is another board's
 */
async function enterBootLoader(job: Job, around: DriveSurroundings): Promise<Found> {
  const { port } = job;
  const before = await findDrives(around, port);
  const unmounted = withoutDrive(job, around);
  if (!isPort(port)) {
    const look = async () => {
      const drive = ownDrive(job, await findDrives(around, port));
      const isOld = before.some(({ path }) => path === drive?.path);
      return drive === null ? unmounted() : { drive, wasThere: isOld };
    };
    const there = await look();
    if (there !== null) return there;
    if (port !== 'auto' && !(await isOnUsb(job, around))) throw await noPort(job);
    job.say(`waiting for the drive: ${enterByHand}`);
    const found = await until(look, around);
    if (found === null) throw noDrive(job);
    return found;
  }
  job.say('asking the board to restart in its boot loader');
  // A port that goes away meanwhile is a board that restarts.
  if (!(await job.restart()) && isPort(port)) await around.touch(port);
  const isKnown = ({ path }: Drive) => before.some((other) => other.path === path);
  const fresh = async () => {
    const drives = await findDrives(around, port);
    const drive = ownDrive(
      job,
      drives.filter((each) => !isKnown(each)),
    );
    return drive === null ? unmounted() : { drive, wasThere: false };
  };
  const found = await until(fresh, around, before.length > 0 ? secondDriveMs : waitMs);
  if (found !== null) return found;
  // The port is another device's, such as a debug probe's.
  const there = ownDrive(job, before);
  if (there === null) throw noDrive(job);
  return { drive: there, wasThere: true };
}

/** Looks for a boot loader that has been there for a while, and whose drive is still not mounted. */
function withoutDrive(
  job: Job,
  around: DriveSurroundings,
): () => Promise<FoundDevice | FoundSerial | null> {
  const [onUsb, onSerial] = [unmountedOnUsb(job, around), unmountedOnSerial(job, around)];
  return async () => (await onUsb()) ?? (await onSerial());
}

function unmountedOnSerial(job: Job, around: DriveSurroundings): () => Promise<FoundSerial | null> {
  const serial = job.target.flashProtocols.find((each) => each.protocol === 'adafruit-dfu');
  const begin = around.now();
  return async () => {
    const isDue = serial !== undefined && isPort(job.port) && around.now() - begin >= mountMs;
    return isDue && (await answersAdafruit(job, serial)) ? { serial } : null;
  };
}

function unmountedOnUsb(
  { target }: Job,
  around: DriveSurroundings,
): () => Promise<FoundDevice | null> {
  const settings = target.flashProtocols.find((each) => each.protocol === 'picoboot');
  let since: number | null = null;
  return async () => {
    if (settings === undefined) return null;
    // Without the package only the drive will do.
    const devices = await around.listUsb().catch(() => []);
    const [device, second] = devices.filter((each) => isOf(each, settings));
    if (device === undefined || second !== undefined) {
      since = null;
      return null;
    }
    since ??= around.now();
    return around.now() - since < mountMs ? null : { device, settings };
  };
}

/**
 * The one drive of the target's boot loader; null if there is no drive.
 *
 * @throws BonsaiError 'flash' when several fit, or only those of other boards are there
 */
function ownDrive({ port, target, settings }: Job, drives: readonly Drive[]): Drive | null {
  const named = drives.find(({ path }) => path === port);
  const fitting = (named ? [named] : drives).filter((drive) => isDriveOf(drive, settings));
  const [own, second] = fitting;
  if (own !== undefined && second === undefined) return own;
  const [other] = drives;
  if (other === undefined) return null;
  if (own !== undefined) {
    throw new BonsaiError(
      'flash',
      port,
      `several boards are in their boot loader: ${fitting.map(({ path }) => path).join(', ')}`,
      `unplug all but one, or name one: --port ${own.path}`,
    );
  }
  const kin = targetsWith('uf2-drive', (each) => isDriveOf(other, each));
  throw new BonsaiError(
    'flash',
    other.path,
    `is the drive of another board, ${other.boardId}; ${target.name} has ${settings.boardId}: ` +
      'nothing was written',
    compileHint(kin, 'unplug that board and try again'),
  );
}

/** Whether a boot loader of the target is on USB, whose drive may be mounted soon. */
async function isOnUsb({ target }: Job, around: DriveSurroundings): Promise<boolean> {
  const settings = target.flashProtocols.find((each) => each.protocol === 'picoboot');
  if (settings === undefined) return false;
  const devices = await around.listUsb().catch(() => []);
  return devices.some((each) => isOf(each, settings));
}

/** Nothing is at the port, and no board is in its boot loader: a mistyped port, most likely. */
function noPort({ port, settings: { boardId } }: Job): Promise<BonsaiError> {
  const what = `, and no drive of a ${boardId} is mounted`;
  return missingPort(port, { what, hint: `${enterByHand}, then try again` });
}

function noDrive({ port, settings: { boardId } }: Job): BonsaiError {
  return new BonsaiError(
    'flash',
    port,
    `no drive of a ${boardId} appeared within ${waitMs / 1000} s`,
    `${enterByHand}; if the drive is not mounted automatically: ` +
      'sudo mount -o uid=$(id -u) /dev/disk/by-label/LABEL /mnt',
  );
}

/** Waits until the board has left its boot loader, which it does when it has all blocks. */
async function leaveBootLoader(
  { image, say }: Job,
  drive: Drive,
  around: DriveSurroundings,
): Promise<void> {
  say('waiting for the board to start it');
  const gone = async () => ((await driveAt(drive.path)) === null ? true : null);
  if ((await until(gone, around)) !== null) return;
  throw new BonsaiError(
    'flash',
    image.path,
    `was written to ${drive.path}, but the board did not start it within ${waitMs / 1000} s`,
    'blocks were lost, or it is not for this chip: unplug the board, enter its boot loader and try again',
  );
}

/** Waits for the port. */
async function comeBack({ port, image }: Job, around: DriveSurroundings): Promise<void> {
  if ((await until(() => isOpenable(port), around)) !== null) return;
  throw new BonsaiError(
    'flash',
    port,
    `did not come back within ${waitMs / 1000} s after ${image.path} was written`,
    'it may have another name now: see bonsaic ports; otherwise unplug the board and plug it in again',
  );
}

/**
 * Asks the firmware which build it is, if the image has firmware of bonsaic. A drive that goes away may also
 * have been unplugged, and then the board runs what it had before.
 *
 * @throws BonsaiError 'flash' when it does not answer, or is another build than the image
 */
async function confirm(
  { port, target, image, greet }: Job,
  content: Uint8Array,
  around: DriveSurroundings,
): Promise<void> {
  if (!isPort(port) || !hasFirmware(content, target)) return;
  const answer = await until(greet, around);
  const again = `${enterByHand}, and try again`;
  if (answer === null) {
    const message = `was copied and the board has restarted, but no firmware answers at ${port}`;
    throw new BonsaiError('flash', image.path, message, again);
  }
  if (isBuild(content, answer)) return;
  const message = `runs other firmware than ${image.path}: it was not written whole`;
  throw new BonsaiError('flash', port, message, again);
}

/** Whether `port` names a serial port that there is, rather than a drive or one to be chosen. */
function isPort(port: string): boolean {
  if (isNetworkPort(port)) return true;
  return statSync(port, { throwIfNoEntry: false })?.isDirectory() === false;
}

/** A new port belongs to root until udev assigns its group, after some 100 ms. */
async function isOpenable(port: string): Promise<true | null> {
  if (isNetworkPort(port)) return true;
  return access(port, constants.R_OK | constants.W_OK).then(
    () => true,
    () => null,
  );
}

/** The first answer but null; null when the time is up. */
async function until<T>(
  look: () => Promise<T | null>,
  { now, sleep }: DriveSurroundings,
  limitMs = waitMs,
): Promise<T | null> {
  const end = now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== null || now() >= end) return found;
    await sleep(pollMs);
  }
}
