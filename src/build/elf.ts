/** Sizes of sections and symbols in an ELF file, 32 or 64 bits (System V ABI, chapter 4). */
export interface Section {
  readonly name: string;
  readonly bytes: number;
  /** Whether it is part of the program in memory; debug information is not. */
  readonly allocated: boolean;
  readonly writable: boolean;
  /** Whether it has contents in the file; .bss has none. */
  readonly stored: boolean;
}

export interface Elf {
  /** e_machine, the processor: 40 is Arm. */
  readonly machine: number;
  readonly sections: readonly Section[];
  /** Symbol → size in bytes; the sum for symbols of one name. */
  readonly symbolBytes: ReadonlyMap<string, number>;
}

/** Bytes of a section header and of a symbol. */
const entryBytes = { 32: { header: 40, symbol: 16 }, 64: { header: 64, symbol: 24 } };
const symbolTable = 2;
const noBits = 8;
const flagWrite = 1;
const flagAllocated = 2;

export function isElf(file: Uint8Array): boolean {
  return Buffer.from(file.subarray(0, 4)).toString('latin1') === '\x7fELF';
}

/** @throws RangeError when the file is not a little-endian ELF file, or is truncated */
export function readElf(file: Uint8Array): Elf {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 52 || view.getUint32(0) !== 0x7f454c46 || file[5] !== 1) {
    throw new RangeError('it is not a little-endian ELF file');
  }
  const bits = file[4] === 2 ? 64 : 32;
  const word = (at: number) =>
    bits === 64 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true);
  const wordBytes = bits / 8;
  const headers = word(24 + 2 * wordBytes);
  const counts = bits === 64 ? 60 : 48;
  const count = view.getUint16(counts, true);

  /** Section header: name, type, flags, address, offset, size, link. */
  const header = (index: number) => {
    const at = headers + index * entryBytes[bits].header;
    return {
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      flags: word(at + 8),
      offset: word(at + 8 + 2 * wordBytes),
      size: word(at + 8 + 3 * wordBytes),
      link: view.getUint32(at + 8 + 4 * wordBytes, true),
    };
  };
  const text = (at: number) => {
    const end = file.indexOf(0, at);
    return new TextDecoder().decode(file.subarray(at, end));
  };

  const names = header(view.getUint16(counts + 2, true)).offset;
  const sections: Section[] = [];
  const symbolBytes = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const { name, type, flags, offset, size, link } = header(index);
    sections.push({
      name: text(names + name),
      bytes: size,
      allocated: (flags & flagAllocated) !== 0,
      writable: (flags & flagWrite) !== 0,
      stored: type !== noBits,
    });
    if (type !== symbolTable) continue;
    const strings = header(link).offset;
    for (let at = offset; at < offset + size; at += entryBytes[bits].symbol) {
      const bytes = word(at + 2 * wordBytes);
      if (bytes === 0) continue;
      const symbol = text(strings + view.getUint32(at, true));
      symbolBytes.set(symbol, (symbolBytes.get(symbol) ?? 0) + bytes);
    }
  }
  return { machine: view.getUint16(18, true), sections, symbolBytes };
}
