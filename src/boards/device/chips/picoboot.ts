/**
 * PICOBOOT as the boot ROMs of RP2040 and RP2350 speak it, transfer by transfer (RP2040 datasheet 2.8.5; usb_boot_device.c
 * and async_task.c in raspberrypi/pico-bootrom-rp2040). It leaves out code that the host has the ROM execute.
 */

export interface PicobootOptions {
  /** The third byte of the ROM's magic: 1 on RP2040, 2 on RP2350. */
  readonly romVersion: number;
  readonly flashAddress: number;
  readonly flashBytes: number;
}

const magic = 0x431f_d10b;
const commandBytes = 32;
const pageBytes = 256;
const sectorBytes = 4096;
const romBytes = 0x4000;

const status = {
  ok: 0,
  unknownCommand: 1,
  invalidCommandLength: 2,
  invalidTransferLength: 3,
  invalidAddress: 4,
  badAlignment: 5,
  rebooting: 7,
} as const;

/** What a transfer gives the host. */
export type UsbAnswer = Uint8Array | 'stall';

/** Times of a W25Q16JV, typical (datasheet 9.6). */
const eraseMs = 45;
const programMs = 0.4;

interface Command {
  readonly id: number;
  readonly args: DataView;
  readonly transferBytes: number;
}

/** What the board expects next. */
type Phase =
  | { readonly kind: 'command' }
  | { readonly kind: 'data from host'; readonly address: number; left: number }
  | { readonly kind: 'data to host'; readonly bytes: Uint8Array; sent: number }
  | { readonly kind: 'answer to host' }
  | { readonly kind: 'answer from host' };

export class PicobootChip {
  readonly flash: Uint8Array;
  /** Whether the host has restarted it into its flash. */
  isStarted = false;
  /** Time that its work has taken, in ms. */
  workMs = 0;
  private readonly rom = new Uint8Array(romBytes);
  private phase: Phase = { kind: 'command' };
  private isHalted = false;
  private isExclusive = false;
  /** Flash commands reach the flash only when it does not serve reads of code. */
  private isXip = true;
  private readonly answer = { token: 0, code: 0, id: 0 };
  /** The bytes that the last transfer has changed. */
  private touched: { readonly at: number; readonly bytes: Uint8Array } | null = null;

  /** @param flash the content from an earlier session; default: erased */
  constructor(
    private readonly options: PicobootOptions,
    flash?: Uint8Array,
  ) {
    this.flash = new Uint8Array(options.flashBytes).fill(0xff);
    if (flash !== undefined) this.flash.set(flash.subarray(0, options.flashBytes));
    this.rom.set([...Buffer.from('Mu'), options.romVersion, 1], 0x10);
  }

  /** Whether the drive is shut out. */
  get refusesDrive(): boolean {
    return this.isExclusive;
  }

  /** Plugged in with BOOTSEL held. */
  restart(): void {
    this.isStarted = false;
    this.isXip = true;
    this.reset();
  }

  /** Half of what the last transfer has changed stays undone. */
  losePower(): void {
    if (this.touched !== null) {
      const { at, bytes } = this.touched;
      const half = Math.floor(bytes.length / 2);
      this.flash.set(bytes.subarray(half), at + half);
    }
    this.reset();
  }

  /** A request of the vendor to the interface; null: a stall. */
  control(request: number, length: number): Uint8Array | null {
    if (request === 0x41 && length === 0) {
      this.reset();
      return new Uint8Array();
    }
    if (request !== 0x42 || length !== 16) return null;
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.answer.token, true);
    view.setUint32(4, this.answer.code, true);
    bytes[8] = this.answer.id;
    return bytes;
  }

  /** The standard request that ends a stall. */
  clearHalts(): void {
    this.isHalted = false;
    this.phase = { kind: 'command' };
  }

  /** A whole transfer from the host. */
  bulkOut(bytes: Uint8Array): 'ok' | 'stall' {
    this.touched = null;
    if (this.isHalted) return 'stall';
    const { phase } = this;
    if (phase.kind === 'answer from host') this.phase = { kind: 'command' };
    else if (phase.kind === 'data from host') this.takeData(phase, bytes);
    else if (phase.kind === 'command') this.begin(bytes);
    else this.halt();
    return this.isHalted && phase.kind === 'data from host' ? 'stall' : 'ok';
  }

  /** A transfer to the host; null: the board has nothing to send. */
  bulkIn(length: number): UsbAnswer | null {
    this.touched = null;
    if (this.isHalted) return 'stall';
    const { phase } = this;
    if (phase.kind === 'answer to host') {
      this.phase = { kind: 'command' };
      return new Uint8Array();
    }
    if (phase.kind !== 'data to host') return null;
    const bytes = phase.bytes.subarray(phase.sent, phase.sent + length);
    phase.sent += bytes.length;
    if (phase.sent === phase.bytes.length) this.phase = { kind: 'answer from host' };
    return bytes;
  }

  private reset(): void {
    this.clearHalts();
    this.isExclusive = false;
    Object.assign(this.answer, { token: 0, code: 0, id: 0 });
  }

  private halt(code?: number): void {
    if (code !== undefined) this.answer.code = code;
    this.isHalted = true;
  }

  private begin(packet: Uint8Array): void {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    if (packet.length !== commandBytes || view.getUint32(0, true) !== magic) {
      this.halt();
      return;
    }
    const id = packet[8] ?? 0;
    Object.assign(this.answer, { token: view.getUint32(4, true), code: status.ok, id });
    const args = new DataView(packet.buffer, packet.byteOffset + 16, 16);
    const known = this.commands.get(id);
    const transferBytes = view.getUint32(12, true);
    if (known === undefined) this.halt(status.unknownCommand);
    else if (packet[9] !== known.argBytes) this.halt(status.invalidCommandLength);
    else if (transferBytes !== (known.hasData ? args.getUint32(4, true) : 0)) {
      this.halt(status.invalidTransferLength);
    } else if (this.isStarted) this.halt(status.rebooting);
    else this.run(known.run, { id, args, transferBytes });
  }

  private run(run: (command: Command) => number, command: Command): void {
    this.phase = { kind: 'answer to host' };
    const code = run(command);
    if (code !== status.ok) this.halt(code);
  }

  private get commands() {
    const isFirst = this.options.romVersion === 1;
    const table = new Map<
      number,
      { argBytes: number; hasData?: true; run: (command: Command) => number }
    >([
      [0x01, { argBytes: 1, run: ({ args }) => this.claim(args.getUint8(0) !== 0) }],
      [0x03, { argBytes: 8, run: (command) => this.erase(command) }],
      [0x05, { argBytes: 8, hasData: true, run: (command) => this.write(command) }],
      [0x06, { argBytes: 0, run: () => this.exitXip() }],
      [0x84, { argBytes: 8, hasData: true, run: (command) => this.read(command) }],
      [isFirst ? 0x02 : 0x0a, { argBytes: isFirst ? 12 : 16, run: () => this.reboot() }],
    ]);
    return table;
  }

  private claim(isExclusive: boolean): number {
    this.isExclusive = isExclusive;
    return status.ok;
  }

  private exitXip(): number {
    this.isXip = false;
    return status.ok;
  }

  private reboot(): number {
    this.isStarted = true;
    return status.ok;
  }

  /** The offset in flash; null outside of it. */
  private flashOffset(address: number, bytes: number): number | null {
    const at = address - this.options.flashAddress;
    return at >= 0 && at + bytes <= this.flash.length ? at : null;
  }

  private erase({ args }: Command): number {
    const [address, bytes] = [args.getUint32(0, true), args.getUint32(4, true)];
    if (address % sectorBytes !== 0 || bytes % sectorBytes !== 0) return status.badAlignment;
    const at = this.flashOffset(address, bytes);
    if (at === null) return status.invalidAddress;
    if (this.isXip) return status.ok;
    this.touched = { at, bytes: this.flash.slice(at, at + bytes) };
    this.flash.fill(0xff, at, at + bytes);
    this.workMs += (bytes / sectorBytes) * eraseMs;
    return status.ok;
  }

  private write({ args, transferBytes }: Command): number {
    this.phase = {
      kind: 'data from host',
      address: args.getUint32(0, true),
      left: transferBytes,
    };
    return status.ok;
  }

  private takeData(phase: Phase & { kind: 'data from host' }, bytes: Uint8Array): void {
    const at = this.flashOffset(phase.address, phase.left);
    if (bytes.length !== phase.left || at === null || phase.address % pageBytes !== 0) {
      this.halt(at === null ? status.invalidAddress : status.badAlignment);
      return;
    }
    this.phase = { kind: 'answer to host' };
    if (this.isXip) return;
    this.touched = { at, bytes: this.flash.slice(at, at + bytes.length) };
    // Programming clears bits.
    bytes.forEach((byte, i) => {
      this.flash[at + i] = (this.flash[at + i] ?? 0) & byte;
    });
    this.workMs += (bytes.length / pageBytes) * programMs;
  }

  private read({ args, transferBytes }: Command): number {
    const address = args.getUint32(0, true);
    const at = this.flashOffset(address, transferBytes);
    if (address + transferBytes < romBytes) {
      const bytes = this.rom.slice(address, address + transferBytes);
      this.phase = { kind: 'data to host', bytes, sent: 0 };
      return status.ok;
    }
    if (at === null) return status.invalidAddress;
    if (address % pageBytes !== 0) return status.badAlignment;
    const bytes = this.isXip
      ? new Uint8Array(transferBytes)
      : this.flash.slice(at, at + transferBytes);
    this.phase = { kind: 'data to host', bytes, sent: 0 };
    return status.ok;
  }
}
