/** Text of a routine for RV32IMC, with its size and its instructions. */

/** x8 to x15, which most compressed instructions are limited to. */
const short = new Set(['s0', 's1', 'a0', 'a1', 'a2', 'a3', 'a4', 'a5']);

export class Assembly {
  private readonly lines: string[] = [];
  private labels = 0;
  /** Machine code so far: what the assembler compresses is counted with its short length. */
  bytes = 0;
  /** Instructions so far; those on the way of a branch that is not taken. */
  cycles = 0;

  emit(name: string, ...operands: readonly (string | number)[]): void {
    this.lines.push(`    ${name} ${operands.join(', ')}`);
    this.bytes += bytesOf(name, operands);
    this.cycles += 1;
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

  /** What is emitted by `text` is not on the way that `cycles` counts. */
  aside(text: () => void): void {
    const { cycles } = this;
    text();
    this.cycles = cycles;
  }

  comment(text: string): void {
    this.lines.push(`    /* ${text} */`);
  }

  /** A number for a label of its own: branch to `${label}f` or `${label}b`. */
  newLabel(): number {
    this.labels += 1;
    return this.labels;
  }

  place(label: number): void {
    this.lines.push(`${label}:`);
  }

  get text(): string {
    return `${this.lines.join('\n')}\n`;
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
