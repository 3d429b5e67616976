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
  /** How long programming them takes. */
  readonly programUs: number;
  /** See the settings; absent: it has no such byte. */
  readonly voltageRange?: Settings['voltageRange'];
  /** Whether its sectors have their other numbers, where there are two. */
  readonly countsOtherwise?: boolean;
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
  const { chipId, programBytes, programUs, voltageRange, writeProtection } = settings;
  const timing = { programBytes, programUs, voltageRange };
  const facts = { chipId: Number(chipId), ...timing, writeProtection };
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

const versionByte = 0x31;
const mostBytes = 256;

/** Takes the next byte of a frame; null: the frame is complete. */
type Reader = (byte: number) => Reader | null;

export class Stm32Chip implements Chip {
  readonly flash: Uint8Array;
  started: number | null = null;
  private readonly begin: number;
  private readonly optionBytes: ReadonlyMap<number, number>;
  private hasVoltageRange = false;
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
    this.hasVoltageRange = false;
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
    this.answers.push({ afterMs: 0, bytes: new Uint8Array(bytes) });
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
    [0x31, () => this.address((at) => this.collectBlock(at), false, this.virtualBytes)],
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
      return bytes.length < count ? take : then(new Uint8Array(bytes));
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
        const workMs = isRight ? this.take(at, data) : null;
        if (workMs === null) return this.refuse();
        this.answerAfter(workMs, ack);
        return null;
      });
  }

  /** @returns how long it takes, in ms; null: it is refused */
  private take(at: number, data: Uint8Array): number | null {
    if (this.virtualBytes.has(this.begin + at)) return this.setVoltageRange(data) ? 0 : null;
    if (!this.program(at, data)) return null;
    const { programBytes, programUs, voltageRange } = this.options;
    const unit = (this.hasVoltageRange && voltageRange?.programBytes) || programBytes;
    return ((data.length / unit) * programUs) / 1000;
  }

  /** A place that is no memory. */
  private get virtualBytes(): ReadonlyMap<number, number> {
    const { voltageRange } = this.options;
    return new Map(voltageRange === undefined ? [] : [[Number(voltageRange.address), 0]]);
  }

  /** Reserved bytes must be FF. Others than the range of the data sheet's times leave it slow. */
  private setVoltageRange([value = 0, ...reserved]: Uint8Array): boolean {
    if (value > 4 || reserved.length > 3 || reserved.some((byte) => byte !== 0xff)) return false;
    this.hasVoltageRange = value === this.options.voltageRange?.value;
    return true;
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
    return sector !== undefined && writeProtected.includes(this.numberOf(sector));
  }

  private touch(at: number, bytes: number): void {
    this.touched = { at, bytes: this.flash.slice(at, at + bytes) };
  }

  /** A list of sectors, each number of so many bytes, or a code for all or for a bank. */
  private collectSectors(width: 1 | 2): Reader {
    return this.collect(width, (head) => {
      const count = numbers(head, width)[0] ?? 0;
      const together = this.sectorsBy(count, width);
      if (together !== null) {
        // In the older command the complement follows.
        const wanted = width === 1 ? 0 : checksum(head);
        return (check) => (check === wanted ? this.eraseTogether(together) : this.refuse());
      }
      return this.collect((count + 1) * width + 1, (bytes) => {
        if ((checksum(bytes) ^ checksum(head)) !== 0) return this.refuse();
        const wanted = numbers(bytes.subarray(0, -1), width);
        return this.erase(
          this.options.sectors.filter((one) => wanted.includes(this.numberOf(one))),
        );
      });
    });
  }

  /** What a code in place of a number of sectors erases; null: it is no code. */
  private sectorsBy(code: number, width: 1 | 2): readonly Sector[] | null {
    const { sectors } = this.options;
    if (code === (width === 1 ? 0xff : 0xffff)) return sectors;
    if (width === 1 || code < 0xfff0) return null;
    return sectors.filter(({ bank }) => bank?.code === code);
  }

  private numberOf({ number, otherNumber }: Sector): number {
    return this.options.countsOtherwise ? (otherNumber ?? number) : number;
  }

  private eraseTogether(sectors: readonly Sector[]): null {
    const bank = sectors[0]?.bank;
    return this.erase(sectors, bank?.count === sectors.length ? bank.eraseMs.typical : undefined);
  }

  /** @param bankMs how long it takes; default: each sector its time */
  private erase(sectors: readonly Sector[], bankMs?: number): null {
    const [first, last] = [sectors[0], sectors.at(-1)];
    if (first === undefined || last === undefined) return this.refuse();
    this.touch(first.address - this.begin, last.address + last.bytes - first.address);
    let workMs = 0;
    for (const { address, bytes, eraseMs } of sectors) {
      if (this.isWriteProtected(address - this.begin)) continue;
      this.flash.fill(0xff, address - this.begin, address - this.begin + bytes);
      // By bytes it takes half of the longest time (DS8626, flash memory programming).
      const isSlow = this.options.voltageRange !== undefined && !this.hasVoltageRange;
      workMs += isSlow ? eraseMs.longest / 2 : eraseMs.typical;
    }
    // Some answer at once, and hear nothing until they have done (AN2606, table 136, V9.1).
    if (first.settleMs > 0) this.answer(ack);
    this.answers.push({ afterMs: bankMs ?? workMs, bytes: new Uint8Array() });
    if (first.settleMs === 0) this.answer(ack);
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
