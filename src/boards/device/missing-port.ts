/** The error for a port that does not exist, with those that do. */
import { BonsaiError } from '../../errors.js';
import { nearest } from '../../nearest.js';
import { listPorts } from './ports.js';

/** What --port takes beside paths. */
const words = ['sim', 'sim:usb', 'auto', 'usb', 'probe'];
/** A PC may have 32 UARTs. */
const mostShown = 8;

/**
 * @param what else is not there: ', and no drive of a RPI-RP2 either'
 * @param hint what else to do
 */
export async function missingPort(
  path: string,
  {
    what = '',
    hint = 'plug the board in and see bonsaic ports; --port sim runs the simulator',
    list = listPorts,
  }: { readonly what?: string; readonly hint?: string; readonly list?: typeof listPorts } = {},
): Promise<BonsaiError> {
  const paths = (await list()).map((port) => port.path);
  const [near] = nearest(path, [...paths, ...words]);
  const shown = paths.slice(0, mostShown).join(', ') + (paths.length > mostShown ? ', …' : '');
  const there = paths.length === 0 ? 'this machine has none' : `there are ${shown}`;
  const meant = near === undefined ? '' : `did you mean ${near}? Otherwise `;
  return new BonsaiError('device', path, `no such serial port${what}: ${there}`, `${meant}${hint}`);
}
