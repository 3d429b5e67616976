/** A board on a serial port, by the package serialport. */
import { BonsaiError } from '../errors.js';
import { type Device, Listeners } from './device.js';

export const defaultBaudRate = 115200;

/**
 * @param path '/dev/ttyACM0', or any terminal device, ptys included
 * @throws BonsaiError 'device' with a hint when the port does not exist, is busy or not permitted
 */
export async function openSerial(path: string, baudRate = defaultBaudRate): Promise<Device> {
  const port = await openPort(path, baudRate);
  const listeners = new Listeners();
  let closing = false;
  port.on('data', (bytes: Buffer) => listeners.emitData(new Uint8Array(bytes)));
  port.on('close', (error: Error | null) => {
    if (!closing) listeners.emitLost(`${path} was closed${error ? ` (${error.message})` : ''}`);
  });
  port.on('error', (error: Error) => listeners.emitLost(`${path}: ${error.message}`));
  return {
    name: path,
    simulation: null,
    write(bytes) {
      if (port.isOpen) port.write(Buffer.from(bytes));
    },
    onData: (listener) => listeners.onData(listener),
    onLost: (listener) => listeners.onLost(listener),
    async close() {
      closing = true;
      if (port.isOpen) await new Promise<void>((resolve) => port.close(() => resolve()));
    },
  };
}

/**
 * Opens and closes `path` at 1200 baud, by convention the request to boards with native USB to
 * restart in their boot loader.
 */
export async function touch1200(path: string): Promise<void> {
  const port = await openPort(path, 1200);
  // Some boards act when DTR drops. Errors are ignored: a port without modem lines (a pty) answers
  // ENOTTY, and a board that is already restarting may answer anything.
  await new Promise<void>((resolve) => port.set({ dtr: false }, () => resolve()));
  await new Promise<void>((resolve) => port.close(() => resolve()));
}

async function openPort(path: string, baudRate: number) {
  if (path === '') throw openError(path, new Error('its path is empty'));
  // Loaded on use, since it brings a native module that most commands do not need.
  const { SerialPort } = await import('serialport');
  const port = new SerialPort({ path, baudRate, autoOpen: false });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error ? reject(openError(path, error)) : resolve()));
  });
  return port;
}

interface OpenFailure {
  readonly pattern: RegExp;
  readonly message: string;
  readonly hint: string;
}

/**
 * The binding reports system errors as text only: 'Error: Permission denied, cannot open /dev/…'.
 */
const openFailures: readonly OpenFailure[] = [
  {
    pattern: /no such file|ENOENT|cannot find/i,
    message: 'no such serial port',
    hint: 'plug the board in and see bonsaic ports; --port sim runs the simulator',
  },
  {
    pattern: /permission denied|EACCES|EPERM|not permitted/i,
    message: 'no permission to open the serial port',
    hint: 'add yourself to the group that owns it and log in again: sudo usermod -aG dialout $USER',
  },
  {
    pattern: /cannot lock|temporarily unavailable|EBUSY|busy|access denied/i,
    message: 'the serial port is in use by another program',
    hint: 'close the other terminal or monitor; fuser PORT names the program',
  },
  {
    pattern: /inappropriate ioctl|ENOTTY|not a typewriter|is a directory|no such device/i,
    message: 'is not a serial port',
    hint: 'see bonsaic ports for the serial ports of this machine',
  },
];

/** @internal exported for its test */
export function openError(path: string, error: Error): BonsaiError {
  const known = openFailures.find(({ pattern }) => pattern.test(error.message));
  return new BonsaiError(
    'device',
    path,
    known?.message ?? `cannot open the serial port: ${error.message}`,
    known?.hint ?? 'see bonsaic ports for the serial ports of this machine',
  );
}
