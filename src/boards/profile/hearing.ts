/** What a line carries instead of an answer, and what that means to its user. */
import { printableLine } from '../../printable.js';
import type { Command } from './protocol.js';

export type Heard =
  | { readonly kind: 'nothing' | 'echo' | 'late' }
  /** Another program prints lines. */
  | { readonly kind: 'text'; readonly bytes: number; readonly text: string }
  /** Bytes without a valid frame, or the start of one. */
  | { readonly kind: 'garbage' | 'incomplete'; readonly bytes: number };

/** Bytes that are kept to show. */
const mostShown = 100;
/** Fewer different bytes may be noise of a line, and look like text by chance. */
const leastText = 6;

export class Hearing {
  private count = 0;
  private shown: number[] = [];
  private echoes = 0;
  private lateFrames = 0;

  reset(): void {
    this.count = 0;
    this.shown = [];
    this.echoes = 0;
    this.lateFrames = 0;
  }

  bytes(bytes: Uint8Array): void {
    this.count += bytes.length;
    if (this.shown.length < mostShown) {
      this.shown.push(...bytes.subarray(0, mostShown - this.shown.length));
    }
  }

  /** A frame that the host itself has sent. */
  echo(): void {
    this.echoes++;
  }

  /** An answer to a request that has timed out. */
  late(): void {
    this.lateFrames++;
  }

  heard(droppedFrames: number): Heard {
    const { count: bytes } = this;
    if (this.lateFrames > 0) return { kind: 'late' };
    if (this.echoes > 0) return { kind: 'echo' };
    if (bytes === 0) return { kind: 'nothing' };
    const text = printableLine(Buffer.from(this.shown.filter(isPrinted)).toString('latin1'));
    const isText = this.shown.every((byte) => byte === 0 || isPrinted(byte));
    if (isText && new Set(this.shown).size >= leastText) {
      return { kind: 'text', bytes, text };
    }
    return { kind: droppedFrames > 0 ? 'garbage' : 'incomplete', bytes };
  }
}

/** ASCII that programs print: tab, line feed, carriage return, escape sequences of colours. */
function isPrinted(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || [0x09, 0x0a, 0x0d, 0x1b].includes(byte);
}

interface Words {
  readonly message: string;
  readonly hint: string;
}

/**
 * The error for an answer that did not come.
 *
 * @param within 'within 3 s, asked 2 times'
 */
export function wordsFor(heard: Heard, command: Command, within: string): Words {
  switch (heard.kind) {
    case 'late':
      return {
        message: `answered only earlier requests, not ${command}, ${within}`,
        hint: 'the device is slower than expected: give it more time with --timeout',
      };
    case 'echo':
      return {
        message: `sends back what it is sent, no answer to ${command} ${within}`,
        hint: 'RX and TX are connected to each other, or another program echoes: flash the model',
      };
    case 'text':
      return {
        message: `sent text instead of an answer to ${command} ${within}: "${heard.text}"`,
        hint: 'another program runs on the board: flash the model first (bonsaic flash)',
      };
    case 'garbage':
      return {
        message: `sent ${heard.bytes} bytes of garbage instead of an answer to ${command} ${within}`,
        hint:
          'the baud rate is wrong (the firmware has that of targets/TARGET/target.json), ' +
          'or another firmware is running: flash the model first',
      };
    case 'incomplete':
      return {
        message: `sent ${heard.bytes} bytes but no complete frame as an answer to ${command} ${within}`,
        hint:
          'the baud rate is wrong, another firmware is running, or the line loses bytes: ' +
          'check the cable, flash again',
      };
    case 'nothing':
      return wordsForSilence(command, within);
  }
}

function wordsForSilence(command: Command, within: string): Words {
  if (command === 'infer' || command === 'profile' || command === 'checksums') {
    const hint = 'allow slower runs with --timeout, or reset the board';
    return { message: `did not finish ${command} ${within}`, hint };
  }
  return {
    message: `did not answer ${command} ${within}`,
    hint:
      'is the right port given (bonsaic ports) and this model flashed (bonsaic flash)? ' +
      'Over a UART: are RX and TX crossed?',
  };
}
