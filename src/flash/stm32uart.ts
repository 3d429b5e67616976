/**
 * The boot loader in an STM32's system memory, over a UART (ST's AN3155; the chips' ids and pins:
 * AN2606). The boot loader is entered by hand (BOOT0 high during a reset), by the command of
 * firmware that is running, or it is there already.
 */
import type { Transport } from '../device/transport.js';
import { BonsaiError } from '../errors.js';
import type { SettingsOf } from '../target/flash.js';
import type { Sector } from '../target/sectors.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { firstFound, type LineStep, notStarted, setLines, stopped } from './shared/entry.js';
import { paddedTo } from './shared/image.js';
import { compileHint, targetsWith } from './shared/kin.js';
import { coveredSectors } from './stm32/image.js';
import { blockBytes, Stm32Loader, Trouble } from './stm32/loader.js';
import { sectorsText, writeProtected } from './stm32/protection.js';

type Settings = SettingsOf<'stm32-uart'>;
type Job = FlashJob<Settings>;

/** After a port is opened, or the running firmware has agreed to restart. */
const settleMs = 100;
/** For finding the boot loader and identifying the chip. */
const identifyMs = 15_000;
/** The whole may take so many times what it takes on a line without faults. */
const patience = 4;
/** Writing and verifying again what differs. */
const mostPasses = 4;
/**
 * Resets the board in its boot loader, where RTS is wired to BOOT0 and DTR over a capacitor to NRST
 * (targets/stm32f405/README.md): both lines are low while they are set, which they are from the opening of the
 * port on, so BOOT0 is high while RTS is cleared, and setting DTR gives a pulse of reset. BOOT0 counts
 * at the reset alone.
 */
const resetInLoader: readonly LineStep[] = [
  [false, false, settleMs],
  [true, false, settleMs],
  [true, true, 0],
];

export const stm32Uart: FlashProtocol<'stm32-uart'> = {
  async flash(job) {
    const sectors = coveredSectors(job);
    const { transport, loader, baudRate, wasRunning } = await connect(job);
    try {
      await identify(loader, job, sectors).catch(async (error: unknown) => {
        // The board goes on with what it has. A chip that is protected refuses even that.
        if (wasRunning) await loader.go(Number(job.settings.flashAddress)).catch(() => {});
        throw error;
      });
      loader.deadlineMs = transport.now() + patience * expectedMs(job, sectors, baudRate);
      await new Writer(loader, transport, job, sectors).run();
      await start(loader, job);
    } catch (error) {
      throw error instanceof Trouble ? failed(job, error.message) : error;
    } finally {
      await transport.close();
    }
    return job.image.bytes.length;
  },
};

interface Connection {
  readonly transport: Transport;
  readonly loader: Stm32Loader;
  readonly baudRate: number;
  /** Whether its firmware ran until now. */
  readonly wasRunning?: true;
}

/** @throws BonsaiError 'flash' when no boot loader answers */
async function connect(job: Job): Promise<Connection> {
  const found = await firstFound<Connection>(job, [
    ['is the boot loader there?', () => synchronize(job)],
    [
      'no; asking running firmware to restart in it',
      async () => {
        const found = (await job.restart()) ? await synchronize(job) : null;
        return found && { ...found, wasRunning: true };
      },
    ],
    ['no; resetting the board by DTR and RTS', () => synchronize(job, { byLines: true })],
    // Another session may have ended in an erase, during which the chip hears nothing.
    [
      'no answer yet; waiting a minute for a board that may be busy: or reset it with BOOT0 high',
      () => synchronize(job, { isPatient: true }),
    ],
  ]);
  if (found !== null) return found;
  throw new BonsaiError(
    'flash',
    job.port,
    'no STM32 boot loader answers, and no firmware of bonsaic that could restart in it',
    `hold BOOT0 high, reset the board, and try again; targets/${job.target.name}/README.md ` +
      'has the pins. Are RX and TX crossed?',
  );
}

interface Entry {
  /** Whether DTR and RTS may be wired. */
  readonly byLines?: boolean;
  /** Whether the chip may be busy for seconds. */
  readonly isPatient?: boolean;
}

/** The boot loader at one of the baud rates; null: none answers. */
async function synchronize(
  { settings, open }: Job,
  { byLines = false, isPatient = false }: Entry = {},
): Promise<Connection | null> {
  for (const baudRate of settings.baudRates) {
    const transport = await open({ baudRate, parity: 'even' });
    try {
      if (byLines && !(await setLines(transport, resetInLoader))) {
        await transport.close();
        return null;
      }
      await transport.sleep(settleMs);
      const loader = new Stm32Loader(transport, baudRate, transport.now() + identifyMs);
      if (await loader.synchronize(isPatient)) return { transport, loader, baudRate };
    } catch (error) {
      await transport.close();
      throw error;
    }
    await transport.close();
  }
  return null;
}

/** @throws BonsaiError 'flash' for another chip, or one that is protected */
async function identify(
  loader: Stm32Loader,
  { port, target, settings }: Job,
  sectors: readonly Sector[],
): Promise<void> {
  await loader.get();
  const found = await loader.chipId();
  if (found !== Number(settings.chipId)) {
    const kin = targetsWith('stm32-uart', ({ chipId }) => Number(chipId) === found);
    throw new BonsaiError(
      'flash',
      port,
      `is a chip with the id 0x${found.toString(16)}; ${target.name} has ${settings.chipId}: nothing was erased`,
      compileHint(kin),
    );
  }
  if (await loader.refusesToRead(Number(settings.flashAddress))) {
    throw new BonsaiError(
      'flash',
      port,
      'is protected against reading and writing (RDP): nothing was erased',
      'remove the protection, which erases the whole chip: stm32flash -k PORT',
    );
  }
  const kept = await writeProtected(settings, sectors, (address) => loader.word(address));
  if (kept.length > 0) throw protectedError(port, kept, 'nothing was erased');
}

function protectedError(port: string, sectors: readonly Sector[], outcome: string): BonsaiError {
  return new BonsaiError(
    'flash',
    port,
    `${sectorsText(sectors)} of the flash cannot be erased, being write-protected (WRP): ${outcome}`,
    'remove that protection, which keeps the content: stm32flash -u PORT, or STM32CubeProgrammer',
  );
}

/** The time for all, erases at their longest. */
function expectedMs({ image }: Job, sectors: readonly Sector[], baudRate: number): number {
  const erasing = sectors.reduce((sum, { eraseMs }) => sum + eraseMs, 0);
  // Written and read, with the frames around: 11 bits a byte.
  return 15_000 + erasing + (image.bytes.length * 2.2 * 11 * 1000) / baudRate;
}

/** A run of at most 256 bytes of the image in one sector. */
interface Block {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Writes the image, then compares all of it; what differs is written again. */
class Writer {
  private readonly padded: Uint8Array;
  private readonly begin: number;
  private written = 0;
  private verified = 0;

  constructor(
    private readonly loader: Stm32Loader,
    private readonly transport: Transport,
    private readonly job: Job,
    private readonly sectors: readonly Sector[],
  ) {
    const { image, settings } = job;
    // At least a word is written at once.
    this.padded = paddedTo(Math.max(4, settings.programBytes), image.bytes);
    this.begin = Number(settings.flashAddress);
  }

  async run(): Promise<void> {
    let wrong = await this.differing(true);
    for (let pass = 0; wrong.length > 0; pass++) {
      if (pass === mostPasses) throw failed(this.job, `differs after ${pass} attempts`);
      this.written = this.padded.length - bytesOf(wrong.flatMap((sector) => this.blocksOf(sector)));
      this.verified = 0;
      this.count(0, 0);
      await this.write(wrong, pass > 0);
      // All of it: a command that the line has changed may have met another sector.
      wrong = await this.differing(false);
    }
  }

  /**
   * The sectors whose content differs.
   *
   * @param isFirst whether to stop at the first, since those behind it are probably old as well
   */
  private async differing(isFirst: boolean): Promise<readonly Sector[]> {
    const wrong: Sector[] = [];
    for (const sector of this.sectors) {
      if (!(await this.isEqual(sector, !isFirst))) {
        if (isFirst) return this.sectors.slice(this.sectors.indexOf(sector));
        wrong.push(sector);
      }
    }
    return wrong;
  }

  private async isEqual(sector: Sector, isCounted: boolean): Promise<boolean> {
    for (const { address, bytes } of this.blocksOf(sector)) {
      this.checkTime();
      if ((await this.loader.compare(address, bytes)) !== 'equal') return false;
      if (isCounted) this.count(0, bytes.length);
    }
    return true;
  }

  /**
   * The vector table's block is written last: boot loaders of newer chips keep a chip for
   * themselves whose first word is erased (AN2606, 'empty check').
   *
   * @param isRepair whether these sectors have been written before, and differ
   */
  private async write(sectors: readonly Sector[], isRepair: boolean): Promise<void> {
    const blocks: Block[] = [];
    for (const sector of sectors) {
      this.checkTime();
      await this.loader.erase(sector.number, sector.eraseMs);
      if (isRepair) await this.requireErased(sector);
      blocks.push(...this.blocksOf(sector));
      for (const block of blocks.splice(blocks[0]?.address === this.begin ? 1 : 0)) {
        await this.writeBlock(block);
      }
    }
    for (const block of blocks) await this.writeBlock(block);
  }

  /** The boot loader reports no error for a protected sector (AN3155, 3.8). */
  private async requireErased(sector: Sector): Promise<void> {
    const nothing = new Uint8Array(blockBytes).fill(0xff);
    if ((await this.loader.compare(sector.address, nothing)) === 'equal') return;
    await this.loader.erase(sector.number, sector.eraseMs);
    if ((await this.loader.compare(sector.address, nothing)) === 'equal') return;
    throw protectedError(this.job.port, [sector], 'the image is not complete');
  }

  private async writeBlock({ address, bytes }: Block): Promise<void> {
    this.checkTime();
    // If it is spoilt, the sector differs and is erased again.
    await this.loader.write(address, bytes);
    this.count(bytes.length, 0);
  }

  private count(written: number, verified: number): void {
    this.written += written;
    this.verified += verified;
    const { image, progress } = this.job;
    const done = Math.floor((this.written + this.verified) / 2);
    progress(Math.min(done, image.bytes.length), image.bytes.length);
  }

  private checkTime(): void {
    if (this.transport.now() > this.loader.deadlineMs) {
      throw failed(this.job, 'takes too long: the line loses bytes');
    }
  }

  private blocksOf({ address, bytes }: Sector): Block[] {
    const from = address - this.begin;
    const to = Math.min(from + bytes, this.padded.length);
    const blocks: Block[] = [];
    for (let at = from; at < to; at += blockBytes) {
      const data = this.padded.subarray(at, Math.min(at + blockBytes, to));
      blocks.push({ address: this.begin + at, bytes: data });
    }
    return blocks;
  }
}

function bytesOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

async function start(loader: Stm32Loader, { port, settings }: Job): Promise<void> {
  try {
    await loader.go(Number(settings.flashAddress));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    throw notStarted(port, 'reset the board with BOOT0 low');
  }
}

function failed({ port }: Job, what: string): BonsaiError {
  return stopped(port, what, 'check the cable, reset the board with BOOT0 high, and try again');
}
