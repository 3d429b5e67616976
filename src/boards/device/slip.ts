/** SLIP (RFC 1055): frames on a byte stream, each between two END bytes, as Espressif's loaders use it. */
const end = 0xc0;
const escapeByte = 0xdb;
const escapedEnd = 0xdc;
const escapedEscape = 0xdd;

/** The byte between frames. */
export const slipEnd = end;

/** A frame on the line, with the bytes that begin and end it. */
export function slipEncode(body: Uint8Array): Uint8Array {
  const bytes: number[] = [end];
  for (const byte of body) {
    if (byte === end) bytes.push(escapeByte, escapedEnd);
    else if (byte === escapeByte) bytes.push(escapeByte, escapedEscape);
    else bytes.push(byte);
  }
  bytes.push(end);
  return Uint8Array.from(bytes);
}

/**
 * Takes frames from a stream.
 *
 * @property ends 'pairs': END begins a frame and the next END completes it, so a receiver that has
 *   missed one takes the gaps between frames for frames. 'separators': END completes whatever came
 *   before, garbage included, so nothing is out of step for longer than a frame.
 */
export class SlipReader {
  private bytes: number[] = [];
  private isInside: boolean;
  private isEscaped = false;

  /** @param mostBytes of a frame; a longer one is dropped */
  constructor(
    private readonly ends: 'pairs' | 'separators',
    private readonly mostBytes: number,
  ) {
    this.isInside = ends === 'separators';
  }

  reset(): void {
    this.bytes = [];
    this.isEscaped = false;
    this.isInside = this.ends === 'separators';
  }

  /** The frame that this byte completes; null: none. A frame without bytes is none. */
  take(byte: number): Uint8Array | null {
    if (byte === end) return this.complete();
    if (!this.isInside) return null;
    if (byte === escapeByte) this.isEscaped = true;
    else if (!this.isEscaped) this.bytes.push(byte);
    else {
      this.isEscaped = false;
      this.bytes.push(byte === escapedEnd ? end : byte === escapedEscape ? escapeByte : byte);
    }
    if (this.bytes.length > this.mostBytes) this.reset();
    return null;
  }

  private complete(): Uint8Array | null {
    const { bytes } = this;
    const wasInside = this.isInside;
    this.bytes = [];
    this.isEscaped = false;
    if (this.ends === 'pairs') this.isInside = !wasInside;
    return wasInside && bytes.length > 0 ? Uint8Array.from(bytes) : null;
  }
}
