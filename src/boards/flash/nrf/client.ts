/**
 * The requests of Nordic's DFU over a serial line: nRF5 SDK 17, 'DFU protocol' and nrf_dfu_req_handler.h. Each is a SLIP frame that begins
 * with its code; the answer repeats it.
 */

import { SlipReader, slipEncode } from '../../device/slip.js';
import { dropInput, type Transport } from '../../device/transport.js';

const codes = {
  create: 0x01,
  setReceipts: 0x02,
  checksum: 0x03,
  execute: 0x04,
  select: 0x06,
  mtu: 0x07,
  write: 0x08,
  ping: 0x09,
  hardware: 0x0a,
  firmware: 0x0b,
} as const;

const answerCode = 0x60;
const noRequest = 0xff;
const success = 0x01;
const notSupported = 0x02;
const notPermitted = 0x08;
const extendedError = 0x0b;

/** By number; the SDK's nrf_dfu_ext_error_code_t. */
const extendedErrors: Readonly<Record<number, string>> = {
  4: 'the init packet is invalid',
  5: 'its firmware is newer than this one',
  6: 'it is other hardware',
  7: 'it has another SoftDevice',
  8: 'it wants a signed image',
  9: 'it does not know the hash',
  12: 'the hash of the image differs',
  13: 'the image is too large',
  14: 'it has this image already',
};

const answerMs = 1_000;
/** Longer than between two bytes of an answer. */
const quietMs = 20;
const tries = 3;
const mostAnswerBytes = 64;

export type ObjectType = 'command' | 'data';
const typeCodes: Readonly<Record<ObjectType, number>> = { command: 1, data: 2 };

/** The boot loader has refused a request. */
export class Refusal extends Error {
  constructor(
    readonly result: number,
    extended: number | undefined,
  ) {
    const text = result === extendedError ? extendedErrors[extended ?? 0] : undefined;
    super(text ?? `result ${result}${extended === undefined ? '' : `, error ${extended}`}`);
  }

  get isNotPermitted(): boolean {
    return this.result === notPermitted;
  }

  get isNotSupported(): boolean {
    return this.result === notSupported;
  }
}

/** The boot loader does not answer, or its answer was spoilt. */
export class NoAnswer extends Error {}

export interface Progress {
  readonly offset: number;
  readonly crc: number;
}

/** A firmware in the chip. */
export interface StoredFirmware {
  readonly type: 'softdevice' | 'application' | 'boot loader' | 'none';
  readonly address: number;
  readonly bytes: number;
}

const firmwareTypes = ['softdevice', 'application', 'boot loader'] as const;

export class DfuClient {
  private mtu = 0;
  private readonly reader = new SlipReader('separators', mostAnswerBytes);
  private pings = 0;

  constructor(private readonly transport: Transport) {}

  /** Whether a boot loader answers. */
  async ping(): Promise<boolean> {
    const id = ++this.pings & 0xff;
    try {
      const [answer] = await this.request(codes.ping, [id], 1, 300, 2);
      return answer === id;
    } catch (error) {
      if (error instanceof Refusal) return true;
      if (error instanceof NoAnswer) return false;
      throw error;
    }
  }

  async begin(): Promise<void> {
    await this.request(codes.setReceipts, [0, 0], 0);
    const answer = await this.request(codes.mtu, [], 2);
    this.mtu = new DataView(answer.buffer).getUint16(0, true);
    // A changed byte must not make frames of nothing, or longer than any boot loader takes.
    if (this.mtu < 16 || this.mtu > 4096) throw new NoAnswer(`frames of ${this.mtu} bytes`);
  }

  /** The part number of the chip: 0x52840; null: an older boot loader does not tell. */
  async part(): Promise<number | null> {
    const answer = await this.optional(codes.hardware, [], 20);
    return answer === null ? null : new DataView(answer.buffer).getUint32(0, true);
  }

  /** Image `index`; null: an older boot loader does not tell. */
  async firmware(index: number): Promise<StoredFirmware | null> {
    const answer = await this.optional(codes.firmware, [index], 13);
    if (answer === null) return null;
    const view = new DataView(answer.buffer);
    const type = firmwareTypes[answer[0] ?? 0xff] ?? 'none';
    return { type, address: view.getUint32(5, true), bytes: view.getUint32(9, true) };
  }

  /** @returns the most bytes of an object, and what the boot loader has */
  async select(type: ObjectType): Promise<Progress & { readonly mostBytes: number }> {
    const answer = await this.request(codes.select, [typeCodes[type]], 12);
    const view = new DataView(answer.buffer);
    const [mostBytes, offset, crc] = [0, 4, 8].map((at) => view.getUint32(at, true));
    return { mostBytes: mostBytes ?? 0, offset: offset ?? 0, crc: crc ?? 0 };
  }

  /** Begins an object anew: for data its page is erased. */
  async create(type: ObjectType, bytes: number): Promise<void> {
    const size = [bytes & 0xff, (bytes >> 8) & 0xff, (bytes >> 16) & 0xff, bytes >>> 24];
    await this.request(codes.create, [typeCodes[type], ...size], 0, answerMs, 1);
  }

  /** Sends the content of an object; nothing is answered. */
  async write(content: Uint8Array): Promise<void> {
    // Each byte may take two in the frame.
    const most = Math.floor((this.mtu - 1) / 2) - 1;
    for (let at = 0; at < content.length; at += most) {
      const frame = Uint8Array.of(codes.write, ...content.subarray(at, at + most));
      await this.transport.write(frameOf(frame));
    }
  }

  /** @param waitMs how long what was written takes on the line */
  async checksum(waitMs: number): Promise<Progress> {
    const answer = await this.request(codes.checksum, [], 8, answerMs + waitMs);
    const view = new DataView(answer.buffer);
    return { offset: view.getUint32(0, true), crc: view.getUint32(4, true) };
  }

  async execute(): Promise<void> {
    await this.request(codes.execute, [], 0, 5 * answerMs, 1);
  }

  /** Ends what half a frame may have begun; alone it is a request that there is not, and is refused. */
  async flush(): Promise<void> {
    await this.transport.write(frameOf(Uint8Array.of(noRequest)));
    await dropInput(this.transport, quietMs, answerMs);
  }

  private async optional(code: number, args: readonly number[], bytes: number) {
    try {
      return await this.request(code, args, bytes);
    } catch (error) {
      if (error instanceof Refusal && error.isNotSupported) return null;
      throw error;
    }
  }

  /**
   * @param bytes of the answer behind its result
   * @throws Refusal, or NoAnswer after so many attempts
   */
  private async request(
    code: number,
    args: readonly number[],
    bytes: number,
    timeoutMs = answerMs,
    attempts = tries,
  ): Promise<Uint8Array> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await this.flush();
      await this.transport.write(frameOf(Uint8Array.of(code, ...args)));
      const answer = await this.answerTo(code, bytes, timeoutMs);
      if (answer !== null) return answer;
    }
    throw new NoAnswer('the boot loader does not answer');
  }

  /** The next answer to such a request; null: the time is up. Others are late, or of spoilt requests. */
  private async answerTo(
    code: number,
    bytes: number,
    timeoutMs: number,
  ): Promise<Uint8Array | null> {
    const { transport } = this;
    const end = transport.now() + timeoutMs;
    for (;;) {
      const [byte] = await transport.read(1, Math.max(0, end - transport.now()));
      if (byte === undefined) return null;
      const frame = this.reader.take(byte);
      if (frame === null || frame[0] !== answerCode || frame[1] !== code) continue;
      const result = frame[2] ?? 0;
      if (result === success && frame.length === 3 + bytes) return frame.slice(3);
      if (result !== success && frame.length <= 4) throw new Refusal(result, frame[3]);
    }
  }
}

/** Without an END before: the boot loader would take an empty frame for its last request. */
function frameOf(request: Uint8Array): Uint8Array {
  return slipEncode(request).subarray(1);
}
