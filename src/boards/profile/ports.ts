/** The ports of this machine: what is behind each, and which one fits a target. */

import { BonsaiError } from '../../errors.js';
import { boardTable, type ProbableBoard } from '../device/boards.js';
import type { Device } from '../device/device.js';
import { placeOf } from '../device/index.js';
import { openLink } from '../device/open-link.js';
import { listPorts, type SerialPortInfo } from '../device/ports.js';
import { targetsWith } from '../flash/shared/kin.js';
import { type DrivePlaces, drivePlaces, findDrives, isDriveOf } from '../flash/uf2/drives.js';
import type { Target } from '../target/index.js';
import type { Heard } from './hearing.js';
import { answerBody, requestBody } from './protocol.js';
import { anyTag, Requester } from './requester.js';

/** What answers at a port. */
export type Found =
  | {
      readonly state: 'bonsaic';
      readonly target: string;
      /** Hash of the model file, hex. */
      readonly modelSha256: string;
      /** The name of the model and bonsaic's version; null: firmware older than 0.1.0. */
      readonly model: string | null;
      readonly version: string | null;
      /** The build of the model: first 4 bytes of the hash of its C, hex. */
      readonly tag: string;
      readonly protocol: number;
    }
  /** Nothing answers; another program does; the port does not open; it is a boot loader's drive. */
  | {
      readonly state: 'silent' | 'other' | 'closed' | 'drive';
      readonly why: string;
      readonly hint: string;
    };

export interface SurveyedPort extends SerialPortInfo {
  readonly board: ProbableBoard | null;
  /** null: not asked. */
  readonly firmware: Found | null;
}

/** How long a board may take for `hello`; the request is sent twice. */
const helloMs = 400;
/** Some ports (Bluetooth) take long to open or never do. */
const openMs = 2_000;

/** What a survey needs of the machine; tests replace it. */
export interface Machine {
  list(): Promise<readonly SerialPortInfo[]>;
  open(path: string): Promise<Device>;
}

const machine: Machine = { list: listPorts, open: (path) => openLink(path) };

/**
 * Lists the ports, and asks those that may lead to a board by their USB ids, at the same time.
 *
 * @param probe whether to ask all ports
 */
export async function surveyPorts(
  { probe = false }: { readonly probe?: boolean } = {},
  { list, open }: Machine = machine,
): Promise<SurveyedPort[]> {
  const boardOf = boardTable();
  const ports = await list();
  return Promise.all(
    ports.map(async (port) => {
      const board = boardOf(port);
      const firmware = probe || board !== null ? await ask(port.path, open) : null;
      return { ...port, board, firmware };
    }),
  );
}

/** The drives of boot loaders, as ports to flash over. */
export async function surveyDrives(places: DrivePlaces = drivePlaces): Promise<SurveyedPort[]> {
  const drives = await findDrives(places);
  return drives.map((drive) => {
    const { path, boardId } = drive;
    const targets = targetsWith('uf2-drive', (settings) => isDriveOf(drive, settings));
    return {
      ...{ path, manufacturer: null, vendorId: null, productId: null, serialNumber: null },
      board: { name: boardId, targets },
      firmware: {
        state: 'drive',
        why: 'a board in its boot loader, a drive',
        hint: `bonsaic flash DIR --port ${path}`,
      },
    };
  });
}

/** Sends hello. Ends within seconds whatever the port does. */
async function ask(path: string, open: Machine['open']): Promise<Found> {
  let timer: NodeJS.Timeout | undefined;
  const opening = open(path);
  try {
    const late = new Promise<never>((_, reject) => {
      const message = `does not open within ${openMs / 1000} s`;
      const error = new BonsaiError('device', path, message, 'unplug the device and plug it in');
      timer = setTimeout(() => reject(error), openMs);
    });
    const device = await Promise.race([opening, late]);
    try {
      return await greet(device);
    } finally {
      await device.close();
    }
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    // A port that opens after all is closed again.
    opening.then((device) => device.close()).catch(() => {});
    return { state: 'closed', why: error.message, hint: error.hint };
  } finally {
    clearTimeout(timer);
  }
}

async function greet(device: Device): Promise<Found> {
  const requester = new Requester(device);
  const body = requestBody.empty();
  const waitsMs = [helloMs, helloMs];
  const request = { command: 'hello', tag: anyTag, body, waitsMs } as const;
  try {
    const { value, tag, version } = await requester.exchange(request, answerBody.hello);
    return {
      state: 'bonsaic',
      target: value.target,
      modelSha256: value.sha256,
      model: value.model,
      version: value.version,
      tag: tagText(tag),
      protocol: version,
    };
  } catch (error) {
    if (!(error instanceof BonsaiError)) throw error;
    const { message: why, hint } = error;
    return { state: stateOf(requester.heard()), why, hint };
  }
}

function stateOf({ kind }: Heard): 'silent' | 'other' {
  return kind === 'nothing' ? 'silent' : 'other';
}

/** The tag as in bonsai.json: its bytes in the order of the wire. */
function tagText(tag: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(tag);
  return bytes.toString('hex');
}

/** The port that --port names by finding out which one fits. */
export const autoPort = 'auto';

/**
 * The one port that may lead to a board of the target: by its USB ids, and by what answers if
 * several may.
 *
 * @throws BonsaiError 'device' that lists the ports when none or several fit
 */
export async function choosePort(target: string, here: Machine = machine): Promise<string> {
  return onlyFitting(await surveyPorts({}, here), target);
}

/** @throws as choosePort */
function onlyFitting(ports: readonly SurveyedPort[], target: string): string {
  const fitting = fittingPorts(ports, target);
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only.path;
  const shown = (fitting.length === 0 ? ports : fitting).map(
    ({ path, board }) => `${path} (${board?.name ?? 'no known board'})`,
  );
  const list = shown.length === 0 ? 'there is none' : shown.join(', ');
  throw new BonsaiError(
    'device',
    `--port ${autoPort}`,
    fitting.length === 0
      ? `no serial port leads to a board of target ${target}: ${list}`
      : `several serial ports fit target ${target}: ${list}`,
    fitting.length === 0
      ? 'plug the board in with a data cable, or name its port: --port PATH'
      : `name one: --port ${only?.path}`,
  );
}

/**
 * The port over which a board is flashed: as portFor, or the one drive of the target's boot loader
 * where no port is known to lead to the board.
 *
 * @throws BonsaiError as portFor
 */
export async function flashPortFor(
  port: string,
  target: Target,
  here: Machine & { readonly places?: DrivePlaces } = machine,
): Promise<string> {
  if (port !== autoPort) return port;
  placeOf(port, target);
  const [drive, second] = (await surveyDrives(here.places)).filter((found) =>
    found.board?.targets.includes(target.name),
  );
  const isAlone = drive !== undefined && second === undefined;
  const ports = await surveyPorts({}, here);
  const leads = fittingPorts(ports, target.name).some(({ board }) =>
    board?.targets.includes(target.name),
  );
  return isAlone && !leads ? drive.path : onlyFitting(ports, target.name);
}

/** Ports that answer as the target; otherwise those whose ids name it; otherwise bare adapters. */
function fittingPorts(ports: readonly SurveyedPort[], target: string): readonly SurveyedPort[] {
  const running = ports.filter(
    ({ firmware }) => firmware?.state === 'bonsaic' && firmware.target === target,
  );
  const named = ports.filter(({ board }) => board?.targets.includes(target));
  const adapters = ports.filter(
    ({ board, firmware }) => board?.targets.length === 0 && firmware?.state !== 'bonsaic',
  );
  return [running, named, adapters].find((some) => some.length > 0) ?? [];
}

/**
 * The port itself where it is 'auto': the one that fits the target.
 *
 * @throws BonsaiError 'device' when the target has no such port, or none or several fit
 */
export async function portFor(port: string, target: Target): Promise<string> {
  if (port !== autoPort) return port;
  placeOf(port, target);
  return choosePort(target.name);
}
