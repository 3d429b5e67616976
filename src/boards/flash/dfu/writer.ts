/** Writes an image by a DfuSe boot loader: compares, erases and writes what differs, compares again. */

import { BonsaiError } from '../../../errors.js';
import { UsbFault } from '../../device/usb.js';
import type { SettingsOf } from '../../target/flash.js';
import type { FlashJob } from '../protocol.js';
import { notStarted } from '../shared/entry.js';
import { paddedTo } from '../shared/image.js';
import { blockBytes, type DfuClient, DfuRefusal, vendorStatus } from './client.js';
import type { DfuSector } from './layout.js';

type Job = FlashJob<SettingsOf<'stm32-dfu'>>;

/** Comparing and writing again what differs. */
const mostPasses = 6;
const mostTries = 4;

export class DfuWriter {
  private readonly padded: Uint8Array;
  private readonly begin: number;

  constructor(
    private readonly client: DfuClient,
    private readonly job: Job,
    private readonly name: string,
    private readonly sectors: readonly DfuSector[],
  ) {
    const { image, settings } = job;
    this.padded = paddedTo(settings.programBytes, image.bytes);
    this.begin = Number(settings.flashAddress);
  }

  /** @throws BonsaiError 'flash'; UsbFault when the board is lost */
  async run(): Promise<void> {
    await this.attempt(() => this.requireReadable());
    for (let pass = 0; pass < mostPasses; pass++) {
      const wrong = await this.attempt(() => this.differing());
      if (wrong.length === 0) {
        await this.start();
        return;
      }
      if (pass > 0) await this.attempt(() => this.requireErasable(wrong));
      this.count(0);
      // A transfer that fails leaves nobody knows what: the next pass compares.
      await this.write(wrong).catch((error: unknown) => {
        if (!isPassing(error)) throw error;
      });
    }
    throw new BonsaiError(
      'flash',
      this.name,
      `still differs after ${mostPasses} attempts`,
      'try another cable or port of the host, without a hub',
    );
  }

  /** @throws BonsaiError 'flash' unless the board confirms that it starts the image */
  private async start(): Promise<void> {
    await this.attempt(() => this.client.leave(this.begin)).catch((error: unknown) => {
      if (!(error instanceof UsbFault || error instanceof DfuRefusal)) throw error;
      throw notStarted(this.name, 'reset the board with BOOT0 low');
    });
  }

  /** Tries work that may be repeated, four times. @throws UsbFault, DfuRefusal the last one */
  private async attempt<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        await this.client.reset();
        return await work();
      } catch (error) {
        if (tries === mostTries || !isPassing(error)) throw error;
      }
    }
  }

  /** @throws BonsaiError 'flash' for a chip that is protected against reading */
  private async requireReadable(): Promise<void> {
    try {
      await this.client.read(this.begin, blockBytes);
    } catch (error) {
      if (!(error instanceof DfuRefusal)) throw error;
      const what =
        error.status === vendorStatus
          ? 'is protected against reading and writing (RDP)'
          : `refuses to be read (DFU status ${error.status})`;
      throw new BonsaiError(
        'flash',
        this.name,
        `${what}: nothing was erased`,
        'remove the protection, which erases the whole chip: dfu-util -s :unprotect:force, or STM32CubeProgrammer',
      );
    }
  }

  private async differing(): Promise<readonly DfuSector[]> {
    const wrong: DfuSector[] = [];
    for (const sector of this.sectors) {
      const bytes = this.bytesOf(sector);
      const found = await this.client.read(sector.address, bytes.length);
      if (Buffer.compare(found, bytes) !== 0) wrong.push(sector);
    }
    return wrong;
  }

  /** No error is reported for a write-protected sector (AN3156, 5.3). */
  private async requireErasable(wrong: readonly DfuSector[]): Promise<void> {
    for (const { address } of wrong) {
      await this.client.erase(address);
      await this.client.reset();
      const found = await this.client.read(address, blockBytes);
      if (found.every((byte) => byte === 0xff)) continue;
      throw new BonsaiError(
        'flash',
        this.name,
        `the sector at 0x${address.toString(16).padStart(8, '0')} cannot be erased, being ` +
          'write-protected (WRP): the image is not complete',
        'remove that protection, which keeps the content: STM32CubeProgrammer',
      );
    }
  }

  /** The first block, with the vector table, is written last: a chip without it does not start. */
  private async write(sectors: readonly DfuSector[]): Promise<void> {
    const total = sectors.reduce((sum, sector) => sum + this.bytesOf(sector).length, 0);
    let written = this.padded.length - total;
    const late: (() => Promise<void>)[] = [];
    for (const sector of sectors) {
      await this.client.erase(sector.address);
      const bytes = this.bytesOf(sector);
      for (let at = 0; at < bytes.length; at += blockBytes) {
        const address = sector.address + at;
        const block = bytes.subarray(at, at + blockBytes);
        const write = async () => {
          await this.client.write(address, block);
          written += block.length;
          this.count(written);
        };
        if (address === this.begin) late.push(write);
        else await write();
      }
    }
    for (const write of late) await write();
  }

  private count(written: number): void {
    const { image, progress } = this.job;
    progress(Math.min(written, image.bytes.length), image.bytes.length);
  }

  private bytesOf({ address, bytes }: DfuSector): Uint8Array {
    const from = address - this.begin;
    return this.padded.subarray(from, from + bytes);
  }
}

/** Whether an error may pass: a board that is lost or protected stays so. */
function isPassing(error: unknown): boolean {
  if (error instanceof DfuRefusal) return error.status !== vendorStatus;
  return error instanceof UsbFault && error.kind !== 'lost';
}
