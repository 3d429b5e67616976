/** The memory layout that a DfuSe boot loader tells by the names of its alternate settings. */

/** A range that is erased together. */
export interface DfuSector {
  readonly address: number;
  readonly bytes: number;
  /** Whether it can be read, erased and written. */
  readonly isWritable: boolean;
}

export interface DfuLayout {
  readonly name: string;
  readonly sectors: readonly DfuSector[];
}

const multipliers = new Map([
  ['', 1],
  [' ', 1],
  ['B', 1],
  ['K', 1024],
  ['M', 1024 * 1024],
]);

/** Bits of the last letter: readable, erasable, writable. */
const allRights = 7;
const mostSectors = 65_536;

/**
 * Reads '@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg' (ST's UM0424, 4.3.2).
 *
 * @returns null for another text
 */
export function readLayout(text: string): DfuLayout | null {
  const [name = '', ...parts] = text.replace(/^@/, '').split('/');
  if (!text.startsWith('@') || parts.length === 0 || parts.length % 2 !== 0) return null;
  const sectors: DfuSector[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    let address = Number(parts[i]);
    for (const run of (parts[i + 1] ?? '').split(',')) {
      const [, count = '', size = '', unit = '', type = ''] =
        /^\s*(\d+)\*(\d+)([ BKM]?)([a-g])\s*$/.exec(run) ?? [];
      const bytes = Number(size) * (multipliers.get(unit) ?? 0);
      const isBroken = type === '' || bytes === 0 || sectors.length + Number(count) > mostSectors;
      if (isBroken || !Number.isInteger(address)) return null;
      const isWritable = (type.charCodeAt(0) & allRights) === allRights;
      for (let sector = 0; sector < Number(count); sector++) {
        sectors.push({ address, bytes, isWritable });
        address += bytes;
      }
    }
  }
  return { name: name.trim(), sectors };
}
