/** Writes an image by the boot loader of an STM32: compares, erases and writes what differs, compares again. */
import type { Transport } from '../../device/transport.js';
import type { SettingsOf } from '../../target/flash.js';
import type { Sector } from '../../target/sectors.js';
import type { FlashJob } from '../protocol.js';
import { stopped } from '../shared/entry.js';
import { paddedTo } from '../shared/image.js';
import { Eraser } from './eraser.js';
import { blockBytes, type Stm32Loader } from './loader.js';

type Job = FlashJob<SettingsOf<'stm32-uart'>>;

/** Writing and verifying again what differs. */
const mostPasses = 4;

/** A run of at most 256 bytes of the image in one sector. */
interface Block {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Writes the image, then compares all of it; what differs is written again. */
export class Writer {
  private readonly padded: Uint8Array;
  private readonly begin: number;
  private written = 0;
  private verified = 0;
  private readonly eraser: Eraser;

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
    this.eraser = new Eraser(loader, transport, job.port);
  }

  async run(): Promise<void> {
    let wrong = await this.differing(true);
    for (let pass = 0; wrong.length > 0; pass++) {
      if (pass === mostPasses) throw failed(this.job.port, `differs after ${pass} attempts`);
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
    const erased = isRepair ? new Set<Sector>() : await this.eraser.eraseBanks(sectors);
    const blocks: Block[] = [];
    for (const sector of sectors) {
      this.checkTime();
      if (!erased.has(sector)) await this.eraser.erase(sector);
      if (isRepair) await this.eraser.requireErased(sector);
      blocks.push(...this.blocksOf(sector));
      for (const block of blocks.splice(blocks[0]?.address === this.begin ? 1 : 0)) {
        await this.writeBlock(block);
      }
    }
    for (const block of blocks) await this.writeBlock(block);
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
      throw failed(this.job.port, 'takes too long: the line loses bytes');
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

/** @param what 'takes too long' */
export function failed(port: string, what: string) {
  return stopped(port, what, 'check the cable, reset the board with BOOT0 high, and try again');
}
