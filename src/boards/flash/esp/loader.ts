/**
 * The commands of the loader in an ESP32 chip's ROM, and of Espressif's flasher stub, which takes the
 * ROM's place ('Serial Protocol' in esptool's documentation).
 *
 * The protocol has holes, which is why it is spoken here and not by esptool-js (0.7), whose waiting,
 * too, goes by its own timers. An answer has no number and no checksum: it counts if it has
 * the command's code, and what it tells counts if it is told twice. Only data blocks have a checksum. A
 * block must not be sent again unless the chip has refused it, since it would be written behind
 * itself. A lost END leaves the stub taking gaps for frames, until there is one END more. So blocks are
 * never trusted, but the MD5 of the flash.
 */

import { BonsaiError } from '../../../errors.js';
import { SlipReader, slipEncode, slipEnd } from '../../device/slip.js';
import { dropInput, type Transport } from '../../device/transport.js';
import type { Stub } from './stub.js';

const commands = {
  beginPlain: 0x02,
  dataPlain: 0x03,
  beginMemory: 0x05,
  endMemory: 0x06,
  dataMemory: 0x07,
  synchronize: 0x08,
  writeRegister: 0x09,
  readRegister: 0x0a,
  setFlash: 0x0b,
  attachFlash: 0x0d,
  changeBaudRate: 0x0f,
  beginCompressed: 0x10,
  dataCompressed: 0x11,
  md5: 0x13,
  securityInfo: 0x14,
} as const;

/** Errors after which the chip has taken nothing: format or checksum, of the ROM and of the stub. */
const harmless = new Set([0x05, 0x07, 0xc0, 0xc1]);
/** How long the chip may take over an answer, besides its work; adapters hold bytes up to 16 ms. */
const answerMs = 500;
/** The same for the first attempts to synchronize, and for the others: a port on a network is slower. */
const [syncMs, slowSyncMs] = [60, 300];
/** What a port on a network may add to each answer. */
const mostLatencyMs = 300;
/** A pause after which no more bytes are on their way. */
const quietMs = 20;
/** Before attempts to get an answer at all. */
const pausesMs = [0, 500, 2000];
const mostAttempts = 12;
/** A block that is refused was damaged on the line, as most are on a bad one. */
const mostBlockAttempts = 20;
/** Longer for a block: giving up too early costs the blocks before it, too. */
const blockAnswerMs = 2500;
/** The longest answer is that to MD5. */
const mostFrameBytes = 256;
const greeting = 'OHAI';
const memoryBlockBytes = 2048;
/** SPI1: command, user registers, length of the answer, data (Technical Reference Manual). */
const spi = { command: 0x00, user: 0x18, user2: 0x20, answerBits: 0x28, data: 0x58 } as const;
const spiRun = 2 ** 18;
const [spiHasCommand, spiHasAnswer] = [2 ** 31, 2 ** 28];
/** Eight bits of command: JEDEC's request for the id. */
const spiReadId = 7 * 2 ** 28 + 0x9f;

/** An exchange that failed and may be tried again. */
export class Trouble extends Error {
  /** @param code of the chip's refusal; null: it has not answered */
  constructor(
    readonly code: number | null,
    what: string,
  ) {
    super(what);
  }
}

export interface SecurityInfo {
  readonly flags: number;
  readonly encryptionBits: number;
  readonly chipId: number;
}

interface Reply {
  readonly value: number;
  readonly data: Uint8Array;
}

interface Request {
  readonly code: number;
  readonly body?: Uint8Array;
  readonly checksum?: number;
  /** Bytes of the answer, besides its status. */
  readonly answerBytes?: number;
  /** How long the chip may work. */
  readonly workMs?: number;
  readonly waitMs?: number;
}

export class EspLoader {
  /** Whether the stub answers. */
  isStub = false;
  private readonly reader = new SlipReader('separators', mostFrameBytes);
  private frames: Uint8Array[] = [];
  /** The longest time until a loader answered SYNC, beyond that of the bytes on the line. */
  private latencyMs = 0;

  /** @param deadlineMs the moment of the transport's clock after which nothing is tried again */
  constructor(
    private readonly transport: Transport,
    private baudRate: number,
    public deadlineMs: number,
  ) {}

  /**
   * Whether a loader answers.
   *
   * @param mostTries with an END more before each second one, for a chip that is out of step
   */
  async synchronize(mostTries: number): Promise<boolean> {
    const { transport } = this;
    const body = Uint8Array.of(0x07, 0x07, 0x12, 0x20, ...new Uint8Array(32).fill(0x55));
    for (let i = 0; i < mostTries; i++) {
      await (i === 0 ? this.dropFrames() : this.quieten());
      if (i % 2 === 1) await transport.write(Uint8Array.of(slipEnd));
      const begin = transport.now();
      await this.send({ code: commands.synchronize, body });
      const waitMs = (i < 2 ? syncMs : slowSyncMs) + 2 * this.latencyMs + this.wireMs(64);
      const reply = await this.reply(commands.synchronize, 0, waitMs).catch(asNull);
      if (reply === null) continue;
      const latencyMs = transport.now() - begin - this.wireMs(64);
      this.latencyMs = Math.max(this.latencyMs, Math.min(latencyMs, mostLatencyMs));
      this.isStub = reply.value === 0;
      // Seven more answers come.
      await this.quieten();
      // After a pause it may be the answer to what was asked before, at another rate.
      if (i === 0 || (await this.synchronize(1))) return true;
    }
    return false;
  }

  async securityInfo(): Promise<SecurityInfo> {
    const request = { code: commands.securityInfo, answerBytes: 20 };
    const info = Buffer.from((await this.steady(request)).data);
    return {
      flags: info.readUInt32LE(0),
      encryptionBits: info.readUInt8(4),
      chipId: info.readUInt32LE(12),
    };
  }

  async readRegister(address: number): Promise<number> {
    const request = { code: commands.readRegister, body: words(address) };
    return (await this.steady(request)).value;
  }

  /** @param mask the bits that change */
  async writeRegister(address: number, value: number, mask = 0xffff_ffff): Promise<void> {
    const body = words(address, value, mask, 0);
    await this.retry(() => this.exchange({ code: commands.writeRegister, body }));
  }

  /** Connects the flash to the loader. */
  async attachFlash(): Promise<void> {
    const body = this.isStub ? words(0) : words(0, 0);
    await this.retry(() => this.exchange({ code: commands.attachFlash, body }));
  }

  async setFlashBytes(bytes: number): Promise<void> {
    // Its id, its size, that of a block, a sector and a page, and the bits of its status.
    const body = words(0, bytes, 65_536, 4096, 256, 0xffff);
    await this.retry(() => this.exchange({ code: commands.setFlash, body }));
  }

  /** The flash's JEDEC id: manufacturer, type and capacity, from the lowest byte. */
  async flashId(base: number): Promise<number> {
    const [user, user2] = [
      await this.readRegister(base + spi.user),
      await this.readRegister(base + spi.user2),
    ];
    await this.writeRegister(base + spi.answerBits, 23);
    await this.writeRegister(base + spi.user, spiHasCommand + spiHasAnswer);
    await this.writeRegister(base + spi.user2, spiReadId);
    await this.writeRegister(base + spi.data, 0);
    await this.writeRegister(base + spi.command, spiRun);
    const id = await this.readRegister(base + spi.data);
    await this.writeRegister(base + spi.user, user);
    await this.writeRegister(base + spi.user2, user2);
    return id & 0xff_ffff;
  }

  /**
   * Changes the rate of both sides. Of the old and the new one, that is kept at which the loader
   * answers.
   *
   * @returns whether it is the new one
   */
  async changeBaudRate(baudRate: number): Promise<boolean> {
    const before = this.baudRate;
    // The chip is told only what this side can do.
    if (!(await hasSetBaudRate(this.transport, baudRate))) return false;
    await hasSetBaudRate(this.transport, before);
    // The stub is told the old rate, the ROM nothing.
    const body = words(baudRate, this.isStub ? before : 0);
    await this.exchange({ code: commands.changeBaudRate, body }).catch(asNull);
    for (const rate of [baudRate, before, baudRate]) {
      await hasSetBaudRate(this.transport, rate);
      this.baudRate = rate;
      if (await this.synchronize(6)) return rate === baudRate;
    }
    throw new Trouble(null, `does not answer at ${baudRate} baud`);
  }

  /**
   * Loads the stub into RAM and starts it. Nothing tells what the RAM holds, so a line that has
   * damaged anything on the way gets no stub.
   *
   * @returns whether it runs; if not, the ROM's loader goes on
   * @throws Trouble when nothing answers any more: the chip needs a reset
   */
  async startStub(stub: Stub): Promise<boolean> {
    try {
      for (const { at, bytes } of stub.segments) await this.load(at, bytes);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      await this.align();
      return this.isStub;
    }
    const body = words(0, stub.entry);
    await this.exchange({ code: commands.endMemory, body }).catch(asNull);
    const frame = await this.frame(this.transport.now() + answerMs).catch(asNull);
    if (frame !== null && Buffer.from(frame).toString('latin1') === greeting) {
      this.isStub = true;
      return true;
    }
    // The greeting may be lost; a loader tells by its answer what it is.
    await this.align();
    return this.isStub;
  }

  private async load(at: number, bytes: Uint8Array): Promise<void> {
    const blocks = Math.ceil(bytes.length / memoryBlockBytes);
    const body = words(bytes.length, blocks, memoryBlockBytes, at);
    await this.exchange({ code: commands.beginMemory, body });
    for (let i = 0; i < blocks; i++) {
      const block = bytes.subarray(i * memoryBlockBytes, (i + 1) * memoryBlockBytes);
      await this.exchange(blockRequest(commands.dataMemory, block, i));
    }
  }

  /**
   * Begins a download of compressed data.
   *
   * @param blocks and `blockBytes`: of the compressed data
   * @param workMs the longest time that an erase takes
   */
  async begin(
    at: number,
    bytes: number,
    { blocks, blockBytes }: { readonly blocks: number; readonly blockBytes: number },
    workMs: number,
  ): Promise<void> {
    // The ROM also wants to know whether it encrypts.
    const body = words(bytes, blocks, blockBytes, at, ...(this.isStub ? [] : [0]));
    await this.retry(() => this.exchange({ code: commands.beginCompressed, body, workMs }));
  }

  /**
   * A block of a download, again as long as the chip refuses it for what the line has done to it.
   *
   * @throws Trouble when it may be written or not: begin again
   */
  async data(block: Uint8Array, number: number, workMs: number): Promise<void> {
    const request = blockRequest(commands.dataCompressed, block, number);
    for (let attempt = 0; ; attempt++) {
      try {
        await this.exchange({ ...request, workMs, waitMs: blockAnswerMs });
        return;
      } catch (error) {
        const isHarmless = error instanceof Trouble && harmless.has(error.code ?? 0);
        if (!isHarmless || attempt + 1 >= mostBlockAttempts) throw error;
        await this.quieten();
      }
    }
  }

  /** The MD5 of a range of the flash, as hexadecimal digits. */
  async md5(at: number, bytes: number, workMs: number): Promise<string> {
    const answerBytes = this.isStub ? 16 : 32;
    const request = { code: commands.md5, body: words(at, bytes, 0, 0), answerBytes, workMs };
    const { data } = await this.retry(() => this.exchange(request));
    return Buffer.from(data).toString(this.isStub ? 'hex' : 'latin1');
  }

  /** A register by one command, without another try. */
  async pokeOnce(address: number, value: number): Promise<void> {
    const body = words(address, value, 0xffff_ffff, 0);
    await this.exchange({ code: commands.writeRegister, body });
  }

  /** Runs an exchange until it succeeds. @throws Trouble the last one */
  private async retry<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Trouble) || attempt + 1 >= mostAttempts) throw error;
        if (this.transport.now() > this.deadlineMs) throw error;
        await this.align();
      }
    }
  }

  /** The first answer that came twice more than any other. */
  private async steady(request: Request): Promise<Reply> {
    const counts = new Map<string, number>();
    for (let i = 0; i < 3 * mostAttempts; i++) {
      const reply = await this.retry(() => this.exchange(request));
      const text = `${reply.value} ${Buffer.from(reply.data).toString('hex')}`;
      const count = (counts.get(text) ?? 0) + 1;
      counts.delete(text);
      if (count >= 2 + Math.max(0, ...counts.values())) return reply;
      counts.set(text, count);
    }
    throw new Trouble(null, 'answers differently each time');
  }

  /**
   * Brings both sides in step again, three times at most: bytes may come late.
   *
   * @throws Trouble when nothing answers
   */
  async align(): Promise<void> {
    for (const pauseMs of pausesMs) {
      if (this.transport.now() > this.deadlineMs) break;
      await this.transport.sleep(pauseMs);
      if (await this.synchronize(6)) return;
    }
    throw new Trouble(null, 'does not answer any more');
  }

  private async quieten(): Promise<void> {
    await dropInput(this.transport, quietMs, 5 * quietMs);
    await this.dropFrames();
  }

  private async dropFrames(): Promise<void> {
    await dropInput(this.transport, 0, 0);
    this.frames = [];
    this.reader.reset();
  }

  private async exchange(request: Request): Promise<Reply> {
    await this.dropFrames();
    const { code, body = new Uint8Array(), answerBytes = 0 } = request;
    const { workMs = 0, waitMs = answerMs } = request;
    await this.send(request);
    const lineMs = this.wireMs(2 * (body.length + answerBytes) + 64);
    return this.reply(code, answerBytes, waitMs + workMs + lineMs);
  }

  private async send({ code, body = new Uint8Array(), checksum = 0 }: Request): Promise<void> {
    const frame = Buffer.alloc(8 + body.length);
    frame.writeUInt8(code, 1);
    frame.writeUInt16LE(body.length, 2);
    frame.writeUInt32LE(checksum, 4);
    frame.set(body, 8);
    await this.transport.write(slipEncode(frame));
  }

  /** @throws Trouble when the chip refuses, or does not answer in time */
  private async reply(code: number, answerBytes: number, timeoutMs: number): Promise<Reply> {
    const end = this.transport.now() + timeoutMs;
    for (;;) {
      const frame = await this.frame(end);
      const reply = replyOf(frame, code, answerBytes);
      if (reply !== null) return reply;
    }
  }

  private async frame(end: number): Promise<Uint8Array> {
    for (;;) {
      const first = this.frames.shift();
      if (first !== undefined) return first;
      const bytes = await this.transport.read(4096, Math.max(0, end - this.transport.now()));
      if (bytes.length === 0) throw new Trouble(null, 'does not answer');
      for (const byte of bytes) {
        const frame = this.reader.take(byte);
        if (frame !== null) this.frames.push(frame);
      }
    }
  }

  /** A start bit, eight of data and a stop bit each. */
  private wireMs(bytes: number): number {
    return (bytes * 10 * 1000) / this.baudRate;
  }
}

/** Changes this side's rate, if the port can. */
export async function hasSetBaudRate(
  { setBaudRate }: Transport,
  baudRate: number,
): Promise<boolean> {
  if (setBaudRate === null) return false;
  return setBaudRate(baudRate).then(
    () => true,
    (error: unknown) => {
      if (error instanceof BonsaiError) return false;
      throw error;
    },
  );
}

/**
 * The answer in a frame; null: it answers something else, or is garbage.
 *
 * @throws Trouble for a refusal
 */
function replyOf(frame: Uint8Array, code: number, answerBytes: number): Reply | null {
  if (frame.length < 10 || frame[0] !== 1 || frame[1] !== code) return null;
  const view = Buffer.from(frame);
  const data = view.subarray(8);
  if (view.readUInt16LE(2) !== data.length) return null;
  // The ROM sends two bytes of status and two zeros, the stub two; with a refusal nothing else.
  const statusBytes = data.length - answerBytes;
  const isRefusal = (data.length === 2 || data.length === 4) && data[0] !== 0;
  if (!isRefusal && statusBytes !== 2 && statusBytes !== 4) return null;
  const [status = 0, reason = 0] = data.subarray(isRefusal ? 0 : answerBytes);
  if (status !== 0) {
    const error = status === 1 ? reason : status;
    throw new Trouble(error, `refuses command ${hex(code)} with error ${hex(error)}`);
  }
  return { value: view.readUInt32LE(4), data: data.subarray(0, answerBytes) };
}

/** A block with its header and its checksum. */
function blockRequest(code: number, block: Uint8Array, number: number): Request {
  const body = Buffer.concat([words(block.length, number, 0, 0), block]);
  return { code, body, checksum: block.reduce((sum, byte) => sum ^ byte, 0xef) };
}

const hex = (value: number) => `0x${value.toString(16).padStart(2, '0')}`;

function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** Trouble is no answer. */
function asNull(error: unknown): null {
  if (error instanceof Trouble) return null;
  throw error;
}
