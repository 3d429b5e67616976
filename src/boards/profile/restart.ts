/** Asks firmware of bonsaic, whatever model it runs: which it is, and to restart in the boot loader. */

import { BonsaiError } from '../../errors.js';
import { openLink } from '../device/open-link.js';
import type { Greeting } from '../flash/protocol.js';
import { answerBody, requestBody } from './protocol.js';
import { anyTag, Requester } from './requester.js';

/** A board answers hello within milliseconds; other firmware never does. */
const timeoutMs = 500;

interface Line {
  readonly baudRate?: number;
}

/**
 * Whether such firmware has answered at `port`, and was asked to restart.
 *
 * @throws BonsaiError 'flash' when it is another board's: that one keeps running
 */
export async function restartInBootLoader(
  port: string,
  target: Line & { readonly name: string },
): Promise<boolean> {
  let other: string | null = null;
  const answer = await ask(port, target, async (requester, { tag, value }) => {
    if (value.target !== target.name) {
      other = value.target;
      return false;
    }
    const reboot = { command: 'reboot', tag, body, waitsMs: [timeoutMs] } as const;
    await requester.request(reboot, answerBody.empty).catch((error: unknown) => {
      // A board that restarts takes its USB port away, with an answer that is still on the way.
      if (!(error instanceof BonsaiError)) throw error;
    });
    return true;
  });
  if (other !== null) throw otherBoard(port, target.name, other);
  return answer ?? false;
}

function otherBoard(port: string, wanted: string, found: string): BonsaiError {
  return new BonsaiError(
    'flash',
    port,
    `runs firmware for ${found}, not for ${wanted}: it was left as it is`,
    `compile for ${found}; or, where its chip is that of ${wanted}, enter the boot loader by hand`,
  );
}

/** What such firmware says; null: none answers, or the port does not open. */
export async function greetFirmware(port: string, line: Line): Promise<Greeting | null> {
  const answer = ask(port, line, async (_, { tag, value }) => ({
    modelSha256: Buffer.from(value.sha256, 'hex'),
    tag: tagBytes(tag),
  }));
  return answer.catch((error: unknown) => {
    // A board that is still starting may refuse to open.
    if (error instanceof BonsaiError) return null;
    throw error;
  });
}

/** As in the image: little-endian. */
function tagBytes(tag: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, tag, true);
  return bytes;
}

const body = requestBody.empty();

type Hello = Awaited<ReturnType<typeof hello>>;

const hello = (requester: Requester) =>
  requester.exchange(
    { command: 'hello', tag: anyTag, body, waitsMs: [timeoutMs, timeoutMs] } as const,
    answerBody.hello,
  );

/**
 * Goes on after an answer to hello; null when nothing answers.
 *
 * @throws BonsaiError 'device' when the port does not open
 */
async function ask<T>(
  port: string,
  { baudRate }: Line,
  goOn: (requester: Requester, hello: Hello) => Promise<T>,
): Promise<T | null> {
  const device = await openLink(port, baudRate === undefined ? {} : { baudRate });
  try {
    const requester = new Requester(device);
    return await goOn(requester, await hello(requester));
  } catch (error) {
    if (error instanceof BonsaiError) return null;
    throw error;
  } finally {
    await device.close();
  }
}
