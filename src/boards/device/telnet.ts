/** Telnet's bytes (RFC 854): data and commands in one stream, told apart by IAC. */

export const telnet = {
  se: 240,
  sb: 250,
  will: 251,
  wont: 252,
  do: 253,
  dont: 254,
  iac: 255,
} as const;

export type Verb = 'will' | 'wont' | 'do' | 'dont';

/** The options of a serial line: RFC 856, RFC 858 and RFC 2217. */
export const options = { binary: 0, suppressGoAhead: 3, comPort: 44 } as const;

/** What a reader finds. */
export interface TelnetEvents {
  data(bytes: Uint8Array): void;
  negotiate(verb: Verb, option: number): void;
  /** The bytes of a subnegotiation, its option first. */
  subnegotiate(bytes: Uint8Array): void;
}

const verbs: ReadonlyMap<number, Verb> = new Map([
  [telnet.will, 'will'],
  [telnet.wont, 'wont'],
  [telnet.do, 'do'],
  [telnet.dont, 'dont'],
]);

/** Longer subnegotiations are cut: those of RFC 2217 have 6 bytes, or a server's name. */
const longestSubnegotiation = 256;

/** Splits a telnet stream; commands without an option (NOP, …) are dropped. */
export class TelnetReader {
  private state: 'data' | 'iac' | Verb | 'sb' | 'sb-iac' = 'data';
  private subnegotiation: number[] = [];

  constructor(private readonly events: TelnetEvents) {}

  push(bytes: Uint8Array): void {
    let data: number[] = [];
    for (const byte of bytes) {
      if (this.state === 'data' && byte !== telnet.iac) {
        data.push(byte);
        continue;
      }
      if (this.state === 'iac' && byte === telnet.iac) {
        this.state = 'data';
        data.push(byte);
        continue;
      }
      // What a command follows must arrive before it.
      if (data.length > 0) this.events.data(Uint8Array.from(data));
      data = [];
      this.command(byte);
    }
    if (data.length > 0) this.events.data(Uint8Array.from(data));
  }

  /** A byte that is no data. */
  private command(byte: number): void {
    switch (this.state) {
      case 'data':
        this.state = 'iac';
        return;
      case 'iac':
        this.subnegotiation = [];
        this.state = byte === telnet.sb ? 'sb' : (verbs.get(byte) ?? 'data');
        return;
      case 'sb':
        if (byte === telnet.iac) this.state = 'sb-iac';
        else this.keep(byte);
        return;
      case 'sb-iac':
        // A doubled IAC is a byte; any other command ends the subnegotiation, as SE does.
        this.state = byte === telnet.iac ? 'sb' : 'data';
        if (byte === telnet.iac) this.keep(byte);
        else this.events.subnegotiate(Uint8Array.from(this.subnegotiation));
        return;
      default: {
        const verb = this.state;
        this.state = 'data';
        this.events.negotiate(verb, byte);
      }
    }
  }

  private keep(byte: number): void {
    if (this.subnegotiation.length < longestSubnegotiation) this.subnegotiation.push(byte);
  }
}

/** Data with each IAC doubled. */
export function escaped(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(telnet.iac)) return bytes;
  return Uint8Array.from(
    [...bytes].flatMap((byte) => (byte === telnet.iac ? [byte, byte] : [byte])),
  );
}

export function negotiation(verb: Verb, option: number): Uint8Array {
  return Uint8Array.of(telnet.iac, telnet[verb], option);
}

export function subnegotiation(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(telnet.iac, telnet.sb, ...escaped(bytes), telnet.iac, telnet.se);
}
