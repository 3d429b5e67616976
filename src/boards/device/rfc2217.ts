/**
 * A serial port of another host, with its settings: telnet's COM port option (RFC 2217, client).
 * Sections in comments are of that RFC.
 */
import { BonsaiError } from '../../errors.js';
import { Listeners } from './device.js';
import type { LineSettings, Link, ModemLines, NetworkPort } from './link.js';
import { connectTo, onEnd, wordsOf, writerTo } from './socket.js';
import {
  escaped,
  negotiation,
  options,
  subnegotiation,
  TelnetReader,
  type Verb,
} from './telnet.js';

/** Section 2 and 3; the server's answers have 100 more. */
const commands = { baudRate: 1, dataSize: 2, parity: 3, stopSize: 4, control: 5 } as const;
const answerOffset = 100;

type Command = keyof typeof commands;

const parities = { none: 1, even: 3 } as const;
const control = { dtr: { on: 8, off: 9 }, rts: { on: 11, off: 12 } } as const;

/** How long the server may take for an answer. */
const answerMs = 5_000;
/** How long the server may take to refuse. */
const greetingMs = 100;
/** ser2net does not answer where its port has no modem lines. */
const modemLinesMs = 1_000;

/** What each side has agreed to do; options of others are refused. */
const ours: readonly number[] = [options.comPort, options.binary, options.suppressGoAhead];
const theirs: readonly number[] = [options.binary, options.suppressGoAhead];
/** Without these there is no serial line. */
const needed: readonly number[] = [options.comPort, options.binary];

/**
 * Connects, negotiates the options and sets the line: 8 data bits, 1 stop bit.
 *
 * @throws BonsaiError 'device' when nobody listens, the server knows no RFC 2217, or refuses
 */
export async function openRfc2217(
  name: string,
  address: NetworkPort,
  settings: LineSettings,
): Promise<Link> {
  const socket = await connectTo(name, address);
  const listeners = new Listeners();
  const writer = writerTo(socket);
  const client = new Client(name, (bytes) => writer.write(bytes), listeners);
  socket.on('data', (bytes: Buffer) => client.receive(bytes));
  onEnd(socket, (reason) => client.lose(reason));
  try {
    await client.negotiate();
    await client.setLine(settings);
  } catch (error) {
    client.ignoreLoss();
    await writer.close();
    throw error;
  }
  return {
    name,
    simulation: null,
    ...writer,
    write: (bytes) => writer.write(escaped(bytes)),
    onData: (listener) => listeners.onData(listener),
    onLost: (listener) => listeners.onLost(listener),
    setBaudRate: (baudRate) => client.setBaudRate(baudRate),
    setModemLines: (lines) => client.setModemLines(lines),
    async close() {
      client.ignoreLoss();
      await writer.close();
    },
  };
}

interface Waiting {
  /** The code of the awaited answer; null: the agreement on options. */
  readonly command: number | null;
  /** The value of the answer, or why there is none. */
  readonly settle: (outcome: Uint8Array | string) => void;
}

class Client {
  private readonly reader = new TelnetReader({
    data: (bytes) => this.receiveData(bytes),
    negotiate: (verb, option) => this.agree(verb, option),
    subnegotiate: (bytes) => this.receiveAnswer(bytes),
  });
  private readonly weDo = new Map<number, boolean | 'asked'>();
  private readonly theyDo = new Map<number, boolean | 'asked'>();
  private waiting: Waiting | null = null;
  private lostReason: string | null = null;
  private isWaitingForRefusal = true;
  private isOpen = false;
  private isClosing = false;
  /** Text before the line is open: a server's reason to refuse, or another protocol's greeting. */
  private greeting = '';

  constructor(
    private readonly name: string,
    private readonly send: (bytes: Uint8Array) => void,
    private readonly listeners: Listeners,
  ) {}

  receive(bytes: Uint8Array): void {
    this.reader.push(bytes);
  }

  /** After this the end of the connection is the host's own. */
  ignoreLoss(): void {
    this.isClosing = true;
  }

  lose(reason: string): void {
    this.lostReason ??= reason;
    this.waiting?.settle(this.lostReason);
    if (!this.isClosing) this.listeners.emitLost(`${this.name}: ${this.lostReason}`);
  }

  /** Section 1: the client offers the option, the server accepts. */
  async negotiate(): Promise<void> {
    // A server that refuses a second client closes after a line, which is lost if it is written to.
    await this.wait(null, greetingMs);
    this.isWaitingForRefusal = false;
    for (const option of ours) this.request('will', option);
    for (const option of theirs) this.request('do', option);
    const outcome = this.isAgreed() ? null : await this.wait(null, answerMs);
    if (typeof outcome !== 'string') return;
    this.throwRefusal(outcome);
    throw this.error(
      `does not speak RFC 2217: ${outcome}${wordsOf(this.greeting)}`,
      'ser2net: accepter telnet(rfc2217),tcp,PORT; for bytes alone use socket://HOST:PORT',
    );
  }

  /** The error of a server that has said something and closed. */
  private throwRefusal(outcome: string): void {
    const said = wordsOf(this.greeting);
    if (this.lostReason === null || said === '') return;
    throw this.error(`${outcome}${said}`, 'another program may use the port behind it');
  }

  async setLine({ baudRate, parity }: LineSettings): Promise<void> {
    await this.setBaudRate(baudRate);
    await this.ask('dataSize', 8);
    const found = (await this.ask('parity', parities[parity]))[0];
    if (found !== parities[parity]) {
      throw this.error(`refuses ${parity} parity`, 'its serial port cannot do that');
    }
    await this.ask('stopSize', 1);
    this.isOpen = true;
  }

  /** Servers differ in the value that confirms a signal, so any confirmation counts. */
  async setModemLines({ dtr, rts }: ModemLines): Promise<void> {
    for (const value of [control.dtr[dtr ? 'on' : 'off'], control.rts[rts ? 'on' : 'off']]) {
      const outcome = await this.exchange('control', [value], modemLinesMs);
      if (typeof outcome !== 'string') continue;
      throw this.error(`does not set DTR and RTS: ${outcome}`, 'reset the board by hand');
    }
  }

  async setBaudRate(baudRate: number): Promise<void> {
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, baudRate);
    const answer = await this.ask('baudRate', ...value);
    // At least one server pads the answer with zeros.
    const found = answer.length >= 4 ? new DataView(answer.buffer).getUint32(0) : 0;
    if (found !== baudRate) {
      throw this.error(
        `refuses ${baudRate} baud: its serial port runs at ${found}`,
        'choose a rate that the adapter at the other end can do',
      );
    }
  }

  /** The value of the server's answer. @throws BonsaiError 'device' when none comes */
  async ask(command: Command, ...value: readonly number[]): Promise<Uint8Array> {
    const outcome = await this.exchange(command, value, answerMs);
    if (typeof outcome !== 'string') return outcome;
    if (!this.isOpen) this.throwRefusal(outcome);
    throw this.error(`does not confirm the serial line's settings: ${outcome}`, 'check the server');
  }

  private exchange(
    command: Command,
    value: readonly number[],
    timeoutMs: number,
  ): Promise<Uint8Array | string> {
    const code = commands[command];
    this.send(subnegotiation(Uint8Array.of(options.comPort, code, ...value)));
    return this.wait(code + answerOffset, timeoutMs);
  }

  /** The answer with this code, or the reason why it did not come; null: the agreement. */
  private wait(command: number | null, timeoutMs: number): Promise<Uint8Array | string> {
    return new Promise((resolve) => {
      const late = () => this.waiting?.settle(`no answer within ${timeoutMs / 1000} s`);
      const timer = setTimeout(late, timeoutMs);
      this.waiting = {
        command,
        settle: (outcome) => {
          clearTimeout(timer);
          this.waiting = null;
          resolve(outcome);
        },
      };
      if (this.lostReason !== null) this.waiting.settle(this.lostReason);
    });
  }

  private receiveData(bytes: Uint8Array): void {
    if (!this.isOpen)
      this.greeting = `${this.greeting}${Buffer.from(bytes).toString('latin1')}`.slice(0, 200);
    this.listeners.emitData(bytes);
  }

  private receiveAnswer(bytes: Uint8Array): void {
    const [option, command] = bytes;
    // Servers also notify: states of the line and of the modem, suspended flow.
    if (option !== options.comPort || this.waiting === null) return;
    if (command === this.waiting.command) this.waiting.settle(bytes.slice(2));
  }

  private isAgreed(): boolean {
    return needed.every((option) => this.weDo.get(option) === true);
  }

  private request(verb: 'will' | 'do', option: number): void {
    const states = verb === 'will' ? this.weDo : this.theyDo;
    // The server may have offered it first.
    if (states.get(option) === true) return;
    states.set(option, 'asked');
    this.send(negotiation(verb, option));
  }

  /** RFC 854: an answer is owed only to a request for a change. */
  private agree(verb: Verb, option: number): void {
    const mine = verb === 'do' || verb === 'dont';
    const wish = verb === 'do' || verb === 'will';
    const states = mine ? this.weDo : this.theyDo;
    const before = states.get(option) ?? false;
    const after = wish && (mine ? ours : [...theirs, options.comPort]).includes(option);
    states.set(option, after);
    if (before !== 'asked' && (before !== after || wish !== after)) {
      const answer = mine ? (after ? 'will' : 'wont') : after ? 'do' : 'dont';
      this.send(negotiation(answer, option));
    }
    if (this.waiting?.command !== null || this.isWaitingForRefusal) return;
    if (mine && !wish && needed.includes(option)) {
      this.waiting.settle(
        option === options.comPort ? 'it refuses the option' : 'it is not binary',
      );
    } else if (this.isAgreed()) {
      this.waiting.settle(new Uint8Array(0));
    }
  }

  private error(message: string, hint: string): BonsaiError {
    return new BonsaiError('device', this.name, message, hint);
  }
}
