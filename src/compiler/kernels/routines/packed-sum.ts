/** The packed sum of one channel's products: it is taken apart after each run (runs.ts). */
import { cutRuns, type LaneRange } from './runs.js';

/** Registers of a channel's packed sums of two pixels. */
export interface SumRegisters {
  /** The packed sum of a run. */
  readonly sum: string;
  /** The packed sums of all runs added up. */
  readonly packed: string;
  /** Their upper lanes added up. */
  readonly upper: string;
}

export abstract class PackedSum {
  private readonly cuts: ReadonlySet<number>;
  private products = 0;
  /** Whether the current run has no product yet. */
  protected isEmpty = true;
  /** Runs that were taken apart. */
  runs = 0;

  constructor(products: readonly LaneRange[]) {
    const cuts = cutRuns(products);
    if (cuts === null) throw new RangeError('a product of two int8 fits a lane');
    this.cuts = new Set(cuts);
  }

  /** Called before each product. */
  begin(): void {
    if (this.cuts.has(this.products)) this.spill();
    this.products += 1;
  }

  /** Called after the last product. */
  spill(): void {
    if (this.isEmpty) return;
    this.takeApart();
    this.isEmpty = true;
    this.runs += 1;
  }

  /** Emits code that adds the run's sum to `packed`, and its upper lane to `upper`. */
  protected abstract takeApart(): void;
}
