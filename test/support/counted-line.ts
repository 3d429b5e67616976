/**
 * A line between a host and a simulated board that counts the bytes of both directions, and has the
 * host die when one of them crosses.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Link } from '../../src/boards/device/link.js';
import { openLink } from '../../src/boards/device/open-link.js';
import { openPty } from '../../src/boards/device/pty.js';

/** How the host dies. */
export interface Strike {
  /** The number of the last byte that crosses before, from 1. */
  readonly at: number;
  /** Whether what the host had written behind it arrives; what the board answers does not. */
  readonly restArrives: boolean;
}

/** One end of it, for the host. */
interface HostEnd {
  /** What --port names. */
  readonly port: string;
  write(bytes: Uint8Array): void;
  close(): Promise<void>;
}

type Open = (onData: (bytes: Uint8Array) => void) => Promise<HostEnd>;

export class CountedLine {
  /** Bytes since `begin`. */
  crossed = 0;
  private board: Link | null = null;
  private host: HostEnd | null = null;
  private strike: (Strike & { readonly kill: () => void }) | null = null;
  private isDead = false;

  /** @param link where the host finds a terminal; null: the host gets a TCP port */
  static async open(link: string | null): Promise<CountedLine> {
    const line = new CountedLine();
    const open = link === null ? openTcp : openTerminal(link);
    line.host = await open((bytes) => line.board?.write(line.pass(bytes, true)));
    return line;
  }

  get port(): string {
    return this.host?.port ?? '';
  }

  /** Takes the place of the board before. */
  async connect(board: string): Promise<void> {
    await this.board?.close();
    this.board = await openLink(board);
    this.board.onData((bytes) => this.host?.write(this.pass(bytes, false)));
  }

  /** Counts from 0. @param kill called when the byte crosses; without a strike all bytes do */
  begin(strike: Strike | null, kill: () => void): void {
    this.crossed = 0;
    this.isDead = false;
    this.strike = strike === null ? null : { ...strike, kill };
  }

  async close(): Promise<void> {
    await this.board?.close();
    await this.host?.close();
  }

  /** What arrives of the bytes. */
  private pass(bytes: Uint8Array, isFromHost: boolean): Uint8Array {
    const before = this.crossed;
    this.crossed += bytes.length;
    if (this.strike === null || this.crossed < this.strike.at) return bytes;
    const { at, restArrives, kill } = this.strike;
    if (!this.isDead) kill();
    this.isDead = true;
    return isFromHost && restArrives ? bytes : bytes.subarray(0, Math.max(0, at - before));
  }
}

const openTerminal =
  (link: string): Open =>
  async (onData) => ({ port: link, ...(await openPty(link, onData)) });

const openTcp: Open = (onData) => {
  let host: Socket | null = null;
  const server: Server = createServer((socket) => {
    host = socket;
    socket.on('data', (bytes: Buffer) => onData(new Uint8Array(bytes)));
    socket.on('error', () => {});
  });
  const end: Omit<HostEnd, 'port'> = {
    write: (bytes) => void host?.write(bytes),
    close: () =>
      new Promise((resolve) => {
        host?.destroy();
        server.close(() => resolve());
      }),
  };
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' ? address?.port : null;
      resolve({ port: `socket://127.0.0.1:${port}`, ...end });
    });
  });
};
