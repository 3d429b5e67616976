/** Ways into a boot loader, and the errors when it is not there or goes away. */
import type { Transport } from '../../device/transport.js';
import { BonsaiError } from '../../errors.js';
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
