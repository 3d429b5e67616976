/** Text of a Thumb routine (Armv6-M), with its size and its cycles on a Cortex-M0+. */

export class Assembly {
  private readonly lines: string[] = [];
  private labels = 0;
  /** Machine code so far. */
  bytes = 0;
  /**
   * Cycles of the code emitted so far, executed once; of branches only those by `branch` are taken.
   */
  cycles = 0;

  /** Instructions of one cycle and two bytes. */
  emit(...instructions: readonly string[]): void {
    for (const instruction of instructions) this.lines.push(`    ${instruction}`);
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

  /** Code that `text` emits is not executed on the main path, so `cycles` excludes it. */
  aside(text: () => void): void {
    const { cycles } = this;
    text();
    this.cycles = cycles;
  }

  comment(text: string): void {
    this.lines.push(`    /* ${text} */`);
  }

  /** A number for a new label: branch to `${label}f` or `${label}b`. */
  newLabel(): number {
    this.labels += 1;
    return this.labels;
  }

  place(label: number): void {
    this.lines.push(`${label}:`);
  }

  /** Words of a literal pool, aligned to four bytes, with `label` before them. */
  pool(label: number, words: readonly number[]): void {
    this.lines.push('    .balign 4', `${label}:`);
    this.bytes = Math.ceil(this.bytes / 4) * 4 + 4 * words.length;
    for (let i = 0; i < words.length; i += 6) {
      const row = words.slice(i, i + 6).map((word) => `0x${(word >>> 0).toString(16)}`);
      this.lines.push(`    .word ${row.join(', ')}`);
    }
  }

  get text(): string {
    return `${this.lines.join('\n')}\n`;
  }
}
