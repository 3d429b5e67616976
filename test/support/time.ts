/**
 * Virtual time for tests: it advances only when no other work is left, however loaded the machine
 * is.
 */
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

const tickMs = 10;
/** Turns of the event loop per tick; a board in this process answers in the next turn. */
const turnsInATick = 4;

/**
 * Runs `work` with a virtual `setTimeout`.
 *
 * @throws Error when it has not ended after `limitMs` of virtual time
 */
export async function inVirtualTime<T>(work: () => Promise<T>, limitMs: number): Promise<T> {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    let isDone = false;
    const end = () => {
      isDone = true;
    };
    const result = work();
    result.then(end, end);
    for (let nowMs = 0; nowMs <= limitMs; nowMs += tickMs) {
      for (let i = 0; i < turnsInATick && !isDone; i++) await turn();
      if (isDone) return await result;
      mock.timers.tick(tickMs);
    }
    throw new Error(`not done after ${limitMs} ms`);
  } finally {
    mock.timers.reset();
  }
}
