/** Bit streams in 16-bit words, lowest bits first. */

/** Fields of any number of bits, one after the other. */
export class BitWriter {
  private readonly words: number[] = [];
  /** The bits collected for the next word, and their number, below 16. */
  private held = 0;
  private bits = 0;

  /** The lowest `count` bits of `value`; count ≤ 16. */
  put(value: number, count: number): void {
    this.held |= (value & ((1 << count) - 1)) << this.bits;
    this.bits += count;
    if (this.bits < 16) return;
    this.words.push(this.held & 0xffff);
    this.held >>>= 16;
    this.bits -= 16;
  }

  /** The words, and one more: a reader fetches a word before it knows whether it needs it. */
  finish(): Uint16Array {
    const last = this.bits === 0 ? [] : [this.held];
    return Uint16Array.from(this.words.concat(last, 0));
  }
}

export class BitReader {
  private position = 0;

  constructor(private readonly words: Uint16Array) {}

  take(count: number): number {
    const value = this.peek(count);
    this.position += count;
    return value;
  }

  /** What `take` would return; past the end there are zeros. */
  peek(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      const at = this.position + i;
      value |= (((this.words[at >> 4] ?? 0) >> (at & 15)) & 1) << i;
    }
    return value;
  }
}

/** Bytes of the stream that `finish` returns. */
export function bitStreamBytes(bits: number): number {
  return 2 * (Math.ceil(bits / 16) + 1);
}

/** Fields of one width, as many per word as fit. */
export class FieldWriter {
  private readonly words: number[] = [];
  private count = 0;

  constructor(private readonly width: number) {}

  put(field: number): void {
    const place = this.count % fieldsInWord(this.width);
    if (place === 0) this.words.push(0);
    const last = this.words.length - 1;
    this.words[last] = (this.words[last] as number) | (field << (place * this.width));
    this.count += 1;
  }

  /** As BitWriter.finish. */
  finish(): Uint16Array {
    return Uint16Array.from([...this.words, 0]);
  }
}

export class FieldReader {
  private count = 0;

  constructor(
    private readonly words: Uint16Array,
    private readonly width: number,
  ) {}

  take(): number {
    const per = fieldsInWord(this.width);
    const word = this.words[Math.floor(this.count / per)] as number;
    const place = this.count % per;
    this.count += 1;
    return (word >> (place * this.width)) & (2 ** this.width - 1);
  }
}

/** @param width 1 to 16 bits */
export function fieldsInWord(width: number): number {
  return Math.floor(16 / width);
}

/** Bytes of the stream that `finish` returns. */
export function fieldStreamBytes(fields: number, width: number): number {
  return 2 * (Math.ceil(fields / fieldsInWord(width)) + 1);
}
