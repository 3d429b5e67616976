/**
 * The UF2 loader in the boot ROMs of RP2040 and RP2350, sector by sector as the drive gets them (virtual_disk.c in
 * raspberrypi/pico-bootrom-rp2040). It leaves out images for RAM, which it ignores.
 */

export interface Uf2RomOptions {
  readonly boardId: string;
  readonly familyId: number;
  readonly flashAddress: number;
  readonly flashBytes: number;
}

export const driveSectorBytes = 512;
const pageBytes = 256;
const eraseBytes = 4096;
const blocksPerErase = eraseBytes / pageBytes;

/** Offsets and values of a block (github.com/microsoft/uf2). */
const magics: readonly (readonly [offset: number, value: number])[] = [
  [0, 0x0a32_4655],
  [4, 0x9e5d_5157],
  [508, 0x0ab1_6f30],
];
const notMainFlash = 0x0001;
const hasFamily = 0x2000;
/** XIP_MAIN_BASE to SRAM_BASE. */
const flashSpaceBytes = 0x1000_0000;

interface Transfer {
  readonly blocks: number;
  readonly valid: Set<number>;
  /** Groups of block numbers, by which the ROM decides what is erased. */
  readonly erased: Set<number>;
}

export class Uf2Rom {
  readonly flash: Uint8Array;
  private transfer: Transfer | null = null;

  /** @param flash the content from an earlier session; default: erased */
  constructor(
    private readonly options: Uf2RomOptions,
    flash?: Uint8Array,
  ) {
    this.flash = new Uint8Array(options.flashBytes).fill(0xff);
    if (flash !== undefined) this.flash.set(flash.subarray(0, options.flashBytes));
  }

  /** The text of INFO_UF2.TXT. */
  get info(): string {
    return `UF2 Bootloader v3.0\nModel: bonsaic simulate\nBoard-ID: ${this.options.boardId}\n`;
  }

  /** Whether it has every block of a file: the board restarts. */
  get isComplete(): boolean {
    return this.transfer !== null && this.transfer.valid.size === this.transfer.blocks;
  }

  /** A reset into the boot loader. */
  restart(): void {
    this.transfer = null;
  }

  /** Takes a sector that the host has written anywhere on the drive. */
  take(sector: Uint8Array): void {
    const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
    const word = (offset: number) => view.getUint32(offset, true);
    if (sector.length !== driveSectorBytes || this.isComplete) return;
    if (magics.some(([offset, value]) => word(offset) !== value)) return;
    const [flags, address, payloadBytes] = [word(8), word(12), word(16)];
    const [number, blocks, familyId] = [word(20), word(24), word(28)];
    if ((flags & hasFamily) === 0 || familyId !== this.options.familyId) return;
    if ((flags & notMainFlash) !== 0 || payloadBytes !== pageBytes) return;
    const at = address - this.options.flashAddress;
    const isFlash = at >= 0 && at < flashSpaceBytes && address % pageBytes === 0;
    if (blocks === 0 || !isFlash) {
      this.transfer = null;
      return;
    }
    if (this.transfer?.blocks !== blocks) {
      this.transfer = { blocks, valid: new Set(), erased: new Set() };
    }
    if (number >= blocks) this.transfer = null;
    else this.write(this.transfer, number, at, sector.subarray(32, 32 + pageBytes));
  }

  private write({ valid, erased }: Transfer, number: number, at: number, page: Uint8Array): void {
    // By number alone: what the block says now is ignored.
    if (valid.has(number)) return;
    valid.add(number);
    // A smaller flash chip ignores the upper bits of the address.
    const place = at % this.flash.length;
    const group = Math.floor(number / blocksPerErase);
    if (!erased.has(group)) {
      erased.add(group);
      const begin = place - (place % eraseBytes);
      this.flash.fill(0xff, begin, begin + eraseBytes);
    }
    page.forEach((byte, i) => {
      this.flash[place + i] = (this.flash[place + i] ?? 0) & byte;
    });
  }
}
