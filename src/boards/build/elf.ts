/** Sections and symbols of an ELF file, 32 or 64 bits, and its content (System V ABI, chapters 4 and 5). */
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

/** Bytes of the file's header, a section header, a segment's (program) header and a symbol. */
const entryBytes = {
  32: { file: 52, header: 40, segment: 32, symbol: 16 },
  64: { file: 64, header: 64, segment: 56, symbol: 24 },
};
/** Types of sections: SHT_NULL, SHT_SYMTAB, SHT_NOBITS; of segments: PT_LOAD. */
const unused = 0;
const symbolTable = 2;
const noBits = 8;
const loadSegment = 1;
const flagWrite = 1;
const flagAllocated = 2;

export function isElf(file: Uint8Array): boolean {
  return Buffer.from(file.subarray(0, 4)).toString('latin1') === '\x7fELF';
}

/**
 * @throws RangeError that says what is wrong, where, when the file is not a little-endian ELF file,
 *   is cut off, or points outside of itself
 */
export function readElf(file: Uint8Array): Elf {
  const reader = readerOf(file);
  const headers = sectionHeaders(reader);
  return {
    machine: reader.half(18),
    sections: placedSections(reader, headers),
    symbolBytes: symbolsOf(reader, headers),
  };
}

/**
 * The bytes that the file loads, from the lowest address on, with zeros between its sections: what
 * objcopy -O binary makes of it.
 *
 * @throws RangeError as readElf; for addresses that are further apart than any flash is large
 */
export function loadedBytes(file: Uint8Array): Uint8Array {
  const reader = readerOf(file);
  const sections = placedSections(reader, sectionHeaders(reader)).filter(
    ({ allocated, stored, bytes }) => allocated && stored && bytes > 0,
  );
  if (sections.length === 0) return new Uint8Array();
  const begin = Math.min(...sections.map((section) => section.loadAddress));
  const end = Math.max(...sections.map(({ loadAddress, bytes }) => loadAddress + bytes));
  if (end - begin > mostLoadedBytes) {
    throw new RangeError(`its sections lie up to ${end - begin} bytes apart`);
  }
  const loaded = new Uint8Array(end - begin);
  for (const { offset, bytes, loadAddress } of sections) {
    loaded.set(file.subarray(offset, offset + bytes), loadAddress - begin);
  }
  return loaded;
}

const mostLoadedBytes = 2 ** 28;

/** Checked reads of a file. */
interface Reader {
  readonly bits: 32 | 64;
  readonly half: (at: number) => number;
  readonly word32: (at: number) => number;
  /** An address or a size: as wide as the file's. */
  readonly word: (at: number) => number;
  /** Text that a zero ends. */
  readonly text: (at: number) => string;
  /** @throws RangeError unless the file has `bytes` bytes at `at` */
  readonly require: (at: number, bytes: number, what: string) => void;
}

/** @throws RangeError when the file is not a little-endian ELF file, or ends in its header */
function readerOf(file: Uint8Array): Reader {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (!isElf(file) || file[5] !== 1) throw new RangeError('it is not a little-endian ELF file');
  const bits = file[4] === 2 ? 64 : 32;
  const require = (at: number, bytes: number, what: string) => {
    if (at + bytes <= file.length) return;
    throw new RangeError(
      `it is cut off or damaged: it has ${file.length} bytes, and ${what} ends at byte ${at + bytes}`,
    );
  };
  require(0, entryBytes[bits].file, 'its header');
  return {
    ...{ bits, require },
    half: (at) => view.getUint16(at, true),
    word32: (at) => view.getUint32(at, true),
    word: (at) => (bits === 64 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true)),
    text(at) {
      const end = file.indexOf(0, at);
      require(at, end < 0 ? file.length : 1, 'a name');
      return new TextDecoder().decode(file.subarray(at, end));
    },
  };
}

interface SectionHeader {
  /** Offset in the section of names. */
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function sectionHeaders({ bits, half, word32, word, require }: Reader): readonly SectionHeader[] {
  const wordBytes = bits / 8;
  const entry = entryBytes[bits].header;
  const begin = word(24 + 2 * wordBytes);
  const count = half(bits === 64 ? 60 : 48);
  require(begin, count * entry, `the table of its ${count} sections`);
  return Array.from({ length: count }, (_, index) => {
    const at = begin + index * entry;
    return {
      name: word32(at),
      type: word32(at + 4),
      flags: word(at + 8),
      address: word(at + 8 + wordBytes),
      offset: word(at + 8 + 2 * wordBytes),
      size: word(at + 8 + 3 * wordBytes),
      link: word32(at + 8 + 4 * wordBytes),
    };
  });
}

interface PlacedSection extends Section {
  /** Where the file has its contents. */
  readonly offset: number;
  /** The address from which it is loaded: that of .data is in flash. */
  readonly loadAddress: number;
}

function placedSections(
  reader: Reader,
  headers: readonly SectionHeader[],
): readonly PlacedSection[] {
  const segments = segmentsOf(reader);
  const names = headers[reader.half(reader.bits === 64 ? 62 : 50)];
  return headers.map(({ name, type, flags, address, offset, size }, index) => {
    const stored = type !== noBits && type !== unused;
    if (stored) reader.require(offset, size, `section ${index}`);
    return {
      name: names === undefined ? '' : reader.text(names.offset + name),
      bytes: size,
      allocated: (flags & flagAllocated) !== 0,
      writable: (flags & flagWrite) !== 0,
      ...{ stored, offset, loadAddress: loadAddress(address, segments) },
    };
  });
}

interface Segment {
  /** Where its bytes stand when the program runs, and from where they are loaded. */
  readonly address: number;
  readonly loadAddress: number;
  readonly bytes: number;
}

function segmentsOf({ bits, half, word32, word, require }: Reader): readonly Segment[] {
  const wordBytes = bits / 8;
  const entry = entryBytes[bits].segment;
  const begin = word(24 + wordBytes);
  const count = half(bits === 64 ? 56 : 44);
  require(begin, count * entry, `the table of its ${count} segments`);
  // Type, offset, address, load address, size in the file; flags stand second with 64 bits.
  const first = bits === 64 ? 8 : 4;
  return Array.from({ length: count }, (_, index) => begin + index * entry)
    .filter((at) => word32(at) === loadSegment)
    .map((at) => ({
      address: word(at + first + wordBytes),
      loadAddress: word(at + first + 2 * wordBytes),
      bytes: word(at + first + 3 * wordBytes),
    }));
}

function loadAddress(address: number, segments: readonly Segment[]): number {
  const own = segments.find(
    (segment) => segment.address <= address && address < segment.address + segment.bytes,
  );
  return own === undefined ? address : own.loadAddress + (address - own.address);
}

function symbolsOf(
  { bits, word32, word, text }: Reader,
  headers: readonly SectionHeader[],
): ReadonlyMap<string, number> {
  const symbolBytes = new Map<string, number>();
  for (const { type, offset, size, link } of headers) {
    if (type !== symbolTable) continue;
    const strings = headers[link]?.offset ?? 0;
    const entry = entryBytes[bits].symbol;
    for (let at = offset; at + entry <= offset + size; at += entry) {
      const bytes = word(at + (2 * bits) / 8);
      if (bytes === 0) continue;
      const symbol = text(strings + word32(at));
      symbolBytes.set(symbol, (symbolBytes.get(symbol) ?? 0) + bytes);
    }
  }
  return symbolBytes;
}
