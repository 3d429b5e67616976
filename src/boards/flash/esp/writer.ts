/** Writes an image by an ESP32 chip's loader, and compares it by its MD5. */
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { type EspLoader, Trouble } from './loader.js';

const sectorBytes = 4096;
const chunkBytes = 65_536;
/**
 * The longest times of flash chips: 0.4 s for a sector, 2 s for 64 KB, 3 ms for a page (Winbond
 * W25Q32JV, AC characteristics).
 */
const sectorEraseMs = 400;
const chunkEraseMs = 2000;
const pageBytes = 256;
const pageProgramMs = 3;
/** esptool allows 8 s a megabyte. */
const md5MsPerByte = 0.008;
/**
 * Sizes of blocks and of the pieces that are downloaded at once, by attempt. Long ones are fast on a
 * good line. On a bad one only short blocks come through; where answers are lost, few blocks are better.
 */
const sizes = [
  { blockBytes: 16_384, pieceBytes: Number.POSITIVE_INFINITY },
  { blockBytes: 4096, pieceBytes: chunkBytes },
  { blockBytes: 1024, pieceBytes: 4 * sectorBytes },
] as const;
const lastSizes = [
  { blockBytes: 256, pieceBytes: sectorBytes },
  { blockBytes: 4096, pieceBytes: sectorBytes },
] as const;
/** The ROM has no more memory for a block. */
const mostRomBlockBytes = 1024;
const mostPasses = 20;

interface Range {
  readonly from: number;
  readonly to: number;
}

export class Writer {
  private readonly padded: Uint8Array;
  private done = 0;

  /** @param tell called with the bytes that are written */
  constructor(
    private readonly loader: EspLoader,
    private readonly image: Uint8Array,
    private readonly tell: (bytes: number) => void,
    private readonly checkTime: () => void,
  ) {
    // The controller programs words.
    this.padded = new Uint8Array(Math.ceil(image.length / 4) * 4).fill(0xff);
    this.padded.set(image);
  }

  /** @throws Trouble when the flash still differs, or the chip does not answer any more */
  async run(): Promise<void> {
    const all = { from: 0, to: this.padded.length };
    const first = { from: 0, to: Math.min(all.to, sectorBytes) };
    if ((await this.isEqual(first)) && (await this.isEqual(all))) return;
    let wrong: readonly Range[] = [all];
    for (let pass = 0; wrong.length > 0; pass++) {
      if (pass === mostPasses) throw new Trouble(null, `differs after ${pass} attempts`);
      this.done = all.to - wrong.reduce((sum, { from, to }) => sum + to - from, 0);
      this.tell(this.done);
      await this.write(wrong, pass);
      wrong = await this.differing();
    }
  }

  private async write(wrong: readonly Range[], pass: number): Promise<void> {
    const { blockBytes, pieceBytes } = sizes[pass] ?? lastSizes[pass % 2 === 1 ? 0 : 1];
    for (const { from, to } of wrong) {
      for (let at = from; at < to; at += pieceBytes) {
        this.checkTime();
        try {
          await this.download({ from: at, to: Math.min(to, at + pieceBytes) }, blockBytes);
        } catch (error) {
          // What is missing differs, and is written in the next pass.
          if (!(error instanceof Trouble)) throw error;
          await this.loader.align();
          // Shorter blocks, before more of it fails.
          if (pass === 0) return;
        }
      }
    }
  }

  private async download({ from, to }: Range, blockBytes: number): Promise<void> {
    const { isStub } = this.loader;
    const most = isStub ? blockBytes : Math.min(blockBytes, mostRomBlockBytes);
    const bytes = this.padded.subarray(from, to);
    const compressed = deflateSync(bytes, { level: 9 });
    const blocks = Math.ceil(compressed.length / most);
    // The stub erases as the data comes; the ROM first, and whole sectors.
    const eraseBytes = isStub ? bytes.length : Math.ceil(bytes.length / sectorBytes) * sectorBytes;
    const eraseMs = longestEraseMs(isStub ? sectorBytes : eraseBytes);
    await this.loader.begin(from, eraseBytes, { blocks, blockBytes: most }, eraseMs);
    const before = this.done;
    for (let i = 0; i < blocks; i++) {
      this.checkTime();
      const block = compressed.subarray(i * most, (i + 1) * most);
      const share = (bytes.length * block.length) / compressed.length;
      await this.loader.data(block, i, isStub ? longestEraseMs(share) : programMs(share));
      this.done =
        before + Math.floor(((i * most + block.length) / compressed.length) * bytes.length);
      // The last bytes count when they are compared.
      this.tell(Math.min(this.done, this.image.length - 1));
    }
  }

  /** The sectors whose content differs, neighbours joined. */
  private async differing(): Promise<readonly Range[]> {
    const all = { from: 0, to: this.padded.length };
    if (await this.isEqual(all)) return [];
    const wrong: { from: number; to: number }[] = [];
    for (const chunk of parts(all, chunkBytes)) {
      if (await this.isEqual(chunk)) continue;
      for (const sector of parts(chunk, sectorBytes)) {
        if (await this.isEqual(sector)) continue;
        const last = wrong.at(-1);
        if (last?.to === sector.from) last.to = sector.to;
        else wrong.push({ ...sector });
      }
    }
    return wrong;
  }

  private async isEqual({ from, to }: Range): Promise<boolean> {
    this.checkTime();
    const wanted = createHash('md5').update(this.padded.subarray(from, to)).digest('hex');
    const workMs = longestEraseMs(sectorBytes) + (to - from) * md5MsPerByte;
    return (await this.loader.md5(from, to - from, workMs)) === wanted;
  }
}

/** The longest time to erase and program so many bytes, of which some may be of the block before. */
export function longestEraseMs(bytes: number): number {
  const sectors = Math.ceil(bytes / sectorBytes) + 1;
  const chunks = Math.ceil(bytes / chunkBytes) + 1;
  return Math.min(sectors * sectorEraseMs, chunks * chunkEraseMs) + programMs(bytes);
}

const programMs = (bytes: number) => (bytes / pageBytes) * pageProgramMs;

function parts({ from, to }: Range, bytes: number): Range[] {
  const ranges: Range[] = [];
  for (let at = from; at < to; at += bytes) ranges.push({ from: at, to: Math.min(to, at + bytes) });
  return ranges;
}
