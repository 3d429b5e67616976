/** The packed sum of one channel's products: `sum` is a low register, the other two are high. */
import { PackedSum, type SumRegisters } from '../routines/packed-sum.js';
import type { LaneRange } from '../routines/runs.js';
import type { Assembly } from './assembly.js';

/** r3 holds 2^15. */
export class RunningSum extends PackedSum {
  constructor(
    private readonly assembly: Assembly,
    private readonly registers: SumRegisters,
    products: readonly LaneRange[],
  ) {
    super(products);
  }

  add(source: string, isNegative: boolean): void {
    const { sum } = this.registers;
    this.assembly.emit(
      `${isNegative ? 'subs' : 'adds'} ${sum}, ${this.isEmpty ? 'r3' : sum}, ${source}`,
    );
    this.isEmpty = false;
  }

  protected takeApart(): void {
    const { sum, packed, upper } = this.registers;
    const operation = this.runs === 0 ? 'mov' : 'add';
    this.assembly.emit(
      `${operation} ${packed}, ${sum}`,
      `asrs ${sum}, ${sum}, #16`,
      `${operation} ${upper}, ${sum}`,
    );
  }
}
