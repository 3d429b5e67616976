/** Text of a routine, with its size and its time. */
export class RoutineText {
  protected readonly lines: string[] = [];
  private labels = 0;
  /** Machine code so far. */
  bytes = 0;
  /** Cycles of the code so far, executed once. */
  cycles = 0;

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

  get text(): string {
    return `${this.lines.join('\n')}\n`;
  }
}
