/**
 * A simulated board on a pseudo-terminal, for bonsaic and for other programs: in its boot loader
 * until an image is started, then the image in the target's simulator, on the same terminal.
 */
import { writeWhole } from '../../durable.js';
import { BonsaiError } from '../../errors.js';
import { listTargets, loadTarget, type Target } from '../target/index.js';
import type { Chip } from './chips/chip.js';
import { hasChip, makeChip } from './chips/index.js';
import type { Device } from './device.js';
import { simulateDrive } from './drive-board.js';
import { openDevice } from './index.js';
import { openPty, type Pty } from './pty.js';
import { keptFlash, type SimulatedBoard, saveAfterMs, tellOfFault } from './simulated-common.js';

/** Whether `simulateBoard` has the target's boot loader. */
function hasSimulatedBoard(target: Target): boolean {
  return simulatesDrive(target) || hasChip(target);
}

/** A drive without the chip's simulator would not know what it holds. */
function simulatesDrive({ flashProtocols, simulator }: Target): boolean {
  return simulator !== null && flashProtocols.some(({ protocol }) => protocol === 'uf2-drive');
}

/** The targets whose boot loader is simulated, and whether their image runs from there. */
export function simulatedBoards(): readonly { readonly name: string; readonly runs: boolean }[] {
  const all = listTargets().map((name) => loadTarget(name));
  return all
    .filter(hasSimulatedBoard)
    .map(({ name, simulator }) => ({ name, runs: simulator !== null }));
}

function notSimulated({ name, simulator }: Target): BonsaiError {
  const boards = simulatedBoards().map((board) => board.name);
  const without =
    simulator === null
      ? []
      : [`its firmware runs without one: bonsaic run MODEL --target ${name} --port sim`];
  return new BonsaiError(
    'usage',
    `target ${name}`,
    'has no boot loader that is simulated',
    [...without, `boards with one: ${boards.join(', ')}`].join('; '),
  );
}

/** Answers in place of an image that does not run, for that reason. */
export type MuteBoard = (reason: string) => (bytes: Uint8Array) => Uint8Array;

/**
 * @param link path of the symbolic link to the terminal; the flash is kept in `link`.flash
 * @param tell called with what happens, for people
 * @param mute what answers for an image that does not run; default: nothing does
 * @throws BonsaiError 'usage' when the target's boot loader is not simulated, or the link cannot be
 *   made; 'toolchain' without socat
 */
export async function simulateBoard(
  target: Target,
  link: string,
  tell: (text: string) => void,
  mute: MuteBoard = () => () => new Uint8Array(),
): Promise<SimulatedBoard> {
  if (!hasSimulatedBoard(target)) throw notSimulated(target);
  if (simulatesDrive(target)) return simulateDrive(target, link, tell);
  const flashPath = `${link}.flash`;
  const before = keptFlash(flashPath, target.name, makeChip(target).flash.length);
  const board = new Board(target, makeChip(target, before), flashPath, { tell, mute });
  const pty = await openPty(link, (bytes) => board.receive(bytes));
  board.connect(pty);
  return {
    flashPath,
    place: link,
    lost: new Promise((resolve) => pty.onLost(resolve)),
    async close() {
      await pty.close();
      await board.close();
    },
  };
}

class Board {
  private pty: Pty | null = null;
  /** The running image, or what answers in its place; a promise while it starts. */
  private image: Promise<Pick<Device, 'write' | 'close'>> | null = null;
  private saving: NodeJS.Timeout | null = null;

  constructor(
    private readonly target: Target,
    private readonly chip: Chip,
    private readonly flashPath: string,
    private readonly told: { readonly tell: (text: string) => void; readonly mute: MuteBoard },
  ) {}

  connect(pty: Pty): void {
    this.pty = pty;
  }

  receive(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      if (this.image !== null) {
        const rest = bytes.slice(i);
        void this.image.then((device) => device.write(rest));
        return;
      }
      for (const answer of this.chip.receive(bytes[i] ?? 0, null)) this.pty?.write(answer.bytes);
      if (this.chip.started !== null) this.image = this.start(this.chip.started);
    }
    this.saving ??= setTimeout(() => this.save(), saveAfterMs);
  }

  async close(): Promise<void> {
    this.save();
    await (await this.image)?.close();
  }

  private save(): void {
    if (this.saving !== null) clearTimeout(this.saving);
    this.saving = null;
    writeWhole(this.flashPath, this.chip.flash);
  }

  private async start(address: number): Promise<Pick<Device, 'write' | 'close'>> {
    const { tell } = this.told;
    this.save();
    tell(`started at 0x${address.toString(16)}`);
    tellOfFault(this.chip.flash, tell);
    if (this.target.simulator === null) {
      return this.silence(`${this.target.name} has no simulator: the image is silent`);
    }
    let device: Device;
    try {
      device = await openDevice('sim', this.target, this.flashPath);
    } catch (error) {
      return this.silence(`the image does not run: ${(error as Error).message}`);
    }
    device.onData((bytes) => this.pty?.write(bytes));
    device.onLost((reason) => {
      tell(`in the boot loader again: ${reason}`);
      this.chip.restart();
      this.image = null;
      void device.close();
    });
    return device;
  }

  /** In place of an image that does not run. */
  private silence(reason: string): Pick<Device, 'write' | 'close'> {
    this.told.tell(`${reason}; Ctrl-C and a new start lead to the boot loader`);
    const answer = this.told.mute(reason);
    return {
      write: (bytes) => this.pty?.write(answer(bytes)),
      close: async () => {},
    };
  }
}
