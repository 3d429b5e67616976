/** Servers on loopback that have a device behind them, as ser2net has a serial port. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Device } from '../../src/boards/device/device.js';
import {
  escaped,
  negotiation,
  options,
  subnegotiation,
  TelnetReader,
} from '../../src/boards/device/telnet.js';

export interface PortServer {
  readonly port: number;
  /** Settings in order of arrival: [command, …value]. */
  readonly asked: number[][];
  /** Ends all connections, as a server that is killed. */
  drop(): void;
  close(): Promise<void>;
}

/** What a server does that others do not; each is one that exists, or a broken one. */
export interface Habits {
  /** Options that it offers before the client does (ser2net). */
  readonly offersFirst?: boolean;
  readonly refuses?: number;
  /** Text instead of telnet, before it closes the connection. */
  readonly says?: string;
  /** The answer to a setting; null: none. */
  readonly answer?: (command: number, value: number[]) => number[] | null;
}

async function serve(accept: (socket: Socket) => void): Promise<Omit<PortServer, 'asked'>> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    drop,
    close() {
      drop();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Bytes alone. */
export async function serveBytes(device: Device): Promise<PortServer> {
  const server = await serve((socket) => {
    device.onData((bytes) => socket.write(bytes));
    socket.on('data', (bytes: Buffer) => device.write(new Uint8Array(bytes)));
  });
  return { ...server, asked: [] };
}

/** RFC 2217, the server's side. */
export async function serveRfc2217(device: Device, habits: Habits = {}): Promise<PortServer> {
  const asked: number[][] = [];
  const server = await serve((socket) => {
    if (habits.says !== undefined) {
      socket.end(habits.says);
      return;
    }
    const agreed = new Set<string>();
    const send = (bytes: Uint8Array) => socket.writable && socket.write(bytes);
    const agree = (verb: 'will' | 'do', option: number) => {
      if (agreed.has(`${verb} ${option}`)) return;
      agreed.add(`${verb} ${option}`);
      send(negotiation(verb, option));
    };
    const reader = new TelnetReader({
      data: (bytes) => device.write(bytes),
      negotiate(verb, option) {
        if (verb === 'wont' || verb === 'dont') return;
        const mine = verb === 'do';
        if (option === habits.refuses) send(negotiation(mine ? 'wont' : 'dont', option));
        else agree(mine ? 'will' : 'do', option);
      },
      subnegotiate([, command = 0, ...value]) {
        asked.push([command, ...value]);
        const answer = habits.answer === undefined ? value : habits.answer(command, value);
        if (answer === null) return;
        send(subnegotiation(Uint8Array.of(options.comPort, command + 100, ...answer)));
      },
    });
    device.onData((bytes) => send(escaped(bytes)));
    socket.on('data', (bytes: Buffer) => reader.push(bytes));
    if (habits.offersFirst) {
      for (const option of [1, options.binary, options.suppressGoAhead]) agree('will', option);
      for (const option of [24, options.binary, options.comPort]) agree('do', option);
      // A state of the modem, which nobody has asked for.
      send(subnegotiation(Uint8Array.of(options.comPort, 107, 0xff)));
    }
  });
  return { ...server, asked };
}
