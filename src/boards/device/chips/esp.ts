/**
 * The loader in the ROM of an ESP32-C3 and its kin, on UART0 or USB: the commands that Espressif
 * documents ('Serial Protocol' in esptool's documentation). Its ROM itself is not published: what
 * no document tells is chosen so that a host gets no help (a frame's end begins the next one if it
 * was missed, a repeated block is written behind the first).
 *
 * A host may load a program into RAM and start it. The real flasher stub would need the ROM's
 * functions and the flash controller, so it is not executed: the chip knows its bytes, and takes
 * its commands as esp-flasher-stub's sources (src/command_handler.c, src/slip.c) do. A stub of
 * another length is taken for a newer one; a damaged one hangs, as on a chip.
 */
import { createHash } from 'node:crypto';
import type { SettingsOf } from '../../target/flash.js';
import type { ModemLines } from '../link.js';
import { SlipReader, slipEncode } from '../slip.js';
import type { Answer, Chip } from './chip.js';
import { Download } from './esp/download.js';
import { jedecId, SpiFlash } from './esp/spi-flash.js';

export interface EspOptions {
  readonly settings: SettingsOf<'esp-rom'>;
  /** What the boot ROM maps of the flash. */
  readonly flashBytes: number;
  /** Default: the settings'; null: the chip has no command for it. */
  readonly chipId?: number | null;
  /** Secure boot and the like, of the answer to GET_SECURITY_INFO. */
  readonly securityFlags?: number;
  /** How often the flash's encryption was switched: on if the number of bits that are set is odd. */
  readonly encryptionBits?: number;
  /** 100 times the major plus the minor number; default: v0.4. */
  readonly revision?: number;
  /** What the flash chip answers to its request for an id. */
  readonly flashId?: number;
  /** Whether the flash takes no bytes, and does not tell. */
  readonly isWriteProtected?: boolean;
  /** Whether programs in RAM are started; default: yes. */
  readonly runsStub?: boolean;
  /** RTS and DTR: two transistors at EN and BOOT, or the USB Serial/JTAG controller. */
  readonly lines?: 'transistors' | 'usb';
}

/** Error codes of the ROM (with status 1) and of the stub (as status). */
const errors = {
  format: [0x05, 0xc0],
  unsupported: [0x05, 0xc3],
  failed: [0x06, 0xc4],
  checksum: [0x07, 0xc1],
  notBegun: [0x06, 0xc6],
  deflate: [0x0b, 0xc7],
} as const;
type ErrorName = keyof typeof errors;

/** What a command does and answers. */
interface Outcome {
  readonly error?: ErrorName;
  readonly value?: number;
  readonly data?: Uint8Array;
  /** Milliseconds of work before the answer. */
  readonly workMs?: number;
  /** Work on the flash, milliseconds. The stub does it after its answer, while it receives. */
  readonly write?: () => number;
  /** What follows the answer. */
  readonly afterwards?: () => void;
}
type Command = (body: Buffer, checksum: number) => Outcome;

/** SPI1's registers, relative to its base. */
const [spiCommand, spiUser2, spiData] = [0x00, 0x20, 0x58];
const spiRun = 2 ** 18;
const readJedecId = 0x9f;
/** Reading by the controller and MD5 in software: an estimate, no document tells. */
const md5MsPerByte = 0.0006;
/** The stub's start, up to its greeting. */
const stubStartMs = 5;
const syncValue = 0x2012_0707;
/** The longest block of esptool is 16 KB. */
const mostFrameBytes = 17_000;
/** A stub's code is longer, its data shorter. */
const leastCodeBytes = 1024;

/** The chip that the settings in target.json describe. */
export function espChip(
  settings: SettingsOf<'esp-rom'>,
  flash: Uint8Array | undefined,
  { flashBytes }: { readonly flashBytes: number | null },
): EspChip {
  return new EspChip({ settings, flashBytes: flashBytes ?? 0 }, flash);
}

export class EspChip implements Chip {
  readonly fifoBytes = 128;
  readonly setModemLines: Chip['setModemLines'] | undefined;
  started: number | null = null;
  /** Whether the stub runs instead of the ROM's loader. */
  isStub = false;
  private readonly spi: SpiFlash;
  private readonly slip = new SlipReader('pairs', mostFrameBytes);
  private readonly registers = new Map<number, number>();
  private answers: Answer[] = [];
  /** Null until it has measured the host's. */
  private baudRate: number | null = null;
  /** A program that crashed, or an image that the ROM does not start. */
  private isDeaf = false;
  private download: Download | null = null;
  private memory: { readonly bytes: number; readonly chunks: Uint8Array[] } | null = null;
  /** Whether the RAM holds a whole program. */
  private isLoaded = false;
  /** Of the last write; the stub tells it in its next answer. */
  private lateError: ErrorName | null = null;
  /** Whether the watchdog resets the chip after the next answer, 15 ms later on a chip. */
  private isWatchdogOn = false;

  constructor(
    private readonly options: EspOptions,
    flash?: Uint8Array,
  ) {
    this.spi = new SpiFlash(options.flashBytes, flash, options.isWriteProtected);
    this.restart();
    if (options.lines !== undefined) this.setModemLines = this.linesOf(options.lines);
  }

  get flash(): Uint8Array {
    return this.spi.cells;
  }

  /** The stub receives by interrupts. */
  get hearsAtWork(): boolean {
    return this.isStub;
  }

  receive(byte: number, baudRate: number | null): readonly Answer[] {
    this.answers = [];
    if (this.started !== null || this.isDeaf) return [];
    const isHeard =
      baudRate === null || this.baudRate === null || Math.abs(baudRate / this.baudRate - 1) < 0.03;
    const frame = isHeard ? this.slip.take(byte) : null;
    if (frame !== null && frame.length >= 8) this.handle(Buffer.from(frame), baudRate);
    return this.answers;
  }

  restart(): void {
    this.started = null;
    this.isStub = false;
    this.isDeaf = false;
    this.baudRate = null;
    this.download = null;
    this.memory = null;
    this.isLoaded = false;
    this.lateError = null;
    this.isWatchdogOn = false;
    this.slip.reset();
    this.registers.clear();
    const { settings, revision = 4 } = this.options;
    const block1 = Number(settings.registers.efuseBlock1);
    const { major, minor } = settings.revision;
    const fuses = [...bitsIn(major, Math.floor(revision / 100)), ...bitsIn(minor, revision % 100)];
    for (const { word, value } of fuses) {
      const address = block1 + 4 * word;
      this.registers.set(address, (this.registers.get(address) ?? 0) | value);
    }
  }

  /** A reset by the firmware, whose request for the loader outlives it (firmware/port/esp32c3). */
  restartOnRequest(): void {
    this.restart();
    this.registers.set(Number(this.options.settings.registers.downloadBoot), 1);
  }

  losePower(isWorking: boolean): void {
    if (isWorking) this.spi.undoHalf();
    this.restart();
  }

  /** The BOOT pin is high; running firmware may have asked for the loader. */
  private reset(): void {
    const { downloadBoot } = this.options.settings.registers;
    if (((this.registers.get(Number(downloadBoot)) ?? 0) & 1) === 0) this.boot();
    else this.restartOnRequest();
  }

  private boot(): void {
    this.restart();
    const words = new DataView(this.spi.cells.buffer);
    const { magic, entry } = this.options.settings.directBoot;
    const isImage = [0, 4].every((at) => words.getUint32(at, true) === Number(magic));
    if (isImage) this.started = Number(entry);
    else this.isDeaf = true;
  }

  /** EN and BOOT are low while only RTS or only DTR is set; a capacitor releases EN later. */
  private linesOf(kind: 'transistors' | 'usb'): (lines: ModemLines) => void {
    let isReset = false;
    let isDownload = false;
    const leave = () => (isDownload ? this.restart() : this.boot());
    if (kind === 'transistors') {
      return ({ dtr, rts }) => {
        isDownload = dtr && !rts;
        if (isReset && !(rts && !dtr)) leave();
        isReset = rts && !dtr;
      };
    }
    // Technical Reference Manual, 'USB Serial/JTAG Controller', reset by RTS and DTR.
    return ({ dtr, rts }) => {
      if (dtr === rts) {
        if (!dtr) isDownload = false;
      } else if (dtr) isDownload = true;
      else leave();
    };
  }

  private handle(frame: Buffer, baudRate: number | null): void {
    const code = frame.readUInt8(1);
    const body = frame.subarray(8);
    if (frame.readUInt8(0) !== 0) return;
    const resetsNow = this.isWatchdogOn;
    const outcome = this.run(code, body, frame);
    if (outcome.error === undefined && code === 0x08) this.baudRate ??= baudRate;
    this.answer(code, outcome);
    if (outcome.error === undefined) outcome.afterwards?.();
    if (resetsNow) this.reset();
  }

  private run(code: number, body: Buffer, frame: Buffer): Outcome {
    if (frame.readUInt16LE(2) !== body.length) return { error: 'format' };
    const error = this.lateError;
    this.lateError = null;
    if (error !== null) return { error };
    const command = this.commands.get(code) ?? (this.isStub ? this.stubCommands.get(code) : null);
    if (command == null) return { error: 'unsupported' };
    try {
      return command(body, frame.readUInt32LE(4));
    } catch (thrown) {
      // A body that is shorter than its fields.
      if (thrown instanceof RangeError) return { error: 'format' };
      throw thrown;
    }
  }

  private answer(code: number, outcome: Outcome): void {
    const { write } = outcome;
    let { error, workMs = 0 } = outcome;
    if (write !== undefined && !this.isStub) {
      const written = this.work(write);
      error = written.error;
      workMs += written.ms;
    }
    const [rom, stub] = error === undefined ? [0, 0] : errors[error];
    const status = this.isStub ? [stub, 0] : [error === undefined ? 0 : 1, rom, 0, 0];
    const data = error === undefined ? (outcome.data ?? []) : [];
    const frame = Buffer.alloc(8 + data.length + status.length);
    frame.set([1, code], 0);
    frame.writeUInt16LE(data.length + status.length, 2);
    frame.writeUInt32LE((outcome.value ?? 0) >>> 0, 4);
    frame.set([...data, ...status], 8);
    this.send(frame, workMs);
    if (write === undefined || !this.isStub) return;
    const written = this.work(write);
    this.lateError = written.error ?? null;
    this.answers.push({ afterMs: written.ms, bytes: new Uint8Array() });
  }

  private work(write: () => number): { ms: number; error?: ErrorName } {
    try {
      return { ms: write() };
    } catch {
      return { ms: 0, error: 'deflate' };
    }
  }

  private send(frame: Uint8Array, afterMs: number): void {
    this.answers.push({ afterMs, bytes: slipEncode(frame) });
  }

  private readonly commands = new Map<number, Command>([
    [0x02, (body) => this.begin(body, false)],
    [0x03, (body, checksum) => this.takeBlock(body, checksum)],
    [0x04, (body) => this.endDownload(body)],
    [0x05, (body) => this.beginMemory(body)],
    [0x06, (body) => this.endMemory(body)],
    [0x07, (body, checksum) => this.takeMemory(body, checksum)],
    [0x08, () => this.synchronize()],
    [0x09, (body) => this.writeRegisters(body)],
    [0x0a, (body) => ({ value: this.registers.get(body.readUInt32LE(0)) ?? 0 })],
    [0x0b, (body) => (body.length === 24 ? {} : { error: 'format' })],
    [0x0d, (body) => (body.length === (this.isStub ? 4 : 8) ? {} : { error: 'format' })],
    [0x0f, (body) => this.changeBaudRate(body)],
    [0x10, (body) => this.begin(body, true)],
    [0x11, (body, checksum) => this.takeBlock(body, checksum)],
    [0x12, (body) => this.endDownload(body)],
    [0x13, (body) => this.digest(body)],
    [0x14, () => this.securityInfo()],
  ]);

  private readonly stubCommands = new Map<number, Command>([
    [0xd0, () => ({ workMs: this.spi.erase(0, this.flash.length) })],
    [0xd1, (body) => this.eraseRegion(body.readUInt32LE(0), body.readUInt32LE(4))],
  ]);

  /** Eight answers: seven before the one that every command has. The stub's have the value 0. */
  private synchronize(): Outcome {
    const value = this.isStub ? 0 : syncValue;
    for (let i = 0; i < 7; i++) this.answer(0x08, { value });
    return { value };
  }

  private securityInfo(): Outcome {
    const { settings, chipId = settings.chipId, securityFlags = 0 } = this.options;
    if (chipId === null) return { error: 'unsupported' };
    const info = Buffer.alloc(20);
    info.writeUInt32LE(securityFlags, 0);
    info.writeUInt8(this.options.encryptionBits ?? 0, 4);
    info.writeUInt32LE(chipId, 12);
    return { data: info };
  }

  private changeBaudRate(body: Buffer): Outcome {
    const baudRate = body.readUInt32LE(0);
    const change = () => {
      this.baudRate = baudRate;
    };
    return body.length === 8 ? { afterwards: change } : { error: 'format' };
  }

  /** Address, value, mask, delay; several of them at once. */
  private writeRegisters(body: Buffer): Outcome {
    if (body.length === 0 || body.length % 16 !== 0) return { error: 'format' };
    for (let at = 0; at < body.length; at += 16) {
      const [address, value, mask] = [0, 4, 8].map((i) => body.readUInt32LE(at + i));
      const before = this.registers.get(address ?? 0) ?? 0;
      const after = ((value ?? 0) & (mask ?? 0)) | (before & ~(mask ?? 0));
      this.writeRegister(address ?? 0, after >>> 0);
    }
    return {};
  }

  private writeRegister(address: number, value: number): void {
    const { registers, watchdog } = this.options.settings;
    const { flashId = jedecId } = this.options;
    const base = Number(registers.spi);
    this.registers.set(address, value);
    if (address === Number(watchdog.config) && value >= 2 ** 31) this.isWatchdogOn = true;
    if (address === base + spiCommand && (value & spiRun) !== 0) {
      const code = (this.registers.get(base + spiUser2) ?? 0) & 0xff;
      this.registers.set(base + spiData, code === readJedecId ? flashId : 0);
      this.registers.set(address, 0);
    }
  }

  private begin(body: Buffer, isCompressed: boolean): Outcome {
    const [bytes = 0, , , at = 0] = [0, 4, 8, 12].map((i) => body.readUInt32LE(i));
    if (at + bytes > this.flash.length) return { error: 'failed' };
    const settings = { at, bytes, isCompressed, erasesLate: this.isStub };
    this.download = new Download(this.spi, settings);
    return { workMs: this.download.begin() };
  }

  private takeBlock(body: Buffer, checksum: number): Outcome {
    const { download } = this;
    if (download === null) return { error: 'notBegun' };
    const data = checked(body, checksum);
    return data instanceof Uint8Array ? { write: () => download.take(data) } : data;
  }

  private endDownload(body: Buffer): Outcome {
    if (this.download === null) return { error: 'notBegun' };
    this.download = null;
    // The stub's reset is not written yet (1.1.0).
    return body.readUInt32LE(0) === 0 && !this.isStub ? { afterwards: () => this.boot() } : {};
  }

  private eraseRegion(at: number, bytes: number): Outcome {
    if (at % 4096 !== 0 || bytes % 4096 !== 0) return { error: 'format' };
    if (at + bytes > this.flash.length) return { error: 'failed' };
    return { workMs: this.spi.erase(at, at + bytes) };
  }

  private digest(body: Buffer): Outcome {
    const [at, bytes] = [body.readUInt32LE(0), body.readUInt32LE(4)];
    if (at + bytes > this.flash.length) return { error: 'failed' };
    const digest = createHash('md5')
      .update(this.flash.subarray(at, at + bytes))
      .digest();
    // The ROM writes it as text.
    const data = this.isStub ? digest : Buffer.from(digest.toString('hex'));
    return { data, workMs: bytes * md5MsPerByte };
  }

  private beginMemory(body: Buffer): Outcome {
    if (this.options.runsStub === false) return { error: 'unsupported' };
    this.memory = { bytes: body.readUInt32LE(0), chunks: [] };
    if (this.memory.bytes > leastCodeBytes) this.isLoaded = false;
    return {};
  }

  private takeMemory(body: Buffer, checksum: number): Outcome {
    if (this.memory === null) return { error: 'notBegun' };
    const data = checked(body, checksum);
    if (!(data instanceof Uint8Array)) return data;
    this.memory.chunks.push(data.slice());
    const code = Buffer.concat(this.memory.chunks);
    if (code.length > leastCodeBytes && code.length === this.memory.bytes) {
      this.isLoaded = this.isStubWhole(code);
    }
    return {};
  }

  /** A stub of a length that no known one has is a newer one. */
  private isStubWhole(code: Uint8Array): boolean {
    const known = this.options.settings.stubCodes.filter(({ bytes }) => bytes === code.length);
    return known.length === 0 || known.some((one) => one.sha256 === sha256(code));
  }

  private endMemory(body: Buffer): Outcome {
    if (this.memory === null) return { error: 'notBegun' };
    const staysInLoader = body.readUInt32LE(0) !== 0;
    this.memory = null;
    if (staysInLoader) return {};
    return {
      afterwards: () => {
        this.isDeaf = !this.isLoaded;
        this.isStub = this.isLoaded;
        if (this.isLoaded) this.send(Buffer.from('OHAI'), stubStartMs);
      },
    };
  }
}

/** A block without its header of length, number and two zeros. */
function checked(body: Buffer, checksum: number): Uint8Array | Outcome {
  const data = body.subarray(16);
  if (body.readUInt32LE(0) !== data.length) return { error: 'format' };
  const sum = data.reduce((rest, byte) => rest ^ byte, 0xef);
  return sum === (checksum & 0xff) ? data : { error: 'checksum' };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A number as the words of the eFuses that have its bits. */
function bitsIn(fields: SettingsOf<'esp-rom'>['revision']['major'], number: number) {
  let rest = number;
  return fields.map(({ word, shift, bits }) => {
    const value = ((rest & (2 ** bits - 1)) << shift) >>> 0;
    rest >>= bits;
    return { word, value };
  });
}
