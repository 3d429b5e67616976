/**
 * Adafruit's boot loader of nRF52 boards on its serial port (adafruit/Adafruit_nRF52_Bootloader: dfu_single_bank.c, dfu_init.c,
 * dfu_transport_serial.c, hci_transport.c): Nordic's DFU of SDK 11, applications alone. On USB it takes bytes while it works.
 */
import type { SettingsOf } from '../../target/flash.js';
import { crc16, hciAck, nextNumber, readHciPacket } from '../hci.js';
import { SlipReader, slipEncode } from '../slip.js';
import type { Answer, Chip } from './chip.js';

export interface AdafruitDfuOptions {
  readonly settings: SettingsOf<'adafruit-dfu'>;
  /** Of the flash for applications: behind the SoftDevice. */
  readonly address: number;
  readonly bytes: number;
  /** Default: the first of the settings'. */
  readonly softDeviceId?: number;
}

/** HCI_RX_BUF_SIZE of its configuration. */
const mostFrameBytes = 600;
/** The first packet's number after a reset. */
const firstNumber = 1;
const packets = { init: 1, start: 3, data: 4, stop: 5 } as const;
const application = 4;
const anySoftDevice = 0xfffe;

/** What it expects: a start, the init packet, the image; 'refused' until a reset. */
type State = 'idle' | 'started' | 'receiving' | 'refused';

/** The boot loader that the settings in target.json describe. */
export function adafruitDfuChip(
  settings: SettingsOf<'adafruit-dfu'>,
  flash: Uint8Array | undefined,
  place: { readonly flashAddress?: string; readonly flashBytes: number | null },
): AdafruitDfuChip {
  const { flashAddress, flashBytes } = place;
  const options = { settings, address: Number(flashAddress), bytes: flashBytes ?? 0 };
  return new AdafruitDfuChip(options, flash);
}

export class AdafruitDfuChip implements Chip {
  readonly flash: Uint8Array;
  readonly hearsAtWork = true;
  started: number | null = null;
  /** Whether its settings name a whole application, which a reset starts. */
  hasApplication = false;
  private readonly reader = new SlipReader('separators', mostFrameBytes);
  private expected = firstNumber;
  private state: State = 'idle';
  private imageBytes = 0;
  private received = 0;
  private imageCrc = 0;
  private touched: { readonly at: number; readonly bytes: Uint8Array } | null = null;

  /** @param flash the content from an earlier session; default: erased */
  constructor(
    private readonly options: AdafruitDfuOptions,
    flash?: Uint8Array,
  ) {
    this.flash = new Uint8Array(options.bytes).fill(0xff);
    if (flash !== undefined) this.flash.set(flash.subarray(0, options.bytes));
  }

  receive(byte: number): readonly Answer[] {
    if (this.started !== null) return [];
    const frame = this.reader.take(byte);
    const packet = frame === null ? null : readHciPacket(frame);
    if (packet === null) return [];
    this.touched = null;
    const isNext = packet.number === this.expected;
    if (isNext) this.expected = nextNumber(this.expected);
    // It acknowledges what it has received, before it looks at it.
    const ack = { afterMs: 0, bytes: slipEncode(hciAck(this.expected)) };
    const workMs = isNext ? this.handle(packet.data) : 0;
    return workMs > 0 ? [ack, { afterMs: workMs, bytes: new Uint8Array() }] : [ack];
  }

  restart(): void {
    this.started = null;
    this.reader.reset();
    this.expected = firstNumber;
    this.state = 'idle';
  }

  losePower(isWorking: boolean): void {
    if (isWorking && this.touched !== null) {
      const { at, bytes } = this.touched;
      this.flash.set(bytes.subarray(bytes.length / 2), at + Math.floor(bytes.length / 2));
    }
    this.reset();
  }

  /** Without a whole application it stays in the boot loader. Errors of its software end so, too. */
  private reset(): void {
    this.restart();
    if (this.hasApplication) this.started = this.options.address;
  }

  /** @returns milliseconds of work */
  private handle(packet: Uint8Array): number {
    if (packet.length < 4) return 0;
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    // It counts in words, of which the first is the type.
    const data = packet.subarray(4, packet.length - (packet.length % 4));
    switch (view.getUint32(0, true) & 0xff) {
      case packets.start:
        return this.start(data);
      case packets.init:
        return this.init(data);
      case packets.data:
        return this.take(data);
      case packets.stop:
        return this.stop();
      default:
        return 0;
    }
  }

  private start(data: Uint8Array): number {
    const words = Array.from({ length: 4 }, (_, i) => wordAt(data, i * 4));
    const [mode, softDeviceBytes = 0, loaderBytes = 0, bytes = 0] = words;
    const isPossible =
      mode === application && softDeviceBytes + loaderBytes === 0 && bytes % 4 === 0;
    if (!isPossible || bytes > this.flash.length || this.state !== 'idle') {
      this.reset();
      return 0;
    }
    const { pageBytes, eraseMs } = this.options.settings;
    const pages = Math.ceil(bytes / pageBytes);
    this.touch(0, pages * pageBytes);
    this.flash.fill(0xff, 0, pages * pageBytes);
    this.hasApplication = false;
    Object.assign(this, { state: 'started', imageBytes: bytes, received: 0 });
    // And the page of its settings.
    return (pages + 1) * eraseMs;
  }

  /** Device type and revision, version, SoftDevices with their count, CRC of the image. */
  private init(data: Uint8Array): number {
    const { settings, softDeviceId = Number(settings.softDeviceIds[0]) } = this.options;
    const half = (at: number) => (data[at] ?? 0) + ((data[at + 1] ?? 0) << 8);
    const count = half(8);
    const softDevices = Array.from({ length: Math.min(count, 64) }, (_, i) => half(10 + 2 * i));
    const fits = softDevices.includes(softDeviceId) || softDevices.includes(anySoftDevice);
    if (this.state !== 'started' || half(0) !== settings.deviceType || !fits) this.reset();
    else {
      this.imageCrc = half(10 + 2 * count);
      this.state = 'receiving';
    }
    return 0;
  }

  private take(data: Uint8Array): number {
    if (this.state !== 'receiving') return 0;
    if (this.received + data.length > this.imageBytes) {
      this.received = Number.POSITIVE_INFINITY;
      return 0;
    }
    this.touch(this.received, data.length);
    // Programming clears bits.
    data.forEach((byte, i) => {
      this.flash[this.received + i] = (this.flash[this.received + i] ?? 0) & byte;
    });
    const { pageBytes, programMs } = this.options.settings;
    const pagesBefore = Math.floor(this.received / pageBytes);
    this.received += data.length;
    const isWhole = this.received === this.imageBytes;
    const pages = isWhole
      ? Math.ceil(this.received / pageBytes)
      : Math.floor(this.received / pageBytes);
    // It keeps a page until it is full.
    return (pages - pagesBefore) * programMs;
  }

  private stop(): number {
    if (this.state !== 'receiving' || this.received !== this.imageBytes) return 0;
    this.state = 'refused';
    if (crc16(this.flash.subarray(0, this.imageBytes)) !== this.imageCrc) return 0;
    this.hasApplication = true;
    this.started = this.options.address;
    return 0;
  }

  private touch(at: number, bytes: number): void {
    this.touched = { at, bytes: this.flash.slice(at, at + bytes) };
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return at + 4 <= bytes.length ? view.getUint32(at, true) : 0;
}
