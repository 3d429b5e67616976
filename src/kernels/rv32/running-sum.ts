/** The packed sums of one channel's products, of two pairs of pixels. */
import { cutRuns, type LaneRange } from '../routines/runs.js';
import type { Assembly } from './assembly.js';

/** Where the sums of a channel and a pair of pixels are. */
export interface Registers {
  /** The packed sum of a run. */
  readonly sum: string;
  /** Packed sums added up. */
  readonly packed: string;
  /** Their upper lanes added up. */
  readonly upper: string;
}

/** 2^15: keeps a lane that goes below zero from borrowing of the other one. */
export const laneBias = 't3';

/** Taken apart before each run but the first, and at the end. */
export class RunningSum {
  private readonly cuts: ReadonlySet<number>;
  private products = 0;
  private isEmpty = true;
  runs = 0;

  constructor(
    private readonly assembly: Assembly,
    private readonly registers: readonly [Registers, Registers],
    products: readonly LaneRange[],
  ) {
    const cuts = cutRuns(products);
    if (cuts === null) throw new RangeError('a product of two int8 fits a lane');
    this.cuts = new Set(cuts);
  }

  /** Before each product. */
  begin(): void {
    if (this.cuts.has(this.products)) this.spill();
    this.products += 1;
  }

  /** @param sources of both pairs */
  add(sources: readonly [string, string], isNegative: boolean): void {
    this.registers.forEach(({ sum }, pair) => {
      const before = this.isEmpty ? laneBias : sum;
      this.assembly.emit(isNegative ? 'sub' : 'add', sum, before, sources[pair] as string);
    });
    this.isEmpty = false;
  }

  spill(): void {
    if (this.isEmpty) return;
    for (const { sum, packed, upper } of this.registers) {
      if (this.runs === 0) {
        this.assembly.emit('mv', packed, sum);
        this.assembly.emit('srai', upper, sum, 16);
      } else {
        this.assembly.emit('add', packed, packed, sum);
        this.assembly.emit('srai', sum, sum, 16);
        this.assembly.emit('add', upper, upper, sum);
      }
    }
    this.isEmpty = true;
    this.runs += 1;
  }
}
