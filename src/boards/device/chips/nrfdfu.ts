/**
 * Nordic's boot loader of the nRF5 SDK 17 on a serial line (nrf_dfu_req_handler.c, nrf_dfu_validation.c, nrf_dfu_serial.c): one bank,
 * applications alone.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { SettingsOf } from '../../target/flash.js';
import { SlipReader, slipEncode } from '../slip.js';
import type { Answer, Chip } from './chip.js';

export interface NrfDfuOptions {
  readonly settings: SettingsOf<'nrf-dfu'>;
  /** Of the flash for applications. */
  readonly address: number;
  readonly bytes: number;
  /** The chip's part number; default: the settings'. */
  readonly part?: number;
  /** Default: the settings'. */
  readonly hardwareVersion?: number;
  /** Whether it has a SoftDevice; default: no. */
  readonly hasSoftDevice?: boolean;
  /** Whether it wants signed images; default: no. */
  readonly wantsSignature?: boolean;
}

const mostCommandBytes = 512;
/** Of NRF_DFU_SERIAL_UART_RX_BUFFER_SIZE. */
const mtu = 131;
/** 'AAD0' (Product Specification, FICR). */
const variant = 0x41414430;

const result = {
  success: 1,
  notSupported: 2,
  invalidParameter: 3,
  tooLarge: 4,
  invalidObject: 5,
  notPermitted: 8,
} as const;

/** The codes of nrf_dfu_ext_error_code_t. */
class Extended {
  constructor(readonly code: number) {}
}

interface Init {
  readonly bytes: number;
  readonly hash: Uint8Array;
}

/** The boot loader that the settings in target.json describe. */
export function nrfDfuChip(
  settings: SettingsOf<'nrf-dfu'>,
  flash: Uint8Array | undefined,
  {
    flashAddress,
    flashBytes,
  }: { readonly flashAddress?: string; readonly flashBytes: number | null },
): NrfDfuChip {
  const place = { address: Number(flashAddress), bytes: flashBytes ?? 0 };
  return new NrfDfuChip({ settings, ...place }, flash);
}

export class NrfDfuChip implements Chip {
  readonly flash: Uint8Array;
  started: number | null = null;
  private reader = new SlipReader('separators', mtu);
  private type: 'command' | 'data' = 'command';
  private command = { size: 0, bytes: new Uint8Array() };
  private init: Init | null = null;
  private object = { size: 0, begin: 0, end: 0 };
  private touched: { readonly at: number; readonly bytes: Uint8Array } | null = null;
  private workMs = 0;

  /** @param flash the content from an earlier session; default: erased */
  constructor(
    private readonly options: NrfDfuOptions,
    flash?: Uint8Array,
  ) {
    this.flash = new Uint8Array(options.bytes).fill(0xff);
    if (flash !== undefined) this.flash.set(flash.subarray(0, options.bytes));
  }

  receive(byte: number): readonly Answer[] {
    if (this.started !== null) return [];
    const frame = this.reader.take(byte);
    if (frame === null) return [];
    this.touched = null;
    this.workMs = 0;
    const answer = this.answerTo(frame[0] ?? 0, frame.subarray(1));
    if (answer === null) return [];
    return [
      { afterMs: this.workMs, bytes: slipEncode(Uint8Array.of(0x60, frame[0] ?? 0, ...answer)) },
    ];
  }

  restart(): void {
    this.started = null;
    this.reader = new SlipReader('separators', mtu);
    this.command = { size: 0, bytes: new Uint8Array() };
    this.init = null;
    this.object = { size: 0, begin: 0, end: 0 };
  }

  losePower(isWorking: boolean): void {
    if (isWorking && this.touched !== null) {
      const { at, bytes } = this.touched;
      this.flash.set(bytes.subarray(bytes.length / 2), at + bytes.length / 2);
    }
    const { started } = this;
    this.restart();
    // A valid image starts without its boot loader.
    this.started = started;
  }

  /** The answer behind its code; null: none. */
  private answerTo(code: number, args: Uint8Array): readonly number[] | null {
    if (code === 0x08) {
      this.write(args);
      return null;
    }
    const run = this.requests.get(code);
    if (run === undefined) return [result.notSupported];
    const answer = run(args);
    if (answer instanceof Extended) return [0x0b, answer.code];
    return typeof answer === 'number' ? [answer] : [result.success, ...answer];
  }

  private readonly requests = new Map<
    number,
    (args: Uint8Array) => number | readonly number[] | Extended
  >([
    [0x01, (args) => this.create(args)],
    [0x02, (args) => (args.length === 2 ? [] : result.invalidParameter)],
    [0x03, () => this.progress()],
    [0x04, () => this.execute()],
    [0x06, (args) => this.select(args)],
    [0x07, () => [mtu & 0xff, mtu >> 8]],
    [0x09, ([id]) => (id === undefined ? result.invalidParameter : [id])],
    [0x0a, () => this.hardware()],
    [0x0b, ([index = 0]) => this.firmware(index)],
  ]);

  private hardware(): readonly number[] {
    const { settings, part = Number(settings.chip.part) } = this.options;
    const { flashBytes, ramBytes } = settings.chip;
    return [part, variant, flashBytes, ramBytes, settings.pageBytes].flatMap(u32);
  }

  private firmware(index: number): readonly number[] {
    const { address, bytes, settings } = this.options;
    // Behind it are two pages of its settings.
    const end = settings.chip.flashBytes - 2 * settings.pageBytes;
    if (index === 0) return [2, ...u32(1), ...u32(address + bytes), ...u32(end - address - bytes)];
    if (index === 1 && this.options.hasSoftDevice) {
      return [0, ...u32(7_000_001), ...u32(0x1000), ...u32(0x25000)];
    }
    return [0xff, ...u32(0), ...u32(0), ...u32(0)];
  }

  private select([type]: Uint8Array): number | readonly number[] {
    if (type !== 1 && type !== 2) return result.invalidObject;
    this.type = type === 1 ? 'command' : 'data';
    return [
      ...u32(this.type === 'command' ? mostCommandBytes : this.pageBytes),
      ...this.progress(),
    ];
  }

  private progress(): readonly number[] {
    const bytes =
      this.type === 'command' ? this.command.bytes : this.flash.subarray(0, this.object.end);
    return [...u32(bytes.length), ...u32(crc32(bytes))];
  }

  private create(args: Uint8Array): number | readonly number[] {
    const [type] = args;
    if (args.length !== 5 || (type !== 1 && type !== 2)) return result.invalidParameter;
    const size = new DataView(args.buffer, args.byteOffset).getUint32(1, true);
    if (size === 0) return result.invalidParameter;
    if (type === 1) {
      if (size > mostCommandBytes) return result.tooLarge;
      this.type = 'command';
      this.init = null;
      this.command = { size, bytes: new Uint8Array() };
      this.object = { size: 0, begin: 0, end: 0 };
      return [];
    }
    this.type = 'data';
    const { init, object } = this;
    if (init === null) return result.notPermitted;
    if (size % this.pageBytes !== 0 && object.begin + size !== init.bytes)
      return result.invalidParameter;
    if (size > this.pageBytes) return result.tooLarge;
    if (object.begin + size > init.bytes) return result.notPermitted;
    this.object = { ...object, size, end: object.begin };
    this.touch(object.begin, this.pageBytes);
    this.flash.fill(0xff, object.begin, object.begin + this.pageBytes);
    this.workMs = this.options.settings.eraseMs;
    return [];
  }

  private get pageBytes(): number {
    return this.options.settings.pageBytes;
  }

  private touch(at: number, bytes: number): void {
    this.touched = { at, bytes: this.flash.slice(at, at + bytes) };
  }

  private write(content: Uint8Array): void {
    if (this.type === 'command') {
      const bytes = Uint8Array.of(...this.command.bytes, ...content);
      if (bytes.length <= this.command.size) this.command = { ...this.command, bytes };
      return;
    }
    const { begin, end, size } = this.object;
    if (this.init === null || end + content.length > begin + size) return;
    // Programming clears bits.
    content.forEach((byte, i) => {
      this.flash[end + i] = (this.flash[end + i] ?? 0) & byte;
    });
    this.object = { ...this.object, end: end + content.length };
  }

  private execute(): number | readonly number[] | Extended {
    if (this.type === 'command') return this.executeCommand();
    const { init, object } = this;
    const isWhole = object.size > 0 && object.end - object.begin === object.size;
    if (init === null || !isWhole) return result.notPermitted;
    this.object = { size: 0, begin: object.end, end: object.end };
    if (object.end !== init.bytes) return [];
    const hash = createHash('sha256').update(this.flash.subarray(0, init.bytes)).digest().reverse();
    if (Buffer.compare(hash, init.hash) !== 0) return new Extended(12);
    this.started = this.options.address;
    return [];
  }

  private executeCommand(): number | readonly number[] | Extended {
    const { size, bytes } = this.command;
    if (size === 0 || bytes.length !== size) return result.notPermitted;
    const init = decodeInit(bytes);
    if (init === null) return new Extended(4);
    if (this.options.wantsSignature) return new Extended(8);
    const { settings, hardwareVersion = settings.hardwareVersion } = this.options;
    if (init.hardwareVersion !== hardwareVersion) return new Extended(6);
    if (init.softDeviceId !== (this.options.hasSoftDevice ? 0x100 : 0)) return new Extended(7);
    if (init.bytes > this.flash.length) return new Extended(13);
    this.init = init;
    return [];
  }
}

/** Reads the init packet's fields by their numbers (dfu-cc.proto). */
function decodeInit(packet: Uint8Array) {
  const init = fieldsOf(fieldsOf(fieldsOf(packet)?.get(1))?.get(2));
  const hash = fieldsOf(init?.get(8));
  const numbers = [2, 4, 7].map((field) => init?.get(field));
  const [hardwareVersion, type, bytes] = numbers;
  const softDevice = init?.get(3);
  const value = hash?.get(2);
  if (type !== 0 || hash?.get(1) !== 3 || !(value instanceof Uint8Array)) return null;
  if (typeof hardwareVersion !== 'number' || typeof bytes !== 'number') return null;
  if (!(softDevice instanceof Uint8Array)) return null;
  return { hardwareVersion, bytes, hash: value, softDeviceId: varintAt(softDevice, 0).value };
}

function fieldsOf(
  message: Uint8Array | number | undefined,
): Map<number, Uint8Array | number> | null {
  if (!(message instanceof Uint8Array)) return null;
  const fields = new Map<number, Uint8Array | number>();
  for (let at = 0; at < message.length; ) {
    const key = message[at++] ?? 0;
    const { value, next } = varintAt(message, at);
    at = next;
    if ((key & 7) === 0) fields.set(key >> 3, value);
    else if ((key & 7) === 2) {
      fields.set(key >> 3, message.subarray(at, at + value));
      at += value;
    } else return null;
  }
  return fields;
}

function varintAt(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  let scale = 1;
  for (let next = at; next < bytes.length; next++) {
    const byte = bytes[next] ?? 0;
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte < 0x80) return { value, next: next + 1 };
  }
  return { value, next: bytes.length };
}

function u32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}
