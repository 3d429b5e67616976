/** Sends one request at a time and awaits its answer: sequence numbers, time-outs, retries. */
import type { Device } from '../device/device.js';
import { BonsaiError } from '../errors.js';
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
  /** Time-out of one attempt. */
  readonly timeoutMs: number;
  /** 2 for idempotent requests, 1 for others. */
  readonly attempts: number;
}

interface Waiting {
  readonly sequence: number;
  settle(outcome: Frame | 'timeout' | 'lost'): void;
}

export class Requester {
  private readonly reader = new FrameReader();
  private sequence = 0;
  private waiting: Waiting | null = null;
  private lostReason: string | null = null;
  /** Answers to requests that have timed out. */
  private late = 0;

  constructor(private readonly device: Device) {
    device.onData((bytes) => {
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

  /** Like `request`, with the tag of the answer. */
  async exchange<T>(
    request: Request,
    decode: (body: Uint8Array) => T,
  ): Promise<{ value: T; tag: number }> {
    const { command } = request;
    this.reader.resetCounts();
    this.late = 0;
    for (let attempt = 0; attempt < request.attempts; attempt++) {
      this.reader.abandon();
      const outcome = await this.attempt(request);
      if (outcome === 'lost') throw this.lost(command);
      if (outcome === 'timeout') continue;
      this.refuseErrors(command, outcome);
      return { value: this.decoded(command, () => decode(outcome.body)), tag: outcome.tag };
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

  private attempt(request: Request): Promise<Frame | 'timeout' | 'lost'> {
    if (this.lostReason !== null) return Promise.resolve('lost');
    this.sequence = (this.sequence + 1) & 0xffff;
    const { sequence } = this;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.waiting?.settle('timeout'), request.timeoutMs);
      this.waiting = {
        sequence,
        settle: (outcome) => {
          clearTimeout(timer);
          this.waiting = null;
          resolve(outcome);
        },
      };
      const { tag, body } = request;
      const frame = encodeFrame({ type: commands[request.command], sequence, tag, body });
      // The zero ends half a frame that an earlier session or a bad line may have left.
      this.device.write(Uint8Array.of(0, ...frame));
    });
  }

  private receive(frame: Frame): void {
    if (this.waiting !== null && frame.sequence === this.waiting.sequence) {
      this.waiting.settle(frame);
    } else this.late++;
  }

  private refuseErrors(command: Command, frame: Frame): void {
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
        throw this.error(
          `refuses ${command}: it runs another model now`,
          `flash this model again: bonsaic flash DIR --port ${this.device.name}`,
        );
      }
      throw this.error(`refuses ${command}: error ${code}${text ? `, ${text}` : ''}`, differ);
    }
    if (frame.type !== (commands[command] | answerBit)) {
      throw this.error(
        `answers ${command} with a frame of type 0x${frame.type.toString(16)}`,
        differ,
      );
    }
  }

  /** The error after the last time-out; the hint depends on what arrived instead of the answer. */
  private timeout({ command, timeoutMs, attempts }: Request): BonsaiError {
    const { receivedBytes, droppedFrames } = this.reader;
    const within = `within ${timeoutMs / 1000} s${attempts > 1 ? `, asked ${attempts} times` : ''}`;
    if (this.late > 0) {
      return this.error(
        `answered only earlier requests, not ${command}, ${within}`,
        'the device is slower than expected: give it more time with --timeout',
      );
    }
    if (droppedFrames > 0) {
      return this.error(
        `sent ${receivedBytes} bytes of garbage instead of an answer to ${command} ${within}`,
        'another firmware is running, or the baud rate is wrong: flash the model first',
      );
    }
    if (receivedBytes > 0) {
      return this.error(
        `sent ${receivedBytes} bytes but no complete frame as an answer to ${command} ${within}`,
        'another firmware is running or the line loses bytes: check the cable, flash again',
      );
    }
    if (command === 'infer' || command === 'profile' || command === 'checksums') {
      return this.error(
        `did not finish ${command} ${within}`,
        'allow slower runs with --timeout, or reset the board',
      );
    }
    return this.error(
      `did not answer ${command} ${within}`,
      'is the right port given (bonsaic ports) and this model flashed (bonsaic flash)? ' +
        'Over a UART: are RX and TX crossed?',
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
