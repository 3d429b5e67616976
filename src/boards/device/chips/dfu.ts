/**
 * The boot loader in an STM32's system memory over USB (ST's AN3156), at the level of control
 * transfers: DFU 1.1's states, with commands that take effect when their status is asked for.
 */

export interface DfuOptions {
  /** The names of the alternate settings. */
  readonly alternates: readonly string[];
  readonly begin: number;
  /** Sizes of the sectors, in order. */
  readonly sectors: readonly number[];
  readonly programBytes: number;
  readonly isProtected?: boolean;
  /** Sectors that erases and writes leave as they are, without an error. */
  readonly writeProtected?: readonly number[];
}

const idle = 2;
const busy = 4;
const downloadIdle = 5;
const uploadIdle = 9;
const errorState = 10;
const [targetStatus, vendorStatus] = [0x01, 0x0b];
/** Half of the longest erase of a sector of stm32f405, and what a block takes. */
const [eraseMs, writeMs] = [400, 40];

export class DfuChip {
  readonly flash: Uint8Array;
  started: number | null = null;
  private state = idle;
  private status = 0;
  private pointer: number;
  private busyUntilMs = 0;
  /** Waits for its status: what it does, and how long that takes. */
  private pending: { readonly run: () => number; readonly ms: number } | null = null;
  private half: (() => void) | null = null;

  constructor(
    readonly options: DfuOptions,
    flash?: Uint8Array,
  ) {
    this.flash = new Uint8Array(options.sectors.reduce((sum, bytes) => sum + bytes, 0)).fill(0xff);
    if (flash !== undefined) this.flash.set(flash);
    this.pointer = options.begin;
  }

  /** A reset into the boot loader. */
  restart(): void {
    this.started = null;
    this.state = idle;
    this.status = 0;
    this.pending = null;
    this.pointer = this.options.begin;
  }

  /** An erase or a write that is under way stays half done. */
  losePower(nowMs: number): void {
    if (nowMs < this.busyUntilMs) this.half?.();
    this.restart();
  }

  controlIn(request: number, value: number, length: number, nowMs: number): Uint8Array | 'stall' {
    if (request === 3) return this.tellStatus(nowMs);
    if (request !== 2 || (this.state !== idle && this.state !== uploadIdle)) return this.stall();
    if (this.options.isProtected) return this.stall(vendorStatus);
    const at = this.pointer - this.options.begin + (value - 2) * length;
    if (value < 2 || at < 0 || at + length > this.flash.length) return this.stall(targetStatus);
    this.state = uploadIdle;
    return this.flash.slice(at, at + length);
  }

  controlOut(request: number, value: number, bytes: Uint8Array): 'stall' | null {
    if (request === 4 || request === 6) {
      if (request === 6 && this.state === errorState) return this.stall();
      this.state = idle;
      this.status = 0;
      this.pending = null;
      return null;
    }
    if (request !== 1 || (this.state !== idle && this.state !== downloadIdle)) return this.stall();
    this.pending = this.commandOf(value, bytes);
    this.state = 3;
    return null;
  }

  private stall(status = targetStatus): 'stall' {
    this.state = errorState;
    this.status = status;
    return 'stall';
  }

  private commandOf(value: number, bytes: Uint8Array): { run: () => number; ms: number } {
    const address = bytes.length === 5 ? Buffer.from(bytes).readUInt32LE(1) : 0;
    if (bytes.length === 0) {
      const start = () => {
        this.started = this.pointer;
        return 0;
      };
      return { run: start, ms: 0 };
    }
    if (value >= 2) {
      const at = this.pointer - this.options.begin + (value - 2) * bytes.length;
      const data = bytes.slice();
      return { run: () => this.program(at, data), ms: writeMs };
    }
    if (bytes[0] === 0x21) {
      const point = () => {
        this.pointer = address;
        return 0;
      };
      return { run: point, ms: 0 };
    }
    return { run: () => this.erase(address - this.options.begin), ms: eraseMs };
  }

  private tellStatus(nowMs: number): Uint8Array | 'stall' {
    if (this.state === busy) {
      if (nowMs < this.busyUntilMs) return this.stall();
      this.state = this.status === 0 ? downloadIdle : errorState;
    }
    const { pending } = this;
    let pauseMs = 0;
    if (pending !== null) {
      this.pending = null;
      const changes = this.options.isProtected && pending.ms > 0;
      this.status = changes ? vendorStatus : pending.run();
      pauseMs = pending.ms;
      this.busyUntilMs = nowMs + pauseMs;
      this.state = busy;
    }
    return Uint8Array.of(this.status, pauseMs, pauseMs >> 8, 0, this.state, 0);
  }

  /** The number and the place of the sector at an offset; null: outside. */
  private sectorAt(at: number): { number: number; from: number; to: number } | null {
    let from = 0;
    for (const [number, bytes] of this.options.sectors.entries()) {
      if (at >= from && at < from + bytes) return { number, from, to: from + bytes };
      from += bytes;
    }
    return null;
  }

  private erase(at: number): number {
    const sector = this.sectorAt(at);
    if (sector === null) return targetStatus;
    if (this.options.writeProtected?.includes(sector.number)) return 0;
    const before = this.flash.slice(sector.from, sector.to);
    this.flash.fill(0xff, sector.from, sector.to);
    this.half = () =>
      this.flash.set(before.subarray(before.length / 2), sector.from + before.length / 2);
    return 0;
  }

  /** Flash with ECC takes nothing but FF where it is not erased. */
  private program(at: number, data: Uint8Array): number {
    const { programBytes, writeProtected } = this.options;
    const sector = this.sectorAt(at);
    if (sector === null || at + data.length > this.flash.length) return targetStatus;
    if (at % programBytes !== 0 || data.length % programBytes !== 0) return targetStatus;
    if (writeProtected?.includes(sector.number)) return 0;
    const before = this.flash.slice(at, at + data.length);
    if (programBytes > 1 && before.some((cell, i) => cell !== 0xff && data[i] !== 0xff)) return 3;
    data.forEach((byte, i) => {
      this.flash[at + i] = (this.flash[at + i] ?? 0) & byte;
    });
    const middle = data.length >> 1;
    this.half = () => this.flash.set(before.subarray(middle), at + middle);
    return 0;
  }
}
