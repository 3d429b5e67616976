/** Asks firmware of bonsaic, whatever model it runs, to restart in the board's boot loader. */
import { openLink } from '../device/open-link.js';
import { BonsaiError } from '../errors.js';
import { answerBody, requestBody } from './protocol.js';
import { anyTag, Requester } from './requester.js';

/** A board answers hello within milliseconds; other firmware never does. */
const timeoutMs = 500;

/** Whether such firmware has answered at `port`. */
export async function restartInBootLoader(
  port: string,
  { baudRate }: { readonly baudRate?: number },
): Promise<boolean> {
  const device = await openLink(port, baudRate === undefined ? {} : { baudRate });
  try {
    const requester = new Requester(device);
    const request = { body: requestBody.empty(), timeoutMs };
    const hello = { ...request, command: 'hello', tag: anyTag, attempts: 2 } as const;
    const { tag } = await requester.exchange(hello, answerBody.hello);
    const reboot = { ...request, command: 'reboot', tag, attempts: 1 } as const;
    await requester.request(reboot, answerBody.empty);
    return true;
  } catch (error) {
    if (error instanceof BonsaiError) return false;
    throw error;
  } finally {
    await device.close();
  }
}
