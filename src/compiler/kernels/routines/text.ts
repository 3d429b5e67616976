import { once } from '../variant.js';

/** Text of a routine, with its size and its time. */
export class RoutineText {
  private readonly lines: string[] = [];
  private labels = 0;
  /** Machine code so far. */
  bytes = 0;
  /** Cycles of the code so far, executed once. */
  cycles = 0;

  /** @param isKept whether there is a text: size and time alone take a tenth of the memory */
  constructor(protected readonly isKept: boolean) {}

  protected line(text: string): void {
    if (this.isKept) this.lines.push(text);
  }

  /** Code that `text` emits is not executed on the main path, so `cycles` excludes it. */
  aside(text: () => void): void {
    const { cycles } = this;
    text();
    this.cycles = cycles;
  }

  comment(text: string): void {
    this.line(`    /* ${text} */`);
  }

  /** A number for a new label: branch to `${label}f` or `${label}b`. */
  newLabel(): number {
    this.labels += 1;
    return this.labels;
  }

  place(label: number): void {
    this.line(`${label}:`);
  }

  get text(): string {
    return `${this.lines.join('\n')}\n`;
  }
}

/** A routine that `write` emits: counted now, written again for its text. */
export function written<A extends RoutineText>(
  make: (isKept: boolean) => A,
  write: (assembly: A) => void,
): { readonly bytes: number; readonly cycles: number; text(): string } {
  const counted = make(false);
  write(counted);
  const { bytes, cycles } = counted;
  const text = once(() => {
    const kept = make(true);
    write(kept);
    return kept.text;
  });
  return { bytes, cycles, text };
}
