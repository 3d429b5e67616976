/** An image on its way into the flash of a simulated ESP32, plain or compressed. */
import { constants, inflateSync } from 'node:zlib';
import type { SpiFlash } from './spi-flash.js';

/** Inflating, at the clock of the crystal: an estimate, no document tells. */
const inflateMsPerByte = 0.001;

/** What a download's begin says. */
export interface DownloadSettings {
  /** Where it is written. */
  readonly at: number;
  /** Bytes of the image. */
  readonly bytes: number;
  readonly isCompressed: boolean;
  /**
   * Whether sectors are erased when the data for them is there (the stub), not all before. Until the
   * first sector with content, the stub leaves erased ones out.
   */
  readonly erasesLate: boolean;
}

export class Download {
  private readonly chunks: Uint8Array[] = [];
  private written = 0;
  private erasedTo: number;
  private hasSeenContent = false;

  constructor(
    private readonly flash: SpiFlash,
    private readonly settings: DownloadSettings,
  ) {
    this.erasedTo = settings.at;
  }

  /** Erases before the data, if it is not done later. @returns milliseconds */
  begin(): number {
    const { at, bytes, erasesLate } = this.settings;
    return erasesLate ? 0 : this.flash.erase(at, at + bytes);
  }

  /**
   * Writes what a block brings.
   *
   * @returns milliseconds
   * @throws Error for a block that does not inflate
   */
  take(block: Uint8Array): number {
    const { at, isCompressed, erasesLate, bytes } = this.settings;
    const fresh = isCompressed ? this.inflate(block) : block;
    const here = at + this.written;
    const data = fresh.subarray(0, Math.max(0, this.flash.cells.length - here));
    this.written += data.length;
    let ms = isCompressed ? fresh.length * inflateMsPerByte : 0;
    if (erasesLate) ms += this.eraseUntil(here + data.length, at + bytes);
    return ms + this.flash.program(here, data);
  }

  private inflate(block: Uint8Array): Uint8Array {
    this.chunks.push(block.slice());
    const options = { finishFlush: constants.Z_SYNC_FLUSH };
    return inflateSync(Buffer.concat(this.chunks), options).subarray(this.written);
  }

  private eraseUntil(to: number, end: number): number {
    let ms = 0;
    while (this.erasedTo < to) {
      this.hasSeenContent ||= !this.flash.isSectorErased(this.erasedTo);
      if (this.hasSeenContent) {
        const done = this.flash.eraseNext(this.erasedTo, end);
        this.erasedTo = done.next;
        ms += done.ms;
      } else this.erasedTo += 4096 - (this.erasedTo % 4096);
    }
    return ms;
  }
}
