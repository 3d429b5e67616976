/**
 * The flash chip behind a simulated ESP32: what it does, and how long it takes. Times are typical
 * ones (Winbond W25Q32JV, AC characteristics), since maximal ones are those of worn chips.
 */
const sectorBytes = 4096;
const blockBytes = 65_536;
const sectorEraseMs = 45;
const blockEraseMs = 150;
const pageBytes = 256;
const pageProgramMs = 0.4;

/** The ids of manufacturer, type and capacity as the chip sends them: 2 to the 22 bytes. */
export const jedecId = 0x16_40_ef;

export class SpiFlash {
  readonly cells: Uint8Array;
  /** What the last operation has changed. */
  private touched: { readonly at: number; readonly bytes: Uint8Array } | null = null;

  /** @param content from an earlier session; undefined: erased */
  constructor(
    bytes: number,
    content?: Uint8Array,
    private readonly isProtected = false,
  ) {
    this.cells = new Uint8Array(bytes).fill(0xff);
    if (content !== undefined) this.cells.set(content.subarray(0, bytes));
  }

  /**
   * Erases from `at` the largest of block and sector that begins there and ends by `end`.
   *
   * @returns where it ends, and the milliseconds that it takes
   */
  eraseNext(at: number, end: number): { readonly next: number; readonly ms: number } {
    const begin = at - (at % sectorBytes);
    const isBlock = begin % blockBytes === 0 && end - begin >= blockBytes;
    const next = begin + (isBlock ? blockBytes : sectorBytes);
    this.touch(begin, next - begin);
    if (!this.isProtected) this.cells.fill(0xff, begin, next);
    return { next, ms: isBlock ? blockEraseMs : sectorEraseMs };
  }

  /** All sectors with a byte of the range. @returns milliseconds */
  erase(from: number, to: number): number {
    let ms = 0;
    for (let at = from; at < to; ) {
      const done = this.eraseNext(at, to);
      at = done.next;
      ms += done.ms;
    }
    return ms;
  }

  isSectorErased(at: number): boolean {
    const begin = at - (at % sectorBytes);
    return this.cells.subarray(begin, begin + sectorBytes).every((cell) => cell === 0xff);
  }

  /** Programming clears bits. @returns milliseconds */
  program(at: number, bytes: Uint8Array): number {
    this.touch(at, bytes.length);
    const cells = this.cells.subarray(at, at + bytes.length);
    cells.forEach((cell, i) => {
      if (!this.isProtected) cells[i] = cell & (bytes[i] ?? 0xff);
    });
    return Math.ceil(cells.length / pageBytes) * pageProgramMs;
  }

  /** The operation under way ends half-way. */
  undoHalf(): void {
    if (this.touched === null) return;
    const { at, bytes } = this.touched;
    const half = Math.floor(bytes.length / 2);
    this.cells.set(bytes.subarray(half), at + half);
  }

  private touch(at: number, bytes: number): void {
    this.touched = { at, bytes: this.cells.slice(at, at + bytes) };
  }
}
