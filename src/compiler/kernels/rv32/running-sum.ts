/** The packed sums of one channel's products, of two pairs of pixels. */
import { PackedSum, type SumRegisters } from '../routines/packed-sum.js';
import type { LaneRange } from '../routines/runs.js';
import type { Assembly } from './assembly.js';

/** Holds 2^15, which keeps a negative lower lane from borrowing from the upper one. */
export const laneBias = 't3';

export class RunningSum extends PackedSum {
  /** @param registers of each pair of pixels */
  constructor(
    private readonly assembly: Assembly,
    private readonly registers: readonly [SumRegisters, SumRegisters],
    products: readonly LaneRange[],
  ) {
    super(products);
  }

  /** @param sources of both pairs */
  add(sources: readonly [string, string], isNegative: boolean): void {
    this.registers.forEach(({ sum }, pair) => {
      const before = this.isEmpty ? laneBias : sum;
      this.assembly.emit(isNegative ? 'sub' : 'add', sum, before, sources[pair] as string);
    });
    this.isEmpty = false;
  }

  protected takeApart(): void {
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
  }
}
