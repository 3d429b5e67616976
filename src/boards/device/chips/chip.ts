/**
 * A simulated chip in its boot loader: bytes in, bytes out, no clock and no input or output of its
 * own, so that the same chip stands behind a pty (`bonsaic simulate`) and in virtual time (tests).
 */

import type { ModemLines } from '../link.js';

/**
 * Bytes that the chip sends after it has worked for `afterMs`, during which it receives nothing.
 * Without bytes it only works.
 */
export interface Answer {
  readonly afterMs: number;
  readonly bytes: Uint8Array;
}

export interface Chip {
  /** The content of the flash, which outlives resets. */
  readonly flash: Uint8Array;
  /** The address of the image that the boot loader has started; null in the boot loader. */
  readonly started: number | null;
  /**
   * Takes a byte from the host, and answers in order.
   *
   * @param baudRate the rate at which the host sends; null: unknown (a pty)
   */
  receive(byte: number, baudRate: number | null): readonly Answer[];
  /** Bytes that its receiver keeps while it works; absent: 1. */
  readonly fifoBytes?: number;
  /** Whether it also takes bytes while it works, and answers them afterwards; absent: no. */
  readonly hearsAtWork?: boolean;
  /** A reset into the boot loader. */
  restart(): void;
  /**
   * Loses the power and gets it again.
   *
   * @param isWorking whether the last answer is not sent yet: its erase or write ends half-way
   */
  losePower(isWorking: boolean): void;
  /** What the host's modem lines do to the chip; absent: they are not wired. */
  readonly setModemLines?: ((lines: ModemLines) => void) | undefined;
}
