/**
 * The commands of the boot loader in an STM32's system memory over a UART (ST's AN3155). Each frame
 * has a checksum that the chip answers with ACK or NACK; what it reads out has none.
 */
import { isSame } from '../../../bytes.js';
import { dropInput, readExactly, type Transport } from '../../device/transport.js';

const ack = 0x79;
const nack = 0x1f;
/** Measures the baud rate after a reset; later it is half of a refused command. */
const firstByte = 0x7f;
/**
 * Ends whatever frame the chip still waits for: FF FF is no command, no checksum of address FF FF
 * FF FF, and no list of sectors. At worst it completes a write of FF, which programs nothing.
 */
const filler = 0xff;

const commands = { get: 0x00, getId: 0x02, read: 0x11, go: 0x21, write: 0x31 } as const;
const eraseCode = 0x43;
const extendedEraseCode = 0x44;

/** The most bytes of a read or a write. */
export const blockBytes = 256;
/** How long the chip may take over an answer, besides erasing; adapters hold bytes up to 16 ms. */
const answerMs = 500;
/** A pause after which no more bytes are on their way. */
const quietMs = 60;
/** The longest list of sectors that a changed byte can announce: 65 536 numbers and a checksum. */
const longestList = 2 * 65_536 + 1;
/** Reads of one block. */
const mostReads = 10;
/** Before attempts to get an answer at all. */
const pausesMs = [0, 500, 2000];
/** Attempts of one command. */
const mostAttempts = 12;
/** After which the chip does not know what it is asked. */
const fewRefusals = 4;

/** An exchange that failed and may be tried again. */
export class Trouble extends Error {
  constructor(
    readonly kind: 'refused' | 'silent' | 'garbage',
    what: string,
  ) {
    super(what);
  }
}

export class Stm32Loader {
  private eraseCommand = extendedEraseCode;

  /**
   * @param deadlineMs the moment of the transport's clock after which nothing is tried again
   */
  constructor(
    private readonly transport: Transport,
    private readonly baudRate: number,
    public deadlineMs: number,
  ) {}

  /**
   * Whether a boot loader answers, fresh from a reset or left by another session.
   *
   * @param isPatient whether it may erase or wait for a long list, which takes seconds to tell
   */
  async synchronize(isPatient: boolean): Promise<boolean> {
    await dropInput(this.transport, quietMs, 2 * answerMs);
    for (let attempt = 0; attempt < 2; attempt++) {
      const answer = await this.ask(Uint8Array.of(firstByte));
      if (answer === ack) return true;
      // It has measured its rate before: align answers the rest.
      if (answer === nack) break;
    }
    return this.align(isPatient ? longestList : undefined);
  }

  /** The codes of the commands that the chip knows. */
  get(): Promise<ReadonlySet<number>> {
    return this.retry(async () => {
      await this.command(commands.get);
      const [last = 0] = await this.expect(1);
      // The version of the boot loader comes first.
      const [, ...codes] = await this.expect(last + 1);
      await this.expectAck(answerMs, 'the list of its commands');
      this.eraseCommand = codes.includes(extendedEraseCode) ? extendedEraseCode : eraseCode;
      return new Set(codes);
    });
  }

  /** The chip's id, the same twice in a row, since the answer has no checksum. */
  chipId(): Promise<number> {
    return this.retry(async () => {
      const [first, second] = [await this.askChipId(), await this.askChipId()];
      if (first !== second) throw new Trouble('garbage', 'answers two different ids');
      return first;
    });
  }

  private async askChipId(): Promise<number> {
    await this.command(commands.getId);
    const [last] = await this.expect(1);
    if (last !== 1) throw new Trouble('garbage', 'answers with an id of other length');
    const [high = 0, low = 0] = await this.expect(2);
    await this.expectAck(answerMs, 'its id');
    return (high << 8) | low;
  }

  /**
   * What the flash holds where these bytes, up to 256, belong. The answer has no checksum, so
   * anything else counts only if it is read twice.
   */
  async compare(address: number, bytes: Uint8Array): Promise<'equal' | 'erased' | 'other'> {
    const others: Uint8Array[] = [];
    while (others.length < mostReads) {
      const found = await this.retry(() => this.readOnce(address, bytes.length));
      if (isSame(found, bytes)) return 'equal';
      if (found.every((byte) => byte === 0xff)) return 'erased';
      if (others.some((other) => isSame(other, found))) return 'other';
      others.push(found);
    }
    return 'other';
  }

  /** A word of memory; null where the chip refuses it. @throws Trouble if it differs each time */
  async word(address: number): Promise<number | null> {
    const seen = new Set<number>();
    try {
      while (seen.size < mostReads) {
        const bytes = await this.retry(() => this.readOnce(address, 4), 5);
        const word = Buffer.from(bytes).readUInt32LE();
        if (seen.has(word)) return word;
        seen.add(word);
      }
    } catch (error) {
      if (error instanceof Trouble && error.kind === 'refused') return null;
      throw error;
    }
    throw new Trouble('garbage', 'reads differently each time');
  }

  /** Whether the chip refuses to read, which is what its readout protection does. */
  async refusesToRead(address: number): Promise<boolean> {
    return (await this.word(address)) === null;
  }

  private async readOnce(address: number, count: number): Promise<Uint8Array> {
    await this.command(commands.read);
    await this.sendAddress(address);
    await this.send(Uint8Array.of(count - 1, ~(count - 1)));
    await this.expectAck(answerMs, 'a length');
    return this.expect(count);
  }

  /**
   * Up to 256 bytes into erased flash. An attempt that failed may have written, so the flash is
   * read before the next one: memory with ECC takes no second write.
   *
   * @returns false when the block holds neither these bytes nor nothing: erase its sector again
   */
  async write(address: number, bytes: Uint8Array): Promise<boolean> {
    return this.retry(async (attempt) => {
      if (attempt > 0) {
        const content = await this.compare(address, bytes);
        // A byte that the line has doubled must not count as the answer to what follows.
        await dropInput(this.transport, quietMs, answerMs);
        if (content !== 'erased') return content === 'equal';
      }
      await this.writeOnce(address, bytes);
      return true;
    });
  }

  /** One sector, by the boot loader's number. One at a time: a short list cannot become a long one. */
  erase(sector: number, longestMs: number, mostRefusals = mostAttempts): Promise<void> {
    const isShort = this.eraseCommand === eraseCode;
    const list = isShort ? [0, sector] : [0, 0, sector >> 8, sector];
    return this.eraseList(list, longestMs, mostRefusals);
  }

  /** @returns whether the boot loader takes this number */
  tryErase(sector: number, longestMs: number): Promise<boolean> {
    return isTaken(this.erase(sector, longestMs, fewRefusals));
  }

  /**
   * All of a bank. No byte that the line changes, loses or doubles makes another valid list of it.
   *
   * @returns whether the boot loader takes this code
   */
  async eraseBank(code: number, longestMs: number): Promise<boolean> {
    if (this.eraseCommand === eraseCode) return false;
    return isTaken(this.eraseList([code >> 8, code & 0xff], longestMs, fewRefusals));
  }

  private eraseList(
    list: readonly number[],
    longestMs: number,
    mostRefusals: number,
  ): Promise<void> {
    const erase = async () => {
      await this.command(this.eraseCommand);
      await this.send(withChecksum(Uint8Array.from(list)));
      await this.expectAck(longestMs + answerMs, 'an erase');
    };
    return this.retry(erase, mostAttempts, longestList, mostRefusals);
  }

  /** @returns whether the boot loader takes these bytes, to a place that is no flash */
  store(address: number, bytes: Uint8Array): Promise<boolean> {
    const write = () => this.writeOnce(address, bytes);
    return isTaken(this.retry(write, mostAttempts, undefined, fewRefusals));
  }

  private async writeOnce(address: number, bytes: Uint8Array): Promise<void> {
    await this.command(commands.write);
    await this.sendAddress(address);
    await this.send(withChecksum(Uint8Array.of(bytes.length - 1, ...bytes)));
    await this.expectAck(answerMs, 'a block');
  }

  /** Starts the image. @throws Trouble when the chip has not confirmed it */
  async go(address: number): Promise<void> {
    await this.retry(async () => {
      await this.command(commands.go);
      // A byte that the line has doubled must not count as the answer to the address.
      await dropInput(this.transport, quietMs, answerMs);
      await this.sendAddress(address);
    });
  }

  /** Runs an exchange until it succeeds, or is refused so often. @throws Trouble the last one */
  private async retry<T>(
    work: (attempt: number) => Promise<T>,
    most = mostAttempts,
    mostFillers?: number,
    mostRefusals = most,
  ): Promise<T> {
    let refusals = 0;
    for (let attempt = 0; ; attempt++) {
      try {
        return await work(attempt);
      } catch (error) {
        if (!(error instanceof Trouble) || attempt + 1 >= most) throw error;
        if (error.kind === 'refused' && ++refusals >= mostRefusals) throw error;
        if (this.transport.now() > this.deadlineMs) throw error;
        if (!(await this.recover(mostFillers))) throw error;
      }
    }
  }

  /** Aligns, three times at most: bytes may come late. */
  private async recover(mostFillers?: number): Promise<boolean> {
    for (const pauseMs of pausesMs) {
      await this.transport.sleep(pauseMs);
      if (await this.align()) return true;
    }
    return mostFillers !== undefined && this.align(mostFillers);
  }

  /**
   * Brings the chip to where it expects a command, whatever it has received of the last one.
   *
   * @param mostFillers that the chip may still wait for
   * @returns whether it answers
   */
  private async align(mostFillers = blockBytes + 2): Promise<boolean> {
    await dropInput(this.transport, quietMs, 2 * answerMs);
    let sent = 0;
    for (let fillers = blockBytes + 2; ; fillers *= 2) {
      // The one that is answered completes a command, or the frame.
      for (let single = 0; single < 3; single++) {
        if ((await this.ask(Uint8Array.of(filler))) === null) continue;
        await dropInput(this.transport, quietMs, 2 * answerMs);
        return true;
      }
      if (sent >= mostFillers) return false;
      await this.ask(new Uint8Array(fillers).fill(filler));
      sent += fillers;
    }
  }

  /** The last of the bytes that come back soon; null: none. */
  private async ask(bytes: Uint8Array): Promise<number | null> {
    await this.send(bytes);
    let last: number | null = null;
    let waitMs = quietMs + this.wireMs(bytes.length);
    const end = this.transport.now() + answerMs + waitMs;
    while (this.transport.now() < end) {
      const some = await this.transport.read(blockBytes, waitMs);
      if (some.length === 0) break;
      last = some.at(-1) ?? last;
      waitMs = quietMs;
    }
    return last;
  }

  private async command(code: number): Promise<void> {
    await dropInput(this.transport, 0, 0);
    await this.send(Uint8Array.of(code, ~code));
    await this.expectAck(answerMs, `command 0x${code.toString(16).padStart(2, '0')}`);
  }

  private async sendAddress(address: number): Promise<void> {
    const bytes = Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
    await this.send(withChecksum(bytes));
    await this.expectAck(answerMs, `address 0x${address.toString(16)}`);
  }

  private send(bytes: Uint8Array): Promise<void> {
    this.sentBytes = bytes.length;
    return this.transport.write(bytes);
  }

  private sentBytes = 0;

  private async expect(count: number, withinMs = answerMs): Promise<Uint8Array> {
    const timeoutMs = withinMs + this.wireMs(this.sentBytes + count);
    const bytes = await readExactly(this.transport, count, timeoutMs);
    if (bytes.length < count) {
      throw new Trouble('silent', `sent ${bytes.length} of ${count} bytes`);
    }
    return bytes;
  }

  private async expectAck(withinMs: number, what: string): Promise<void> {
    const [answer] = await this.expect(1, withinMs);
    if (answer === nack) throw new Trouble('refused', `refuses ${what}`);
    if (answer !== ack) throw new Trouble('garbage', `answers ${what} with ${answer}`);
  }

  /** A start bit, eight of data, parity and a stop bit each. */
  private wireMs(bytes: number): number {
    return (bytes * 11 * 1000) / this.baudRate;
  }
}

/** @returns false for what the chip refuses. @throws Trouble of another kind */
async function isTaken(request: Promise<void>): Promise<boolean> {
  try {
    await request;
    return true;
  } catch (error) {
    if (error instanceof Trouble && error.kind === 'refused') return false;
    throw error;
  }
}

function withChecksum(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(
    ...bytes,
    bytes.reduce((sum, byte) => sum ^ byte, 0),
  );
}
