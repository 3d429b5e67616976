/** A running device as the host sees it: bytes both ways over any stream. */

import type { XipModel } from '../plan/types.js';

export type { XipModel };

export interface Device {
  /** For people and the report: 'sim', '/dev/ttyACM0'. */
  readonly name: string;
  /** What a simulated figure leaves out, in one sentence; null for a real board. */
  readonly simulation: string | null;
  /** How the simulator takes fetches from flash, where it simulates them. */
  readonly xip?: XipModel;
  /** Never blocks; bytes go out in order. Ignored after the device is lost or closed. */
  write(bytes: Uint8Array): void;
  /** Called with every piece that arrives; the bytes belong to the listener. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /** Called once when the device goes away by itself; at once if it already has. */
  onLost(listener: (reason: string) => void): void;
  close(): Promise<void>;
}

/** What a board may say before anyone listens; one that floods is not kept. */
const mostKeptBytes = 64 * 1024;

/**
 * The listeners of a device: what comes before anyone listens is kept, because a board may answer
 * while its session is still being set up.
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

  /** Only the first reason counts: what follows is its consequence. */
  emitLost(reason: string): void {
    if (this.reason !== null) return;
    this.reason = reason;
    this.lost?.(reason);
  }
}
