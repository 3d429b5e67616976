/**
 * A line between the host and a simulated chip in virtual time: every byte takes its bits at the
 * baud rate, and waiting costs nothing.
 */
import type { Chip } from '../../src/boards/device/chips/chip.js';
import type { LineSettings } from '../../src/boards/device/link.js';
import { lostLine, type Transport } from '../../src/boards/device/transport.js';
import { type Direction, type Faults, noFaults } from './faults.js';

/** Thrown where the host process ends. */
export class HostKilled extends Error {}

const never = Number.POSITIVE_INFINITY;
const nothing = new Uint8Array();
/** Most reads take one byte: an array for each would be most of the garbage. */
const singles = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));

/** Bytes with the moments at which they come; first in, first out. */
class Queue {
  private bytes: number[] = [];
  private moments: number[] = [];
  private head = 0;

  /** When the first one comes. */
  get next(): number {
    return this.head < this.moments.length ? (this.moments[this.head] as number) : never;
  }

  push(at: number, byte: number): void {
    this.moments.push(at);
    this.bytes.push(byte);
  }

  shift(): number {
    const byte = this.bytes[this.head++] as number;
    // Array.shift would move all of a long array.
    if (this.head === 1024) {
      this.bytes = this.bytes.slice(this.head);
      this.moments = this.moments.slice(this.head);
      this.head = 0;
    }
    return byte;
  }

  /** At most so many of the bytes that have come. Not to be changed. */
  take(most: number, now: number): Uint8Array {
    let count = 0;
    while (count < most && (this.moments[this.head + count] ?? never) <= now) count++;
    if (count < 2) return count === 0 ? nothing : (singles[this.shift()] as Uint8Array);
    return new Uint8Array(count).map(() => this.shift());
  }

  clear(): void {
    this.bytes = [];
    this.moments = [];
    this.head = 0;
  }
}

/** A chip, its line and a clock. Each `open` is a new session with the same chip. */
export class Wire {
  nowMs = 0;
  /** Bytes that have crossed the line. */
  readonly bytes: Record<Direction, number> = { 'to chip': 0, 'to host': 0 };
  /** Bytes that came while the chip worked and its receiver was full. */
  overruns = 0;
  private readonly toChip = new Queue();
  private readonly toHost = new Queue();
  private hostFreeAt = 0;
  private chipFreeAt = 0;
  private busyUntil = 0;
  /** What the receiver keeps while the chip works. */
  private held: number[] = [];
  private line: LineSettings = { baudRate: 115200, parity: 'none' };
  private lost: string | null = null;

  constructor(
    readonly chip: Chip,
    private faults: Faults = noFaults,
  ) {}

  /** A start bit, 8 of data, parity, a stop bit. */
  private get byteMs(): number {
    return ((this.line.parity === 'even' ? 11 : 10) * 1000) / this.line.baudRate;
  }

  /** The cable is in again, and nothing is on it. */
  reconnect(faults: Faults = noFaults): void {
    this.faults = faults;
    this.lost = null;
    // What has left the host arrives; what the chip has sent does not.
    this.nowMs = Math.max(this.nowMs, this.hostFreeAt);
    this.run(this.nowMs);
    this.toHost.clear();
  }

  /** Waits without a line. */
  sleep = async (ms: number): Promise<void> => {
    this.nowMs += ms;
    this.run(this.nowMs);
  };

  open = async (line: LineSettings): Promise<Transport> => {
    this.line = line;
    this.toHost.clear();
    return {
      name: 'wire',
      write: async (bytes) => this.write(bytes),
      read: async (most, timeoutMs) => this.read(most, timeoutMs),
      setBaudRate: async (baudRate) => {
        this.nowMs = Math.max(this.nowMs, this.hostFreeAt);
        this.line = { ...this.line, baudRate };
      },
      setModemLines:
        this.chip.setModemLines === undefined
          ? null
          : async (lines) => {
              this.run(this.nowMs);
              this.chip.setModemLines?.(lines);
            },
      now: () => this.nowMs,
      sleep: this.sleep,
      close: async () => {},
    };
  };

  private write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.checkEnd();
      this.hostFreeAt = Math.max(this.nowMs, this.hostFreeAt) + this.byteMs;
      this.bytes['to chip']++;
      for (const { byte: passed, delayMs } of this.faults.pass(byte, 'to chip')) {
        this.hostFreeAt += delayMs;
        this.toChip.push(this.hostFreeAt, passed);
      }
    }
  }

  private read(most: number, timeoutMs: number): Uint8Array {
    this.checkEnd();
    const end = this.nowMs + timeoutMs;
    for (;;) {
      const { next } = this.toChip;
      const pending = this.held.length === 0 ? next : Math.min(next, this.busyUntil);
      if (this.toHost.next <= Math.min(end, pending)) break;
      if (pending > end) {
        this.nowMs = Math.max(this.nowMs, end);
        return nothing;
      }
      this.run(pending);
    }
    this.nowMs = Math.max(this.nowMs, this.toHost.next);
    this.run(this.nowMs);
    return this.toHost.take(most, this.nowMs);
  }

  /** Gives the chip what arrives until then. */
  private run(until: number): void {
    for (;;) {
      const { next } = this.toChip;
      const held = this.held[0];
      if (held !== undefined && this.busyUntil <= Math.min(until, next)) {
        this.held.shift();
        this.deliver(held, this.busyUntil);
      } else if (next <= until) {
        const byte = this.toChip.shift();
        const isHeard = next >= this.busyUntil || this.chip.hearsAtWork === true;
        if (isHeard) this.deliver(byte, next);
        else if (this.held.length < (this.chip.fifoBytes ?? 1)) this.held.push(byte);
        else this.overruns++;
      } else return;
    }
  }

  private deliver(byte: number, at: number): void {
    let time = this.chip.hearsAtWork === true ? Math.max(at, this.busyUntil) : at;
    for (const { afterMs, bytes } of this.chip.receive(byte, this.line.baudRate)) {
      time += afterMs;
      for (const sent of bytes) {
        // The transmitter holds one byte besides the one on the line.
        time = Math.max(time, this.chipFreeAt);
        this.chipFreeAt = time + this.byteMs;
        this.bytes['to host']++;
        for (const { byte: passed, delayMs } of this.faults.pass(sent, 'to host')) {
          this.chipFreeAt += delayMs;
          this.toHost.push(this.chipFreeAt, passed);
        }
      }
    }
    this.busyUntil = Math.max(time, this.busyUntil);
  }

  private checkEnd(): void {
    if (this.lost !== null) throw lostLine('wire', this.lost);
    const end = this.faults.ends();
    if (end === null) return;
    this.run(this.nowMs);
    if (end === 'power lost') {
      this.chip.losePower(this.busyUntil > this.nowMs);
      this.toChip.clear();
      this.held = [];
      this.busyUntil = this.nowMs;
    }
    if (end === 'host killed') throw new HostKilled('the host process was killed');
    this.lost = end;
    throw lostLine('wire', end);
  }
}
