/**
 * The boot loader in an STM32's system memory over a UART (ST's AN3155). It leaves out the
 * measurement of the baud rate: any byte but 0x7F is ignored until the first 0x7F.
 */
import type { SettingsOf } from '../../target/flash.js';
import { type Sector, sectorsOf } from '../../target/sectors.js';
import type { Answer, Chip } from './chip.js';

const ack = 0x79;
const nack = 0x1f;

type Settings = SettingsOf<'stm32-uart'>;

export interface Stm32Options {
  readonly chipId: number;
  readonly sectors: readonly Sector[];
  readonly programBytes: number;
  /** The older erase command 0x43 instead of 0x44. */
  readonly hasShortErase?: boolean;
  /** Level 1 of the readout protection. */
  readonly isProtected?: boolean;
  /** Numbers of write-protected sectors: erases and writes there change nothing, without an error. */
  readonly writeProtected?: readonly number[];
  /** Where the option bytes say so; absent: nowhere that can be read. */
  readonly writeProtection?: Settings['writeProtection'];
  /** Whether RTS drives BOOT0, and DTR NRST over a capacitor. */
  readonly hasLines?: boolean;
}

/** The chip that the settings in target.json describe. */
export function stm32Chip(
  settings: Settings,
  flash?: Uint8Array,
  options: Partial<Stm32Options> = {},
): Stm32Chip {
  const { chipId, programBytes, writeProtection } = settings;
  const facts = { chipId: Number(chipId), programBytes, writeProtection };
  return new Stm32Chip({ ...facts, sectors: sectorsOf(settings), ...options }, flash);
}

/** The option bytes that protect these sectors, by address. */
function optionWords({ writeProtection, writeProtected = [] }: Stm32Options): Map<number, number> {
  if (writeProtection === undefined) return new Map();
  if (writeProtection.form === 'bits') {
    const word = writeProtected.reduce((bits, number) => bits & ~(1 << number), 0xffff);
    return new Map([[Number(writeProtection.address), word]]);
  }
  // A range for each as far as they go, then empty ones.
  return new Map(
    writeProtection.addresses.map((address, i) => {
      const number = writeProtected[i];
      return [Number(address), number === undefined ? 0x7f : (number << 16) | number];
    }),
  );
}

/** Time to program `programBytes`: 16 µs on STM32F4 (DS8626, 5.3.12), up to 0.1 ms with ECC. */
const programMs = (programBytes: number) => (programBytes === 1 ? 0.016 : 0.1);
const versionByte = 0x31;
const mostBytes = 256;

/** Takes the next byte of a frame; null: the frame is complete. */
type Reader = (byte: number) => Reader | null;

export class Stm32Chip implements Chip {
  readonly flash: Uint8Array;
  started: number | null = null;
  private readonly begin: number;
  private readonly optionBytes: ReadonlyMap<number, number>;
  private isSynchronized = false;
  private reader: Reader;
  private answers: Answer[] = [];
  /** The bytes that the operation under way changes. */
  private touched: { readonly at: number; readonly bytes: Uint8Array } | null = null;

  /** @param flash the content from an earlier session; default: erased */
  constructor(
    private readonly options: Stm32Options,
    flash?: Uint8Array,
  ) {
    const total = options.sectors.reduce((sum, { bytes }) => sum + bytes, 0);
    this.begin = options.sectors[0]?.address ?? 0;
    this.optionBytes = optionWords(options);
    this.flash = new Uint8Array(total).fill(0xff);
    if (flash !== undefined) this.flash.set(flash.subarray(0, total));
    this.reader = this.idle;
    if (options.hasLines) {
      let dtr = true;
      this.setModemLines = (lines) => {
        if (lines.dtr && !dtr) this.reset(!lines.rts);
        dtr = lines.dtr;
      };
    }
  }

  receive(byte: number): readonly Answer[] {
    this.answers = [];
    this.touched = null;
    if (this.started !== null) return [];
    if (!this.isSynchronized) {
      this.isSynchronized = byte === 0x7f;
      if (this.isSynchronized) this.answer(ack);
    } else this.reader = this.reader(byte) ?? this.idle;
    return this.answers;
  }

  readonly setModemLines: Chip['setModemLines'] | undefined;

  private reset(isBoot0High: boolean): void {
    if (isBoot0High) this.restart();
    else this.started = this.begin;
  }

  restart(): void {
    this.started = null;
    this.isSynchronized = false;
    this.reader = this.idle;
  }

  losePower(isWorking: boolean): void {
    if (isWorking && this.touched !== null) {
      const { at, bytes } = this.touched;
      // Half of the cells have not changed yet.
      this.flash.set(bytes.subarray(bytes.length / 2), at + Math.floor(bytes.length / 2));
    }
    this.restart();
  }

  private answer(...bytes: number[]): void {
    this.answers.push({ afterMs: 0, bytes: Uint8Array.from(bytes) });
  }

  private answerAfter(afterMs: number, byte: number): void {
    this.answers.push({ afterMs, bytes: Uint8Array.of(byte) });
  }

  /** A command and its complement. */
  private readonly idle: Reader = (code) => (complement) => {
    const { hasShortErase = false, isProtected = false } = this.options;
    const run = (code ^ complement) === 0xff ? this.commands.get(code) : undefined;
    const isErase = code === 0x43 || code === 0x44;
    const isOther = isErase && (code === 0x43) !== hasShortErase;
    if (run === undefined || isOther || (isProtected && code > 0x02)) {
      this.answer(nack);
      return null;
    }
    this.answer(ack);
    return run();
  };

  private readonly commands = new Map<number, () => Reader | null>([
    [0x00, () => this.tellCommands()],
    [0x01, () => this.tell(versionByte, 0, 0)],
    [0x02, () => this.tell(1, this.options.chipId >> 8, this.options.chipId & 0xff)],
    [0x11, () => this.address((at) => this.readOut(at), false, this.optionBytes)],
    [0x21, () => this.address((at) => this.start(at), true)],
    [0x31, () => this.address((at) => this.collectBlock(at))],
    [0x43, () => this.collectSectors(1)],
    [0x44, () => this.collectSectors(2)],
  ]);

  private tell(...bytes: number[]): null {
    this.answer(...bytes, ack);
    return null;
  }

  private tellCommands(): null {
    const erase = this.options.hasShortErase ? 0x44 : 0x43;
    const codes = [...this.commands.keys()].filter((code) => code !== erase);
    return this.tell(codes.length, versionByte, ...codes);
  }

  /** `count` bytes. */
  private collect(count: number, then: (bytes: Uint8Array) => Reader | null): Reader {
    const bytes: number[] = [];
    const take: Reader = (byte) => {
      bytes.push(byte);
      return bytes.length < count ? take : then(Uint8Array.from(bytes));
    };
    return take;
  }

  /** Four bytes and their checksum. */
  private address(
    then: (at: number) => Reader | null,
    isLast = false,
    others: ReadonlyMap<number, number> = new Map(),
  ): Reader {
    return this.collect(5, (bytes) => {
      const address = Buffer.from(bytes).readUInt32BE(0);
      const at = address - this.begin;
      const isThere = (at >= 0 && at < this.flash.length) || others.has(address);
      if (checksum(bytes) !== 0 || !isThere) return this.refuse();
      if (!isLast) this.answer(ack);
      return then(at);
    });
  }

  private refuse(): null {
    this.answer(nack);
    return null;
  }

  private readOut(at: number): Reader {
    return this.collect(2, ([last = 0, complement = 0]) => {
      const option = this.optionBytes.get(this.begin + at);
      const memory = option === undefined ? this.flash.subarray(at) : wordBytes(option);
      if ((last ^ complement) !== 0xff || last + 1 > memory.length) return this.refuse();
      this.answer(ack, ...memory.subarray(0, last + 1));
      return null;
    });
  }

  private start(at: number): null {
    this.answer(ack);
    this.started = this.begin + at;
    return null;
  }

  private collectBlock(at: number): Reader {
    return (last) =>
      this.collect(last + 2, (bytes) => {
        const data = bytes.subarray(0, -1);
        const isRight = (checksum(bytes) ^ last) === 0 && data.length <= mostBytes;
        const { programBytes } = this.options;
        if (!isRight || !this.program(at, data)) return this.refuse();
        this.answerAfter((data.length / programBytes) * programMs(programBytes), ack);
        return null;
      });
  }

  /** Programming clears bits. Flash with ECC takes nothing but FF where it is not erased. */
  private program(at: number, data: Uint8Array): boolean {
    const { programBytes } = this.options;
    if (at % programBytes !== 0 || data.length % programBytes !== 0) return false;
    if (at + data.length > this.flash.length) return false;
    if (this.isWriteProtected(at)) return true;
    this.touch(at, data.length);
    for (let unit = 0; unit < data.length; unit += programBytes) {
      const cells = this.flash.subarray(at + unit, at + unit + programBytes);
      const bytes = data.subarray(unit, unit + programBytes);
      const isErased = cells.every((cell) => cell === 0xff);
      if (programBytes > 1 && !isErased && bytes.some((byte) => byte !== 0xff)) return false;
      bytes.forEach((byte, i) => {
        cells[i] = (cells[i] ?? 0) & byte;
      });
    }
    return true;
  }

  private isWriteProtected(at: number): boolean {
    const { sectors, writeProtected = [] } = this.options;
    const sector = sectors.findLast(({ address }) => address - this.begin <= at);
    return sector !== undefined && writeProtected.includes(sector.number);
  }

  private touch(at: number, bytes: number): void {
    this.touched = { at, bytes: this.flash.slice(at, at + bytes) };
  }

  /** A list of sectors, each number of so many bytes, or all. */
  private collectSectors(width: 1 | 2): Reader {
    return this.collect(width, (head) => {
      const count = numbers(head, width)[0] ?? 0;
      const all = width === 1 ? 0xff : 0xffff;
      if (count === all) {
        return (check) => (check === 0 ? this.erase(null) : this.refuse());
      }
      return this.collect((count + 1) * width + 1, (bytes) => {
        if ((checksum(bytes) ^ checksum(head)) !== 0) return this.refuse();
        return this.erase(numbers(bytes.subarray(0, -1), width));
      });
    });
  }

  /** @param wanted null: all */
  private erase(wanted: readonly number[] | null): null {
    const chosen = this.options.sectors.filter(({ number }) => wanted?.includes(number) ?? true);
    if (chosen.length === 0) return this.refuse();
    let workMs = 0;
    for (const { address, bytes, eraseMs } of chosen) {
      if (this.isWriteProtected(address - this.begin)) continue;
      this.touch(address - this.begin, bytes);
      this.flash.fill(0xff, address - this.begin, address - this.begin + bytes);
      workMs += eraseMs / 2;
    }
    this.answerAfter(workMs, ack);
    return null;
  }
}

function wordBytes(word: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(word >>> 0);
  return bytes;
}

function checksum(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum ^ byte, 0);
}

function numbers(bytes: Uint8Array, width: 1 | 2): number[] {
  const view = Buffer.from(bytes);
  return Array.from({ length: bytes.length / width }, (_, i) => view.readUIntBE(i * width, width));
}
