/**
 * Text of a routine for RV32IMC, with its size (an instruction that the assembler compresses has two
 * bytes) and its instructions as cycles. No branch is taken.
 */
import { RoutineText } from '../routines/text.js';

/** Registers that a routine restores, and the bytes that they take on the stack. */
export const calleeSaved: readonly string[] = [
  'ra',
  ...Array.from({ length: 12 }, (_, i) => `s${i}`),
];
const frameBytes = 64;

/** x8 to x15, which most compressed instructions are limited to. */
const short = new Set(['s0', 's1', 'a0', 'a1', 'a2', 'a3', 'a4', 'a5']);

export class Assembly extends RoutineText {
  emit(name: string, ...operands: readonly (string | number)[]): void {
    if (this.isKept) this.line(`    ${name} ${operands.join(', ')}`);
    this.bytes += bytesOf(name, operands);
    this.cycles += 1;
  }

  /** The start of a routine that uses these of `calleeSaved`. */
  enter(used = calleeSaved): void {
    if (used.length > 0) this.emit('addi', 'sp', 'sp', -frameBytes);
    used.forEach((register, i) => {
      this.emit('sw', register, `${4 * i}(sp)`);
    });
  }

  /** Its end. */
  leave(used = calleeSaved): void {
    used.forEach((register, i) => {
      this.emit('lw', register, `${4 * i}(sp)`);
    });
    if (used.length > 0) this.emit('addi', 'sp', 'sp', frameBytes);
    this.emit('ret');
  }

  /** A constant, in one instruction or two. */
  load(register: string, value: number): void {
    const word = value | 0;
    const low = (word << 20) >> 20;
    if (word === low) {
      this.emit('li', register, word);
      return;
    }
    this.emit('lui', register, `0x${((word - low) >>> 12).toString(16)}`);
    if (low !== 0) this.emit('addi', register, register, low);
  }
}

/** 2 where the C extension has the instruction, as far as routines use it; else 4. */
function bytesOf(name: string, operands: readonly (string | number)[]): number {
  const [to, from, second] = operands;
  const isShort = (...registers: readonly unknown[]) => registers.every((r) => short.has(`${r}`));
  const fits = (value: unknown, bits: number) =>
    typeof value === 'number' && value >= -(2 ** (bits - 1)) && value < 2 ** (bits - 1);
  switch (name) {
    case 'mv':
    case 'ret':
    case 'j':
      return 2;
    case 'li':
      return fits(from, 6) ? 2 : 4;
    case 'add':
      return to === from || to === second ? 2 : 4;
    case 'addi':
    case 'slli':
      return to === from && fits(second, name === 'addi' ? 6 : 7) ? 2 : 4;
    case 'sub':
      return to === from && isShort(to, second) ? 2 : 4;
    case 'srai':
    case 'srli':
      return to === from && isShort(to) ? 2 : 4;
    default:
      return 4;
  }
}
