/**
 * Numbered packets to Adafruit's boot loader: one at a time, sent again until it is acknowledged. Each acknowledgement tells the
 * number that the boot loader wants next, so a packet that was heard twice counts once, and a reset shows.
 */
import { hciPacket, nextNumber, readHciAck } from '../../device/hci.js';
import { SlipReader, slipEncode, slipEnd } from '../../device/slip.js';
import type { Transport } from '../../device/transport.js';

/** The first word of a packet; the boot loader ignores one of type 0 (INVALID_PACKET). */
const types = { nothing: 0, init: 1, start: 3, data: 4, stop: 5 } as const;
export type PacketType = keyof typeof types;

/** How long the boot loader may take over an acknowledgement, besides its work; a port on a network is slower. */
const [answerMs, slowAnswerMs] = [400, 1_000];
const quickTries = 12;
/** A bad line damages most packets: one of them is given up for a whole session. */
const mostTries = 24;
const mostPings = 8;
const mostAckBytes = 16;
/** What it wants first after a reset. */
const firstNumber = 1;

/** The boot loader does not answer. */
export class Silent extends Error {
  constructor() {
    super('the boot loader does not answer');
  }
}

/** The boot loader has begun anew, which is how it refuses. */
export class Restarted extends Error {}

export class AdafruitClient {
  private readonly reader = new SlipReader('separators', mostAckBytes);
  /** The number that the boot loader wants next, as far as is known. */
  private wanted = firstNumber;

  constructor(private readonly transport: Transport) {}

  /** Whether a boot loader answers a packet without effect, which also tells the number that it wants. */
  async ping(tries = mostPings, waitMs = slowAnswerMs): Promise<boolean> {
    for (let i = 0; i < tries; i++) {
      await this.write('nothing', new Uint8Array());
      const found = await this.ack(waitMs);
      if (found === null) continue;
      this.wanted = found;
      return true;
    }
    return false;
  }

  /**
   * Has a reset after the next packet show: then the boot loader wants 1, which must not be what it
   * wants otherwise.
   *
   * @throws Silent
   */
  async makeResetsShow(): Promise<void> {
    do {
      if (!(await this.ping())) throw new Silent();
    } while (
      this.wanted === firstNumber - 1 ||
      nextNumber(nextNumber(this.wanted)) === firstNumber
    );
  }

  /**
   * After makeResetsShow and one packet.
   *
   * @param workMs how long the boot loader may work before it answers
   * @throws Restarted, Silent
   */
  async requireNoReset(workMs: number): Promise<void> {
    await this.send('nothing', new Uint8Array(), workMs);
  }

  /**
   * @returns how often the packet was sent
   * @throws Silent; Restarted when the boot loader wants a number that it cannot want otherwise
   */
  async send(type: PacketType, data: Uint8Array, workMs = 0): Promise<number> {
    const next = nextNumber(this.wanted);
    for (let i = 0; i < mostTries; i++) {
      // Ends what half a packet may have begun.
      if (i > 0) await this.transport.write(Uint8Array.of(slipEnd));
      await this.write(type, data);
      const waitMs = i < quickTries ? answerMs : slowAnswerMs;
      const end = this.transport.now() + waitMs + workMs;
      for (;;) {
        const found = await this.ack(end - this.transport.now());
        if (found === null) break;
        if (found === next) {
          this.wanted = next;
          return i + 1;
        }
        // One that is late is that of the packet before.
        if (found !== this.wanted) throw new Restarted('has begun anew');
      }
    }
    throw new Silent();
  }

  private write(type: PacketType, data: Uint8Array): Promise<void> {
    const packet = Uint8Array.of(types[type], 0, 0, 0, ...data);
    return this.transport.write(slipEncode(hciPacket(this.wanted, packet)));
  }

  /** The next acknowledgement; null: none within the time. */
  private async ack(withinMs: number): Promise<number | null> {
    const end = this.transport.now() + withinMs;
    for (;;) {
      const [byte] = await this.transport.read(1, Math.max(0, end - this.transport.now()));
      if (byte === undefined) return null;
      const frame = this.reader.take(byte);
      const found = frame === null ? null : readHciAck(frame);
      if (found !== null) return found;
    }
  }
}
