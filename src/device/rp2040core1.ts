/**
 * The second core of the simulated RP2040 and the FIFOs between the cores (RP2040 datasheet,
 * 2.3.1.4 and 2.8.2), which rp2040js lacks: its processor once more, on the same memory, run an
 * instruction at a time between those of the first.
 */
import type { RP2040 } from 'rp2040js';

type Core = RP2040['core'];

/** Offsets in the block of registers that each core has for itself. */
const fifoStatus = 0x50;
const fifoWrite = 0x54;
const fifoRead = 0x58;
const statusValid = 1;
const statusReady = 2;
const fifoWords = 8;

/** What core 1's boot ROM waits for: these words, then vectors, stack pointer and entry. */
const bootWords = [0, 0, 1];
const bootCount = bootWords.length + 3;

export class SecondCore {
  private readonly core: Core;
  /** What core 0 and core 1 have not read yet. */
  private readonly fifos: readonly [number[], number[]] = [[], []];
  /** The core that executes. */
  private active: 0 | 1 = 0;
  /** What the boot ROM has taken; null: it has jumped to the program. */
  private booting: number[] | null = [];
  /** Cycles of core 0 since core 1 has a program, and how many of them it is ahead. */
  private time = 0;
  private ahead = 0;
  /** When the flash has sent all that either core has asked for. */
  private flashFree = 0;

  /** @param isThere false: nothing ever answers, as on a chip of one core */
  constructor(
    private readonly mcu: RP2040 & { stall: number },
    private readonly isThere: boolean,
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

  /** It has a program, and does not sleep. */
  get isBusy(): boolean {
    return this.booting === null && !this.core.waiting;
  }

  /** For a core that reads flash for `cycles`: how long it waits for what the other one reads. */
  flashWait(cycles: number): number {
    if (!this.isBusy) return 0;
    const now = this.time + this.mcu.stall - (this.active === 0 ? 0 : this.ahead);
    const wait = Math.max(0, this.flashFree - now);
    this.flashFree = now + wait + cycles;
    return wait;
  }

  /** SEV on either core wakes the other. */
  signal(): void {
    const other = this.active === 0 ? this.core : this.mcu.core;
    if (other.waiting) other.waiting = false;
    else other.eventRegistered = true;
  }

  /** Runs core 1 for as long as core 0 has taken. */
  follow(cycles: number): void {
    this.time += cycles;
    this.ahead += cycles;
    while (this.ahead > 0 && this.isBusy) this.ahead -= this.step();
    if (!this.isBusy) this.ahead = 0;
  }

  /** One instruction of core 1 while core 0 sleeps. @returns its cycles */
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

  /** The boot ROM sends every word back that can be the next; any other makes it begin anew. */
  private boot(word: number, taken: number[]): void {
    if (!this.isThere) return;
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
