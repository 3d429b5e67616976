/** The packed sum of one channel's products. */

import { cutRuns, type LaneRange } from '../routines/runs.js';
import type { Assembly } from './assembly.js';

/** Where a channel of a group is computed. */
export interface Registers {
  /** Low: the packed sum of a run. */
  readonly sum: string;
  /** High: packed sums added up. */
  readonly packed: string;
  /** High: their upper lanes added up. */
  readonly upper: string;
}

/** Taken apart before each run but the first, and at the end. r3 holds 2^15. */
export class RunningSum {
  private readonly cuts: ReadonlySet<number>;
  private products = 0;
  private isEmpty = true;
  runs = 0;

  constructor(
    private readonly assembly: Assembly,
    private readonly registers: Registers,
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

  add(source: string, isNegative: boolean): void {
    const { sum } = this.registers;
    this.assembly.emit(
      `${isNegative ? 'subs' : 'adds'} ${sum}, ${this.isEmpty ? 'r3' : sum}, ${source}`,
    );
    this.isEmpty = false;
  }

  spill(): void {
    if (this.isEmpty) return;
    const { sum, packed, upper } = this.registers;
    const operation = this.runs === 0 ? 'mov' : 'add';
    this.assembly.emit(
      `${operation} ${packed}, ${sum}`,
      `asrs ${sum}, ${sum}, #16`,
      `${operation} ${upper}, ${sum}`,
    );
    this.isEmpty = true;
    this.runs += 1;
  }
}
