/**
 * Text of a Thumb routine (Armv6-M), with its size and its cycles on a Cortex-M0+. Of branches only
 * those by `branch` are taken.
 */
import { RoutineText } from '../routines/text.js';

export class Assembly extends RoutineText {
  /** Instructions of one cycle and two bytes. */
  emit(...instructions: readonly string[]): void {
    for (const instruction of instructions) this.line(`    ${instruction}`);
    this.bytes += 2 * instructions.length;
    this.cycles += instructions.length;
  }

  /** A load or store of `registers` words, halfwords or bytes, which takes one more cycle. */
  access(instruction: string, registers = 1): void {
    this.emit(instruction);
    this.cycles += registers;
  }

  /** An unconditional branch. */
  branch(instruction: string): void {
    this.emit(instruction);
    this.cycles += 1;
  }

  /** A branch with link, of four bytes. */
  jump(instruction: string): void {
    this.emit(instruction);
    this.bytes += 2;
    this.cycles += 2;
  }

  /** Words of a literal pool (numbers, or addresses by their labels), aligned to four bytes, with `label` before them. */
  pool(label: number, words: readonly (number | string)[]): void {
    this.line('    .balign 4');
    this.place(label);
    this.bytes = Math.ceil(this.bytes / 4) * 4 + 4 * words.length;
    for (let i = 0; i < words.length; i += 6) {
      const row = words
        .slice(i, i + 6)
        .map((word) => (typeof word === 'string' ? word : `0x${(word >>> 0).toString(16)}`));
      this.line(`    .word ${row.join(', ')}`);
    }
  }
}
