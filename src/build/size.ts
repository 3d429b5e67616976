/** What of an image is weights, tables, code and static RAM (docs/architecture.md, 'Report'). */
import type { Manifest, TableInfo } from '../codegen/manifest.js';
import type { Elf } from './elf.js';

/** Bytes. */
export interface ImageSizes {
  /** Everything in flash that is neither weight nor table: kernels, runtime, serial and USB. */
  readonly codeBytes: number;
  /** Of the manifest's tables, as they are in the image: the linker drops what nobody reads. */
  readonly tableBytes: number;
  readonly weightBytes: number;
  /** The whole image. */
  readonly flashBytes: number;
  /** .data and .bss without the arena. */
  readonly staticRamBytes: number;
}

/** @param binaryBytes length of the raw image; null where there is none (host) */
export function measureImage(
  elf: Elf,
  binaryBytes: number | null,
  { plan, tables }: Manifest,
): ImageSizes {
  const allocated = elf.sections.filter((section) => section.allocated);
  const sum = (sections: typeof allocated) =>
    sections.reduce((total, { bytes }) => total + bytes, 0);
  const flashBytes = binaryBytes ?? sum(allocated.filter(({ stored }) => stored));
  const tableBytes = bytesInImage(elf, tables, 'table');
  const weightBytes = bytesInImage(elf, tables, 'weights');
  return {
    codeBytes: flashBytes - tableBytes - weightBytes,
    tableBytes,
    weightBytes,
    flashBytes,
    staticRamBytes: sum(allocated.filter(({ writable }) => writable)) - plan.arenaBytes,
  };
}

function bytesInImage(
  { symbolBytes }: Elf,
  tables: readonly TableInfo[],
  role: TableInfo['role'],
): number {
  const symbols = new Set(tables.filter((table) => table.role === role).map((t) => t.symbol));
  return [...symbols].reduce((total, symbol) => total + (symbolBytes.get(symbol) ?? 0), 0);
}
