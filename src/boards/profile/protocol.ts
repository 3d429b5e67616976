/** The host's side of the frame protocol (docs/protocol.md): encoding and decoding only. */
import { crc32 } from 'node:zlib';
import { type CountUnit, countUnits } from '../../compiler/ir/op.js';
import { printableLine } from '../../printable.js';

export const protocolVersion = 1;

/** The most bytes of a frame's body; larger payloads are sent in chunks. */
export const maxBodyBytes = 1024;

export const commands = {
  hello: 0x01,
  info: 0x02,
  writeInput: 0x03,
  infer: 0x04,
  readOutput: 0x05,
  profile: 0x06,
  readCounts: 0x07,
  checksums: 0x08,
  readChecksums: 0x09,
  memory: 0x0a,
  reboot: 0x0b,
  reset: 0x0c,
} as const;

export type Command = keyof typeof commands;

/** Set in the type of an answer. */
export const answerBit = 0x80;
/** The type of an error answer. */
export const errorType = 0xff;

export const errorCodes = {
  version: 1,
  model: 2,
  command: 3,
  range: 4,
  length: 5,
  /** A simulated board whose image does not run. */
  mute: 6,
} as const;

export interface Frame {
  readonly version: number;
  readonly type: number;
  readonly sequence: number;
  /** First 4 bytes of the SHA-256 over the generated C, little-endian as on the wire. */
  readonly tag: number;
  readonly body: Uint8Array;
}

const headerBytes = 8;
const crcBytes = 4;
const maxFrameBytes = headerBytes + maxBodyBytes + crcBytes;

/** The most bytes of an encoded frame: COBS adds 1 byte in 254. */
const maxEncodedBytes = maxFrameBytes + Math.ceil(maxFrameBytes / 254);

/**
 * Consistent overhead byte stuffing (Cheshire and Baker 1999): the same bytes without a zero.
 * The terminating zero is not part of the result.
 */
export function encodeCobs(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + Math.ceil((bytes.length + 1) / 254));
  let codeAt = 0;
  let at = 1;
  for (const byte of bytes) {
    // A full block of 254 bytes implies no zero. It ends only when another byte follows, so that a
    // message of exactly 254 bytes does not get an empty block.
    if (at - codeAt === 255) {
      out[codeAt] = 255;
      codeAt = at++;
    }
    if (byte === 0) {
      out[codeAt] = at - codeAt;
      codeAt = at++;
    } else {
      out[at++] = byte;
    }
  }
  out[codeAt] = at - codeAt;
  return out.subarray(0, at);
}

/** The inverse of encodeCobs; null when `bytes` is not a COBS encoding. */
export function decodeCobs(bytes: Uint8Array): Uint8Array | null {
  const out = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at] ?? 0;
    const end = at + code;
    if (code === 0 || end > bytes.length) return null;
    const block = bytes.subarray(at + 1, end);
    if (block.includes(0)) return null;
    out.set(block, length);
    length += block.length;
    if (code < 255 && end < bytes.length) out[length++] = 0;
    at = end;
  }
  return out.subarray(0, length);
}

/** The encoded frame with its terminating zero. */
export function encodeFrame(frame: Omit<Frame, 'version'> & { version?: number }): Uint8Array {
  const { version = protocolVersion, type, sequence, tag, body } = frame;
  if (body.length > maxBodyBytes) {
    throw new RangeError(`a body of ${body.length} bytes is larger than ${maxBodyBytes}`);
  }
  const plain = new Uint8Array(headerBytes + body.length + crcBytes);
  const view = new DataView(plain.buffer);
  view.setUint8(0, version);
  view.setUint8(1, type);
  view.setUint16(2, sequence, true);
  view.setUint32(4, tag, true);
  plain.set(body, headerBytes);
  const crcAt = headerBytes + body.length;
  view.setUint32(crcAt, crc32(plain.subarray(0, crcAt)), true);
  const encoded = encodeCobs(plain);
  const wire = new Uint8Array(encoded.length + 1);
  wire.set(encoded);
  return wire;
}

/** One frame without its terminating zero; null when it does not decode or fails its CRC. */
export function decodeFrame(encoded: Uint8Array): Frame | null {
  const plain = decodeCobs(encoded);
  if (plain === null || plain.length < headerBytes + crcBytes) return null;
  const view = new DataView(plain.buffer, plain.byteOffset, plain.length);
  const crcAt = plain.length - crcBytes;
  if (view.getUint32(crcAt, true) !== crc32(plain.subarray(0, crcAt))) return null;
  return {
    version: view.getUint8(0),
    type: view.getUint8(1),
    sequence: view.getUint16(2, true),
    tag: view.getUint32(4, true),
    body: plain.slice(headerBytes, crcAt),
  };
}

/**
 * Splits a byte stream into frames. Invalid data is dropped up to the next zero, and counted so
 * that an error can tell what arrived instead of an answer.
 */
export class FrameReader {
  private readonly buffer = new Uint8Array(maxEncodedBytes);
  private length = 0;
  private overflowed = false;
  private dropped = 0;

  /** Invalid frames since the last reset: undecodable or too long. */
  get droppedFrames(): number {
    return this.dropped;
  }

  resetCounts(): void {
    this.dropped = 0;
  }

  /** Discards an unfinished frame, so that the next bytes are not taken for its rest. */
  abandon(): void {
    this.length = 0;
    this.overflowed = false;
  }

  /** The frames that `bytes` completes. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (const byte of bytes) {
      if (byte !== 0) {
        if (this.length < this.buffer.length) this.buffer[this.length++] = byte;
        else if (!this.overflowed) {
          this.overflowed = true;
          this.dropped++;
        }
        continue;
      }
      // A side sends a zero before a frame, to end any earlier garbage: an empty frame.
      if (this.length > 0 && !this.overflowed) {
        const frame = decodeFrame(this.buffer.subarray(0, this.length));
        if (frame === null) this.dropped++;
        else frames.push(frame);
      }
      this.abandon();
    }
    return frames;
  }
}

export interface Hello {
  /** Hash of the model file that the firmware was compiled from, hex. */
  readonly sha256: string;
  readonly clockHz: number;
  readonly unit: CountUnit;
  /** The largest body in either direction: the device's limit, at most that of the protocol. */
  readonly maxBodyBytes: number;
  /** One printable line each. */
  readonly target: string;
  /** Of bonsaic; null: older than 0.1.0. */
  readonly version: string | null;
  /** The model's name; null: as above. */
  readonly model: string | null;
}

export interface Info {
  readonly arenaBytes: number;
  readonly steps: number;
  readonly spans: number;
  readonly inputBytes: readonly number[];
  readonly outputBytes: readonly number[];
}

export interface DeviceMemory {
  /** Peak stack use so far, measured by painting. */
  readonly stackBytes: number;
  readonly stackSizeBytes: number;
  readonly staticRamBytes: number;
}

/** Reads the little-endian fields of a body in sequence. @throws RangeError past the end */
class BodyReader {
  private readonly view: DataView;
  private at = 0;

  constructor(private readonly body: Uint8Array) {
    this.view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  }

  private take(bytes: number): number {
    const at = this.at;
    if (at + bytes > this.body.length) {
      throw new RangeError(`a body of ${this.body.length} bytes ends within a field`);
    }
    this.at += bytes;
    return at;
  }

  u8 = (): number => this.view.getUint8(this.take(1));
  u16 = (): number => this.view.getUint16(this.take(2), true);
  u32 = (): number => this.view.getUint32(this.take(4), true);

  /** A u64 count of cycles; exact as a number for 2.8 years at 100 MHz. */
  count = (): number => {
    const value = this.view.getBigUint64(this.take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`a count of ${value}`);
    return Number(value);
  };

  bytes(length = this.body.length - this.at): Uint8Array {
    const at = this.take(length);
    return this.body.subarray(at, at + length);
  }

  list(length: number, item: () => number): number[] {
    return Array.from({ length }, item);
  }

  end<T>(value: T): T {
    if (this.at !== this.body.length) {
      throw new RangeError(`a body of ${this.body.length} bytes, ${this.at} expected`);
    }
    return value;
  }
}

/** Bodies of requests. */
export const requestBody = {
  empty: (): Uint8Array => new Uint8Array(0),

  writeInput(index: number, offset: number, bytes: Uint8Array): Uint8Array {
    const body = new Uint8Array(writeInputHeaderBytes + bytes.length);
    const view = new DataView(body.buffer);
    view.setUint16(0, index, true);
    view.setUint32(2, offset, true);
    body.set(bytes, writeInputHeaderBytes);
    return body;
  },

  readOutput(index: number, offset: number, length: number): Uint8Array {
    const body = new Uint8Array(8);
    const view = new DataView(body.buffer);
    view.setUint16(0, index, true);
    view.setUint32(2, offset, true);
    view.setUint16(6, length, true);
    return body;
  },

  /** `n` entries of the counts or the checksums, from `first` on. */
  range(first: number, n: number): Uint8Array {
    const body = new Uint8Array(4);
    const view = new DataView(body.buffer);
    view.setUint16(0, first, true);
    view.setUint16(2, n, true);
    return body;
  },
};

/** Bytes before the payload of a write. */
export const writeInputHeaderBytes = 6;

/** Slower clocks are refused, since times are counts divided by the clock. */
const leastClockHz = 1000;

/** Bodies of answers. @throws RangeError when a body has the wrong length or impossible values */
export const answerBody = {
  hello(body: Uint8Array): Hello {
    const reader = new BodyReader(body);
    const sha256 = Buffer.from(reader.bytes(32)).toString('hex');
    const clockHz = reader.u32();
    if (clockHz < leastClockHz) throw new RangeError(`a clock of ${clockHz} Hz`);
    const unitCode = reader.u8();
    const unit = countUnits[unitCode];
    if (unit === undefined) throw new RangeError(`the unknown unit ${unitCode}`);
    const bodyLimit = reader.u16();
    if (bodyLimit < 64) throw new RangeError(`a largest body of ${bodyLimit} bytes is too small`);
    const texts = Buffer.from(reader.bytes())
      .toString('utf8')
      .split('\0')
      .map((text) => printableLine(text));
    const [target = '', version = null, model = null] = texts;
    const limits = { clockHz, unit, maxBodyBytes: Math.min(bodyLimit, maxBodyBytes) };
    return { sha256, ...limits, target, version, model };
  },

  info(body: Uint8Array): Info {
    const reader = new BodyReader(body);
    const arenaBytes = reader.u32();
    const steps = reader.u16();
    const spans = reader.u16();
    const inputs = reader.u16();
    const outputs = reader.u16();
    const inputBytes = reader.list(inputs, reader.u32);
    const outputBytes = reader.list(outputs, reader.u32);
    return reader.end({ arenaBytes, steps, spans, inputBytes, outputBytes });
  },

  empty(body: Uint8Array): void {
    new BodyReader(body).end(undefined);
  },

  count(body: Uint8Array): number {
    const reader = new BodyReader(body);
    return reader.end(reader.count());
  },

  counts(body: Uint8Array, n: number): number[] {
    const reader = new BodyReader(body);
    return reader.end(reader.list(n, reader.count));
  },

  checksums(body: Uint8Array, n: number): number[] {
    const reader = new BodyReader(body);
    return reader.end(reader.list(n, reader.u32));
  },

  bytes(body: Uint8Array, length: number): Uint8Array {
    const reader = new BodyReader(body);
    return reader.end(reader.bytes(length));
  },

  memory(body: Uint8Array): DeviceMemory {
    const reader = new BodyReader(body);
    const stackBytes = reader.u32();
    const stackSizeBytes = reader.u32();
    const staticRamBytes = reader.u32();
    if (stackBytes > stackSizeBytes) {
      throw new RangeError(`${stackBytes} bytes used of a stack of ${stackSizeBytes}`);
    }
    return reader.end({ stackBytes, stackSizeBytes, staticRamBytes });
  },

  /** `text` is one printable line. */
  error(body: Uint8Array): { code: number; text: string } {
    const reader = new BodyReader(body);
    const code = reader.u8();
    return { code, text: printableLine(Buffer.from(reader.bytes()).toString('utf8')) };
  },
};

/** The manifest's tag, 8 hex digits, as the frame's u32. */
export function tagOf(hex: string): number {
  return Buffer.from(hex, 'hex').readUInt32LE(0);
}
