/**
 * A simulated board whose boot loader is a USB drive: a folder while it is in its boot loader, a pseudo-terminal while
 * the image runs, in turn, like the board's one USB socket.
 */
import { existsSync } from 'node:fs';
import { writeWhole } from '../../durable.js';
import { BonsaiError, InternalError } from '../../errors.js';
import type { Target } from '../target/index.js';
import { Uf2Rom } from './chips/uf2rom.js';
import type { Device } from './device.js';
import { DriveFolder } from './drive-folder.js';
import { openDevice } from './index.js';
import { openPty, type Pty } from './pty.js';
import { keptFlash, type SimulatedBoard, saveAfterMs, tellOfFault } from './simulated-common.js';

const pollMs = 20;

/**
 * @param link path of the symbolic link to the terminal; the drive is `link`.drive, and the flash is kept in `link`.flash
 * @param target a board with such a drive and a simulator
 * @throws BonsaiError 'toolchain' without socat, 'usage' when the link or the drive cannot be made
 */
export async function simulateDrive(
  target: Target,
  link: string,
  tell: (text: string) => void,
): Promise<SimulatedBoard> {
  const flashPath = `${link}.flash`;
  const rom = romOf(target, flashPath);
  const drive = new DriveFolder(`${link}.drive`, rom);
  if (existsSync(drive.path)) {
    throw new BonsaiError(
      'usage',
      drive.path,
      'exists, and would be the drive',
      'delete it if a program that was killed has left it, or choose another --link',
    );
  }
  // Without a terminal it could not go on later.
  await (await openPty(link, () => {})).close();
  const board = new DriveBoard(target, { link, flashPath }, { rom, drive }, tell);
  board.enterBootLoader();
  return { flashPath, place: drive.path, lost: board.lost, close: () => board.close() };
}

function romOf(target: Target, flashPath: string): Uf2Rom {
  const { name, simulator, flashBytes, flashAddress, uf2FamilyId, flashProtocols } = target;
  const settings = flashProtocols.find((each) => each.protocol === 'uf2-drive');
  if (simulator === null || settings === undefined || flashBytes === null) {
    throw new InternalError('device', `no drive of ${name} is simulated`);
  }
  const options = {
    ...{ boardId: settings.boardId, flashBytes },
    ...{ familyId: Number(uf2FamilyId), flashAddress: Number(flashAddress) },
  };
  return new Uf2Rom(options, keptFlash(flashPath, name, flashBytes));
}

interface Paths {
  readonly link: string;
  readonly flashPath: string;
}

interface BootLoader {
  readonly rom: Uf2Rom;
  readonly drive: DriveFolder;
}

class DriveBoard {
  /** Resolves with the reason when it cannot go on. */
  readonly lost: Promise<string>;
  private lose: (reason: string) => void = () => {};
  private timer: NodeJS.Timeout | null = null;
  private saving: NodeJS.Timeout | null = null;
  private device: Device | null = null;
  private pty: Pty | null = null;
  private isClosed = false;
  /** The change between drive and terminal that is under way. */
  private change: Promise<void> = Promise.resolve();

  constructor(
    private readonly target: Target,
    private readonly paths: Paths,
    private readonly bootLoader: BootLoader,
    private readonly tell: (text: string) => void,
  ) {
    this.lost = new Promise((resolve) => {
      this.lose = resolve;
    });
  }

  enterBootLoader(): void {
    const { rom, drive } = this.bootLoader;
    rom.restart();
    drive.appear();
    this.timer = setInterval(() => this.poll(), pollMs);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.leaveBootLoader();
    await this.change;
    await this.stopImage();
    this.save();
  }

  private poll(): void {
    const { rom, drive } = this.bootLoader;
    try {
      if (drive.poll()) this.saving ??= setTimeout(() => this.save(), saveAfterMs);
    } catch (error) {
      this.leaveBootLoader();
      this.lose(`the drive does not work: ${(error as Error).message}`);
      return;
    }
    if (rom.isComplete) this.goTo(() => this.start());
  }

  private leaveBootLoader(): void {
    if (this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
    this.bootLoader.drive.vanish();
  }

  private save(): void {
    if (this.saving !== null) clearTimeout(this.saving);
    this.saving = null;
    writeWhole(this.paths.flashPath, this.bootLoader.rom.flash);
  }

  /** One change after the other. */
  private goTo(next: () => Promise<void>): void {
    this.leaveBootLoader();
    this.change = this.change.then(async () => {
      if (!this.isClosed) await next();
    });
    this.change.catch((error: Error) => this.lose(error.message));
  }

  private async start(): Promise<void> {
    this.save();
    const { link, flashPath } = this.paths;
    let device: Device;
    try {
      device = await openDevice('sim:usb', this.target, flashPath);
    } catch (error) {
      // As the boot ROM does without a second stage that it can start.
      this.tell(`in the boot loader again: ${(error as Error).message}`);
      this.enterBootLoader();
      return;
    }
    this.device = device;
    this.pty = await openPty(link, (bytes) => device.write(bytes));
    const pty = this.pty;
    device.onData((bytes) => pty.write(bytes));
    device.onLost((reason) => this.restart(reason));
    pty.onTouch(() => this.restart('its port was opened at 1200 baud'));
    pty.onLost((reason) => this.lose(reason));
    this.tell(`runs its image; its port is ${link}`);
    tellOfFault(this.bootLoader.rom.flash, this.tell);
  }

  private restart(reason: string): void {
    this.goTo(async () => {
      if (this.device === null) return;
      await this.stopImage();
      this.tell(`in the boot loader again: ${reason}`);
      this.enterBootLoader();
    });
  }

  private async stopImage(): Promise<void> {
    const { device, pty } = this;
    this.device = null;
    this.pty = null;
    await device?.close();
    await pty?.close();
  }
}
