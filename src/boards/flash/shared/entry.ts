/** Ways into a boot loader, and the errors when it is not there or goes away. */

import { BonsaiError } from '../../../errors.js';
import type { Transport } from '../../device/transport.js';
import type { FlashJob } from '../protocol.js';

/** What is told, and how it is tried; null: no boot loader answers. */
export type Attempt<T> = readonly [say: string, enter: () => Promise<T | null>];

/** The first attempt that finds a boot loader; null: none does. */
export async function firstFound<T>(
  { say }: Pick<FlashJob<unknown>, 'say'>,
  attempts: readonly Attempt<T>[],
): Promise<T | null> {
  for (const [what, enter] of attempts) {
    say(what);
    const found = await enter();
    if (found !== null) return found;
  }
  return null;
}

/** For a port to go and to come back, and for the user to press reset: half a minute. */
const mostPolls = 36;
const pollMs = 250;

/**
 * A boot loader that is there, that running firmware restarts in, or that the user enters.
 *
 * @param find opens the port, waits so many ms, and asks; null: no boot loader answers
 * @returns null when none is found within half a minute
 */
export async function findOrRestart<T>(
  { say, restart, sleep }: Pick<FlashJob<unknown>, 'say' | 'restart' | 'sleep'>,
  find: (waitFirstMs: number) => Promise<T | null>,
): Promise<T | null> {
  say('is the boot loader there?');
  const there = await find(0);
  if (there !== null) return there;
  say('no; asking running firmware to restart in it');
  await restart();
  say('waiting for the boot loader: press reset if the board does not enter it');
  for (let polls = 0; polls < mostPolls; polls++) {
    try {
      const found = await find(pollMs);
      if (found !== null) return found;
    } catch (error) {
      if (!(error instanceof BonsaiError && error.code === 'device')) throw error;
      // Its boot loader is another USB device, so the port is gone for a while.
      await sleep(pollMs);
    }
  }
  return null;
}

/** The state of both modem lines, and how long it lasts. */
export type LineStep = readonly [dtr: boolean, rts: boolean, waitMs: number];

/** @returns false where the port has no modem lines */
export async function setLines(
  { setModemLines, sleep }: Transport,
  steps: readonly LineStep[],
): Promise<boolean> {
  if (setModemLines === null) return false;
  try {
    for (const [dtr, rts, waitMs] of steps) {
      await setModemLines({ dtr, rts });
      await sleep(waitMs);
    }
    return true;
  } catch (error) {
    // Behind RFC 2217 the lines may be missing only at the other end.
    if (error instanceof BonsaiError) return false;
    throw error;
  }
}

/** Flashing has ended before its time. @param what 'stops answering' */
export function stopped(where: string, what: string, hint: string): BonsaiError {
  return new BonsaiError('flash', where, `flashing stopped: the board ${what}`, hint);
}

/** All is written, but nobody knows whether it runs. @param restart how the user starts it */
export function notStarted(where: string, restart: string): BonsaiError {
  return new BonsaiError(
    'flash',
    where,
    'the image is written and verified, but the board has not confirmed its start',
    `${restart}; then: bonsaic profile DIR`,
  );
}
