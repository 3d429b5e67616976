/** Opens devices: a board on a serial port, a simulator, a process on this machine. */
import { readFile } from 'node:fs/promises';
import { BonsaiError, InternalError } from '../../errors.js';
import { listTargets, loadTarget } from '../target/index.js';
import type { Device, XipModel } from './device.js';
import { openEsp32c3 } from './esp32c3sim.js';
import { openProcess } from './host.js';
import { checkPortText } from './link.js';
import { openLink } from './open-link.js';
import { openQemu, type QemuSystem, qemuArm, qemuXtensa } from './qemu.js';
import { openRp2040 } from './rp2040sim.js';

export type { Device, XipModel } from './device.js';
export { listPorts, type SerialPortInfo } from './ports.js';

/** A target's simulator and serial line, from targets/<name>/target.json. */
export interface DeviceTarget {
  /** What tells boards with the same kernels, and targets without firmware, for hints. */
  readonly core?: string;
  readonly measuredAs?: string;
  readonly images?: readonly string[];
  readonly name: string;
  /** A key of `simulators`; null: no simulator. */
  readonly simulator: string | null;
  readonly machine?: string;
  readonly icountShift?: number;
  /** Baud rate of the UART; USB ignores it. */
  readonly baudRate?: number;
  readonly flashBytes?: number | null;
}

export interface DeviceOptions {
  /** Model of reads from simulated flash; default 'model'. */
  readonly xip?: XipModel;
}

interface SimulatorProgram {
  readonly command: string;
  readonly aptPackage: string;
  /** Whether `npm run setup` leaves it out. */
  readonly isOptional: boolean;
}

/** A simulator: one file beside this one and one row of the table below. */
interface Simulator {
  open(image: string, port: string, target: DeviceTarget, options: DeviceOptions): Promise<Device>;
  /** The place where programs run, for people. */
  readonly place: (target: DeviceTarget, port: string) => string;
  /** The simulator's program and its Debian package; null: it comes with bonsaic. */
  readonly program: SimulatorProgram | null;
}

const boardOf = ({ name }: DeviceTarget) => `the simulated ${name}`;

const qemu = (system: QemuSystem): Simulator => ({
  open: (image, port, { name, machine, icountShift }) => {
    if (machine === undefined || icountShift === undefined) {
      throw new InternalError('device', `${name}: QEMU needs machine and icountShift`);
    }
    return openQemu(image, { system, name: port, machine, icountShift });
  },
  place: boardOf,
  program: system,
});

const table: Readonly<Record<string, Simulator>> = {
  rp2040js: {
    open: async (image, port, { flashBytes = null }, { xip = 'model' }) =>
      openRp2040(await readImage(image), { name: port, xip, link: linkOf(port), flashBytes }),
    place: (target, port) => {
      linkOf(port);
      return boardOf(target);
    },
    program: null,
  },
  esp32c3sim: {
    open: async (image, port, _, { xip = 'model' }) =>
      openEsp32c3(await readImage(image), { name: port, xip, link: linkOf(port) }),
    place: (target, port) => {
      linkOf(port);
      return boardOf(target);
    },
    program: null,
  },
  qemu: qemu(qemuArm),
  'qemu-xtensa': qemu(qemuXtensa),
  process: {
    open: (image, port) => openProcess(image, port),
    place: () => 'this machine',
    program: null,
  },
};

/** By the name in target.json. */
export const simulators: ReadonlyMap<string, Simulator> = new Map(Object.entries(table));

/** Whether `port` is the target's simulator rather than a serial port. */
export function isSimulated(port: string): boolean {
  return port === 'sim' || port.startsWith('sim:');
}

/**
 * The place where the firmware runs, for people.
 *
 * @throws BonsaiError 'usage' or 'device' for a port that the target cannot have
 */
export function placeOf(port: string, target: DeviceTarget): string {
  checkPortText(port);
  if (isSimulated(port)) return simulatorOf(port, target).place(target, port);
  if (target.simulator === 'process') {
    const message = `target ${target.name} runs on this machine, which has no serial port for it`;
    throw new BonsaiError('device', port, message, 'leave --port out, or name a board by --target');
  }
  return port;
}

/**
 * Opens the device at `port`: 'sim' for the target's simulator ('sim:usb' over its USB), otherwise
 * a serial port (see openLink).
 *
 * @param image the firmware that a simulator runs: .uf2 for rp2040, .bin for a board that boots it
 *   from flash, .elf for QEMU, an executable for host
 * @throws BonsaiError 'device' with a hint when the port cannot be opened or there is no simulator
 */
export async function openDevice(
  port: string,
  target: DeviceTarget,
  image: string,
  options: DeviceOptions = {},
): Promise<Device> {
  placeOf(port, target);
  if (!isSimulated(port)) {
    return openLink(port, target.baudRate === undefined ? {} : { baudRate: target.baudRate });
  }
  return simulatorOf(port, target).open(image, port, target, options);
}

function simulatorOf(port: string, target: DeviceTarget): Simulator {
  const simulator = simulators.get(target.simulator ?? '');
  if (simulator === undefined) {
    throw new BonsaiError(
      'device',
      port,
      `target ${target.name} has no simulator`,
      [...simulatedKin(target), ...withoutSimulator(target)].join('; '),
    );
  }
  return simulator;
}

/** Boards whose simulator runs the same kernels, as a hint. */
function simulatedKin({ core, measuredAs }: DeviceTarget): string[] {
  if (core === undefined) return [];
  const cores = [core, measuredAs];
  const all = listTargets().map((name) => loadTarget(name));
  const kin = all.filter((other) => cores.includes(other.core) && other.simulator !== null);
  const names = kin.map(({ name }) => `--target ${name}`);
  return kin.length === 0 ? [] : [`a simulator with the same kernels: ${names.join(' or ')}`];
}

function withoutSimulator({ name, images }: DeviceTarget): string[] {
  const compiled = `bonsaic compile MODEL --target ${name} -o DIR`;
  if (images?.length === 0) return [`sources for your own build: ${compiled}`];
  return [
    'a board: --port with its serial port (bonsaic ports lists them)',
    `a build without a run: ${compiled}, then bonsaic build DIR`,
  ];
}

function linkOf(port: string): 'uart' | 'usb' {
  switch (port) {
    case 'sim':
    case 'sim:uart':
      return 'uart';
    case 'sim:usb':
      return 'usb';
    default:
      throw new BonsaiError(
        'usage',
        port,
        'is not a link of the simulated board',
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
