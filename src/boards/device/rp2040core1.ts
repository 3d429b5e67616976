/**
 * The second core of the simulated RP2040 and the FIFOs between the cores (RP2040 datasheet,
 * 2.3.1.4 and 2.8.2), which rp2040js lacks. A second processor on the same memory executes single
 * instructions between those of the first.
 */
import type { RP2040 } from 'rp2040js';

type Core = RP2040['core'];

/** Offsets of the FIFO registers, of which each core has its own. */
const fifoStatus = 0x50;
const fifoWrite = 0x54;
const fifoRead = 0x58;
const statusValid = 1;
const statusReady = 2;
const fifoWords = 8;

/** The words that core 1's boot ROM expects, followed by vector table, stack pointer and entry. */
const bootWords = [0, 0, 1];
const bootCount = bootWords.length + 3;

export class SecondCore {
  private readonly core: Core;
  /** Words that core 0 and core 1 have not read yet. */
  private readonly fifos: readonly [number[], number[]] = [[], []];
  /** The core that executes now. */
  private active: 0 | 1 = 0;
  /** Words that the boot ROM has accepted; null once it has jumped to the program. */
  private booting: number[] | null = [];
  /** Cycles of core 0, and by how many of them core 0 is ahead of core 1. */
  private time = 0;
  private ahead = 0;
  /** The time, in cycles of core 0, at which the flash has completed all reads. */
  private flashFree = 0;

  /** @param isPresent false: the core never answers, as on a chip with one core */
  constructor(
    private readonly mcu: RP2040 & { stall: number },
    private readonly isPresent: boolean,
  ) {
    const CoreClass = mcu.core.constructor as new (mcu: RP2040) => Core;
    this.core = new CoreClass(mcu);
    const { sio } = mcu;
    const [read, write] = [sio.readUint32.bind(sio), sio.writeUint32.bind(sio)];
    sio.readUint32 = (offset) => {
      const fifo = this.fifos[this.active];
      if (offset === fifoStatus) return statusReady | (fifo.length > 0 ? statusValid : 0);
      return offset === fifoRead ? (fifo.shift() ?? 0) : read(offset);
    };
    sio.writeUint32 = (offset, value) => {
      if (offset === fifoWrite) this.send(value >>> 0);
      else write(offset, value);
    };
  }

  /** Whether it runs a program and does not sleep. */
  get isBusy(): boolean {
    return this.booting === null && !this.core.waiting;
  }

  /**
   * Cycles that the active core waits for the other core's flash read, before a read of `cycles`.
   */
  flashWait(cycles: number): number {
    if (!this.isBusy) return 0;
    const now = this.time + this.mcu.stall - (this.active === 0 ? 0 : this.ahead);
    const wait = Math.max(0, this.flashFree - now);
    this.flashFree = now + wait + cycles;
    return wait;
  }

  /** SEV on one core wakes the other. */
  signal(): void {
    const other = this.active === 0 ? this.core : this.mcu.core;
    if (other.waiting) other.waiting = false;
    else other.eventRegistered = true;
  }

  /** Runs core 1 for the cycles that core 0 has spent. */
  follow(cycles: number): void {
    this.time += cycles;
    this.ahead += cycles;
    while (this.ahead > 0 && this.isBusy) this.ahead -= this.step();
    if (!this.isBusy) this.ahead = 0;
  }

  /** Runs one instruction of core 1 while core 0 sleeps. @returns its cycles */
  goOn(): number {
    const cycles = this.step();
    this.time += cycles;
    return cycles;
  }

  private step(): number {
    this.active = 1;
    const cycles = this.core.executeInstruction() + this.mcu.stall;
    this.mcu.stall = 0;
    this.active = 0;
    return cycles;
  }

  private send(word: number): void {
    const to = this.fifos[this.active === 0 ? 1 : 0];
    if (this.active === 0 && this.booting !== null) this.boot(word, this.booting);
    else if (to.length < fifoWords) to.push(word);
  }

  /** The boot ROM echoes each expected word; any other word restarts the sequence. */
  private boot(word: number, taken: number[]): void {
    if (!this.isPresent) return;
    const expected = bootWords[taken.length];
    if (expected !== undefined && word !== expected) {
      taken.length = 0;
      this.fifos[0].push(~word >>> 0);
      return;
    }
    taken.push(word);
    this.fifos[0].push(word);
    if (taken.length < bootCount) return;
    const [, , , , stack = 0, entry = 0] = taken;
    this.core.SP = stack;
    this.core.PC = entry & ~1;
    this.core.cycles = 0;
    this.booting = null;
  }
}
