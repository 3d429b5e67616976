/** Where a program runs: a board on a serial port, a simulator, a process on this machine. */
import { readFile } from 'node:fs/promises';
import { BonsaiError } from '../errors.js';
import type { Device } from './device.js';
import { openProcess } from './host.js';
import { openRp2040, type Rp2040Link, type XipModel } from './rp2040sim.js';
import { openSerial } from './serial.js';

export type { Device } from './device.js';
export { listPorts, type SerialPortInfo } from './ports.js';
export type { XipModel } from './rp2040sim.js';

/** What a target says about its simulator and its serial line (targets/<name>/target.json). */
export interface DeviceTarget {
  readonly name: string;
  /** 'rp2040js', or 'process' for the machine that bonsaic runs on; null where there is none. */
  readonly simulator: string | null;
  /** Of the UART; a USB port ignores it. */
  readonly baudRate?: number;
}

export interface DeviceOptions {
  /** Cost of fetching from simulated flash; default 'model'. */
  readonly xip?: XipModel;
}

/** Is `port` the target's simulator rather than a serial port? */
export function isSimulated(port: string): boolean {
  return port === 'sim' || port.startsWith('sim:');
}

/**
 * Opens the device at `port`: 'sim' (the target's simulator; 'sim:usb' over its USB), else the path
 * of a serial port.
 *
 * @param image the firmware that a simulator runs: .uf2 for rp2040, an executable for host
 * @throws BonsaiError 'device' with a hint when the port cannot be opened or there is no simulator
 */
export async function openDevice(
  port: string,
  target: DeviceTarget,
  image: string,
  options: DeviceOptions = {},
): Promise<Device> {
  if (!isSimulated(port)) return openSerial(port, target.baudRate);
  const simulator = simulators[target.simulator ?? ''];
  if (simulator === undefined) {
    throw new BonsaiError(
      'device',
      port,
      `target ${target.name} has no simulator`,
      'give the serial port of a board: bonsaic ports lists them',
    );
  }
  return simulator(port, image, options);
}

type Simulator = (port: string, image: string, options: DeviceOptions) => Promise<Device>;

const simulators: Readonly<Record<string, Simulator>> = {
  rp2040js: async (port, image, { xip = 'model' }) =>
    openRp2040(await readImage(image), { name: port, xip, link: rp2040LinkOf(port) }),
  process: async (port, image) => openProcess(image, port),
};

function rp2040LinkOf(port: string): Rp2040Link {
  switch (port) {
    case 'sim':
    case 'sim:uart':
      return 'uart';
    case 'sim:usb':
      return 'usb';
    default:
      throw new BonsaiError(
        'device',
        port,
        'is no link of the simulated board',
        'use sim, sim:uart or sim:usb',
      );
  }
}

async function readImage(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new BonsaiError(
      'device',
      path,
      `cannot read the firmware image: ${(error as Error).message}`,
      'build it first: bonsaic build DIR',
    );
  }
}
