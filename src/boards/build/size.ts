/**
 * Sizes of weights, tables, code and static RAM in an image (docs/process.md, 'Report and exit
 * codes').
 */
import type { Manifest, TableInfo } from '../../compiler/codegen/manifest.js';
import type { Elf, Section } from './elf.js';

/** Sizes in bytes. */
export interface ImageSizes {
  /** Everything in flash that is neither weight nor table: kernels, runtime, serial and USB. */
  readonly codeBytes: number;
  /** The manifest's tables in the image; the linker drops tables that are not read. */
  readonly tableBytes: number;
  readonly weightBytes: number;
  /** The whole image. */
  readonly flashBytes: number;
  /** Weights copied to RAM at start. */
  readonly sramCopyBytes: number;
  /** .data and .bss without the arena and these copies; for ESP-IDF also code in IRAM. */
  readonly staticRamBytes: number;
}

/**
 * @param binaryBytes length of the raw image; null for a target without one (host)
 * @param isRam       whether a section of the image takes RAM
 */
export function measureImage(
  elf: Elf,
  binaryBytes: number | null,
  { plan, tables }: Manifest,
  isRam: (section: Section) => boolean = ({ writable }) => writable,
): ImageSizes {
  const allocated = elf.sections.filter((section) => section.allocated);
  const sum = (sections: typeof allocated) =>
    sections.reduce((total, { bytes }) => total + bytes, 0);
  const flashBytes = binaryBytes ?? sum(allocated.filter(({ stored }) => stored));
  const tableBytes = bytesInImage(elf, tables, ({ role }) => role === 'table');
  const weightBytes = bytesInImage(elf, tables, ({ role }) => role === 'weights');
  const sramCopyBytes = bytesInImage(elf, tables, ({ region }) => region === 'sram');
  const ramBytes = sum(allocated.filter(isRam));
  return {
    codeBytes: flashBytes - tableBytes - weightBytes,
    tableBytes,
    weightBytes,
    flashBytes,
    sramCopyBytes,
    staticRamBytes: ramBytes - plan.arenaBytes - sramCopyBytes,
  };
}

function bytesInImage(
  { symbolBytes }: Elf,
  tables: readonly TableInfo[],
  isCounted: (table: TableInfo) => boolean,
): number {
  const symbols = new Set(tables.filter(isCounted).map(({ symbol }) => symbol));
  return [...symbols].reduce((total, symbol) => total + (symbolBytes.get(symbol) ?? 0), 0);
}
