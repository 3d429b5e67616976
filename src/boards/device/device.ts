/** A running device as the host sees it: a byte stream in each direction. */

import type { XipModel } from '../../compiler/plan/types.js';

export type { XipModel };

export interface Device {
  /** For people and the report: 'sim', '/dev/ttyACM0'. */
  readonly name: string;
  /** The limits of a simulator's figures, in one sentence; null for a real board. */
  readonly simulation: string | null;
  /** The simulator's model of flash reads, if it has one. */
  readonly xip?: XipModel;
  /** Sends bytes in order without blocking. Ignored after the device is lost or closed. */
  write(bytes: Uint8Array): void;
  /** The listener gets every chunk that arrives, and owns its bytes. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /** The listener is called once when the device is lost; at once if it already is. */
  onLost(listener: (reason: string) => void): void;
  close(): Promise<void>;
  /** Other programs that have the port open and take part of its bytes, for people; '': none. */
  readonly sharers?: () => string;
}

/** Bytes that are kept before a listener is registered. */
const mostKeptBytes = 64 * 1024;

/**
 * The listeners of a device. Bytes that arrive before a listener is registered are kept, because a
 * board may answer while its session is being set up.
 */
export class Listeners {
  private data: ((bytes: Uint8Array) => void) | null = null;
  private lost: ((reason: string) => void) | null = null;
  private kept: Uint8Array[] = [];
  private keptBytes = 0;
  private reason: string | null = null;

  onData(listener: (bytes: Uint8Array) => void): void {
    this.data = listener;
    for (const bytes of this.kept.splice(0)) listener(bytes);
  }

  onLost(listener: (reason: string) => void): void {
    this.lost = listener;
    if (this.reason !== null) listener(this.reason);
  }

  emitData(bytes: Uint8Array): void {
    if (this.data !== null) this.data(bytes);
    else if (this.keptBytes < mostKeptBytes) {
      this.kept.push(bytes);
      this.keptBytes += bytes.length;
    }
  }

  /** Reports the first reason only; later ones are its consequences. */
  emitLost(reason: string): void {
    if (this.reason !== null) return;
    this.reason = reason;
    this.lost?.(reason);
  }
}
