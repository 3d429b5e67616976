/** Runs a simulated board in this process: in slices, between which the event loop runs. */
import { type Device, Listeners } from './device.js';

/** A board and the bytes that go in and out of it. */
export interface SimulatedBoard {
  /** Enumerated and ready for data. */
  readonly ready: boolean;
  /** Bytes from the board; emptied after every slice. */
  readonly sent: number[];
  /** Why it will not go on; null while it does. */
  readonly stopped: string | null;
  /**
   * Executes about so many instructions, and moves bytes of `queue` to the board as they fit.
   *
   * @returns whether the board only waited for the host
   */
  run(instructions: number, queue: number[]): boolean;
}

/** Instructions of a slice, about 4 ms of real time. */
const sliceInstructions = 200_000;
/** Slice and pause while the board waits for the host. */
const idleSliceInstructions = 10_000;
const idleMs = 5;

/** The board as a device. */
export function runInTurns(
  board: SimulatedBoard,
  facts: Pick<Device, 'name' | 'simulation' | 'xip'>,
): Device {
  const listeners = new Listeners();
  const queue: number[] = [];
  let closed = false;
  let idle = false;
  let immediate: NodeJS.Immediate | null = null;
  let pause: NodeJS.Timeout | null = null;

  function turn(): void {
    immediate = null;
    pause = null;
    if (closed) return;
    const waited = board.run(idle ? idleSliceInstructions : sliceInstructions, queue);
    const sent = Uint8Array.from(board.sent.splice(0));
    if (sent.length > 0) listeners.emitData(sent);
    idle = waited && board.ready && sent.length === 0 && queue.length === 0;
    if (board.stopped !== null) listeners.emitLost(board.stopped);
    else if (idle) pause = setTimeout(turn, idleMs);
    else immediate = setImmediate(turn);
  }
  immediate = setImmediate(turn);

  return {
    ...facts,
    write(bytes) {
      if (closed || board.stopped !== null) return;
      for (const byte of bytes) queue.push(byte);
      if (pause !== null) {
        idle = false;
        clearTimeout(pause);
        pause = null;
        immediate = setImmediate(turn);
      }
    },
    onData: (listener) => listeners.onData(listener),
    onLost: (listener) => listeners.onLost(listener),
    async close() {
      closed = true;
      if (pause !== null) clearTimeout(pause);
      if (immediate !== null) clearImmediate(immediate);
    },
  };
}
