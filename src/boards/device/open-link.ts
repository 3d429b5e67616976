/** Opens the line to a board: a serial port here, or one behind a TCP port of any host. */
import {
  checkPortText,
  defaultBaudRate,
  isNetworkPort,
  type LineSettings,
  type Link,
  parseNetworkPort,
  requireLine,
} from './link.js';
import { openRfc2217 } from './rfc2217.js';
import { openSerial } from './serial.js';
import { openSocket } from './socket.js';

/**
 * Opens a link, which no other program may use at the same time.
 *
 * @param port '/dev/ttyACM0' or any terminal device; 'socket://host:port' for bytes alone;
 *   'rfc2217://host:port' for a serial port with its settings (RFC 2217: ser2net, esp_rfc2217_server)
 * @throws BonsaiError 'usage' for a text that names no port, 'device' with a hint when the port does
 *   not exist, is busy or not permitted
 */
export async function openLink(
  port: string,
  { baudRate = defaultBaudRate, parity = 'none' }: Partial<LineSettings> = {},
): Promise<Link> {
  checkPortText(port);
  requireLine(port);
  const settings = { baudRate, parity };
  if (!isNetworkPort(port)) return openSerial(port, settings);
  const address = parseNetworkPort(port);
  if (address.protocol === 'socket') return openSocket(port, address);
  return openRfc2217(port, address, settings);
}

/**
 * Opens and closes a port at 1200 baud, by convention the request to boards with native USB to
 * restart in their boot loader.
 */
export async function touch1200(port: string): Promise<void> {
  const link = await openLink(port, { baudRate: 1200 });
  // Some boards act when DTR drops. A board that is already restarting may answer anything.
  await link.setModemLines?.({ dtr: false, rts: true }).catch(() => {});
  await link.close();
}
