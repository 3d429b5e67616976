/** The board in its boot loader on USB: `--port usb`, or `--port usb:SERIAL` for one of several. */

import { BonsaiError } from '../../../errors.js';
import { selectorOf } from '../../device/link.js';
import type { FoundUsbDevice, UsbHost } from '../../device/usb.js';
import type { FlashJob } from '../protocol.js';

const waitMs = 15_000;
const pollMs = 300;

export interface WantedUsbBoard {
  /** For people: 'rp2040'. */
  readonly name: string;
  /** How the user brings the board into its boot loader: 'hold BOOTSEL while you plug it in'. */
  readonly enter: string;
  isOwn(device: FoundUsbDevice): boolean;
  /** Told of what is there as long as none is the board. @throws BonsaiError to end the search */
  onOthers?(devices: readonly FoundUsbDevice[]): void;
}

/**
 * Waits for the one board.
 *
 * @throws BonsaiError 'flash' for none or several, 'device' or 'toolchain' where USB cannot be used
 */
export async function waitForUsbBoard(
  { port, say }: Pick<FlashJob<unknown>, 'port' | 'say'>,
  host: UsbHost,
  wanted: WantedUsbBoard,
): Promise<FoundUsbDevice> {
  say(`looking for a board in its boot loader on USB: ${wanted.enter}`);
  const end = host.now() + waitMs;
  for (;;) {
    const found = await findUsbBoard(port, host, wanted);
    if (found !== null) return found;
    if (host.now() >= end) break;
    await host.sleep(pollMs);
  }
  throw new BonsaiError(
    'flash',
    port,
    `no ${wanted.name} in its boot loader appeared on USB within ${waitMs / 1000} s`,
    `${wanted.enter}, then try again`,
  );
}

async function findUsbBoard(
  port: string,
  host: UsbHost,
  { isOwn, onOthers }: WantedUsbBoard,
): Promise<FoundUsbDevice | null> {
  const serialNumber = selectorOf(port);
  const devices = (await host.list()).filter(
    (device) => serialNumber === null || device.serialNumber === serialNumber,
  );
  const own = devices.filter(isOwn);
  const [first, second] = own;
  if (second !== undefined) {
    const serials = own.map((device) => device.serialNumber ?? device.name).join(', ');
    const hint = 'unplug all but one, or name one by its serial number: --port usb:SERIAL';
    const message = `several boards are in their boot loader: ${serials}`;
    throw new BonsaiError('flash', port, message, hint);
  }
  if (first === undefined) onOthers?.(devices);
  return first ?? null;
}
