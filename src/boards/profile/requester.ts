/** Sends one request at a time and awaits its answer: sequence numbers, time-outs, retries. */
import { randomInt } from 'node:crypto';
import { BonsaiError } from '../../errors.js';
import type { Device } from '../device/device.js';
import { type Heard, Hearing, wordsFor } from './hearing.js';
import {
  answerBit,
  answerBody,
  type Command,
  commands,
  encodeFrame,
  errorCodes,
  errorType,
  type Frame,
  FrameReader,
  protocolVersion,
} from './protocol.js';

const differ = 'its firmware and this bonsaic differ: build and flash again';

/** The tag of a request that any model answers. */
export const anyTag = 0;

export interface Request {
  readonly command: Command;
  readonly tag: number;
  readonly body: Uint8Array;
  /** How long to wait for each attempt's answer: a board answers a repeated request again. */
  readonly waitsMs: readonly number[];
  /** Called once if no answer has come after a second, with what is awaited and how long at most. */
  readonly tell?: (text: string) => void;
}

/** People take shorter waits for none. */
const tellAfterMs = 1_000;

interface Waiting {
  readonly sequence: number;
  /** The type of the request. */
  readonly type: number;
  settle(outcome: Frame | 'timeout' | 'lost'): void;
}

export class Requester {
  private readonly reader = new FrameReader();
  private waiting: Waiting | null = null;
  private lostReason: string | null = null;
  private readonly hearing = new Hearing();

  /**
   * The first number is random, so that late answers to a program that was killed are not taken for
   * answers to this one.
   */
  constructor(
    private readonly device: Device,
    private sequence = randomInt(0x10000),
  ) {
    device.onData((bytes) => {
      this.hearing.bytes(bytes);
      for (const frame of this.reader.push(bytes)) this.receive(frame);
    });
    device.onLost((reason) => {
      this.lostReason = reason;
      this.waiting?.settle('lost');
    });
  }

  /**
   * The decoded body of the answer. @throws BonsaiError 'device' that tells what arrived instead
   */
  async request<T>(request: Request, decode: (body: Uint8Array) => T): Promise<T> {
    return (await this.exchange(request, decode)).value;
  }

  /** Like `request`, with the tag and the protocol's version of the answer. */
  async exchange<T>(
    request: Request,
    decode: (body: Uint8Array) => T,
  ): Promise<{ value: T; tag: number; version: number }> {
    const { command } = request;
    this.reader.resetCounts();
    this.hearing.reset();
    this.sequence = (this.sequence + 1) & 0xffff;
    const telling = setTimeout(() => request.tell?.(waitText(request)), tellAfterMs);
    try {
      const { body, tag, version } = await this.answer(request);
      return { value: this.decoded(command, () => decode(body)), tag, version };
    } finally {
      clearTimeout(telling);
    }
  }

  /** The answer to a request, sent as often as it says. */
  private async answer(request: Request): Promise<Frame> {
    for (const waitMs of request.waitsMs) {
      this.reader.abandon();
      const outcome = await this.attempt(request, waitMs);
      if (outcome === 'lost') throw this.lost(request.command);
      if (outcome === 'timeout') continue;
      this.refuseErrors(request, outcome);
      return outcome;
    }
    throw this.timeout(request);
  }

  /** Decodes an answer's body, and turns a RangeError into an error of the device. */
  private decoded<T>(command: Command, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw this.error(`answers ${command} with ${error.message}`, differ);
    }
  }

  private attempt(request: Request, waitMs: number): Promise<Frame | 'timeout' | 'lost'> {
    if (this.lostReason !== null) return Promise.resolve('lost');
    const { sequence } = this;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.waiting?.settle('timeout'), waitMs);
      const type = commands[request.command];
      this.waiting = {
        ...{ sequence, type },
        settle: (outcome) => {
          clearTimeout(timer);
          this.waiting = null;
          resolve(outcome);
        },
      };
      const { tag, body } = request;
      const frame = encodeFrame({ type, sequence, tag, body });
      // The zero ends half a frame that an earlier session or a bad line may have left.
      this.device.write(Uint8Array.of(0, ...frame));
    });
  }

  private receive(frame: Frame): void {
    const { waiting } = this;
    if (waiting === null || frame.sequence !== waiting.sequence) this.hearing.late();
    // What the host has sent comes back where RX meets TX, and before an answer on some adapters.
    else if (frame.type === waiting.type) this.hearing.echo();
    else waiting.settle(frame);
  }

  private refuseErrors({ command, tag }: Request, frame: Frame): void {
    if (frame.version !== protocolVersion) {
      throw this.error(
        `speaks version ${frame.version} of the protocol, bonsaic speaks ${protocolVersion}`,
        'build and flash again with this bonsaic',
      );
    }
    if (frame.type === errorType) {
      if (frame.body.length === 0) {
        throw this.error(`refuses ${command} without an error code`, differ);
      }
      const { code, text } = answerBody.error(frame.body);
      if (code === errorCodes.model) {
        throw this.otherModel(command);
      }
      if (code === errorCodes.mute) {
        const hint =
          'bonsaic help simulate: the boards whose image runs, and those in their boot loader alone';
        throw this.error(`is a simulated board that runs no firmware: ${text}`, hint);
      }
      throw this.error(`refuses ${command}: error ${code}${text ? `, ${text}` : ''}`, differ);
    }
    if (frame.type !== (commands[command] | answerBit)) {
      throw this.error(
        `answers ${command} with a frame of type 0x${frame.type.toString(16)}`,
        differ,
      );
    }
    if (tag !== anyTag && frame.tag !== tag) throw this.otherModel(command);
  }

  private otherModel(command: Command): BonsaiError {
    return this.error(
      `refuses ${command}: it runs another model now`,
      `flash this model again: bonsaic flash DIR --port ${this.device.name}`,
    );
  }

  /** What arrived since the last request instead of its answer. */
  heard(): Heard {
    return this.hearing.heard(this.reader.droppedFrames);
  }

  /** The error after the last time-out; the hint depends on what arrived instead of the answer. */
  private timeout({ command, waitsMs }: Request): BonsaiError {
    const times = waitsMs.length > 1 ? `, asked ${waitsMs.length} times` : '';
    const within = `within ${secondsOf(waitsMs)} s${times}`;
    const { message, hint } = wordsFor(this.heard(), command, within);
    const sharers = this.device.sharers?.() ?? '';
    if (sharers === '') return this.error(message, hint);
    return this.error(
      `${message}; the port is also open in ${sharers}`,
      'end that program, which takes part of the answers, then try again',
    );
  }

  private lost(command: Command): BonsaiError {
    return this.error(
      `went away during ${command}: ${this.lostReason}`,
      'check the cable and the power supply, then try again',
    );
  }

  private error(message: string, hint: string): BonsaiError {
    return new BonsaiError('device', this.device.name, message, hint);
  }
}

const secondsOf = (waitsMs: readonly number[]) =>
  waitsMs.reduce((sum, waitMs) => sum + waitMs, 0) / 1000;

function waitText({ command, waitsMs }: Request): string {
  return `waiting for the answer to ${command}, ${secondsOf(waitsMs)} s at most`;
}
