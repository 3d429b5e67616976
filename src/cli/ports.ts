/** bonsaic ports: the serial ports, the boards that they may lead to, and what runs there. */
import type { Command } from 'commander';
import { buildsIn, type KnownBuild } from '../boards/build/directory.js';
import {
  type Found,
  type SurveyedPort,
  surveyDrives,
  surveyPorts,
} from '../boards/profile/ports.js';
import { textTable } from '../report/text-table.js';
import { printJson, printResult, terminalColumns } from './output.js';

interface Flags {
  readonly probe?: true;
  readonly json?: true;
}

export function addPorts(blank: Command): void {
  blank
    .option('--probe', 'ask every port, not only those whose USB ids may be a board')
    .option('--json', 'one JSON document on stdout')
    .action(async ({ probe, json }: Flags) => {
      const serial = await surveyPorts({ probe: probe === true });
      const ports = namedPorts([...serial, ...(await surveyDrives())], buildsIn('.'));
      if (json) printJson(ports);
      else printResult(ports.length === 0 ? none : portsText(ports));
    });
}

const none = 'no serial ports found: is the board plugged in with a data cable?';

/** A port whose firmware may be one that was compiled here. */
export interface NamedPort extends SurveyedPort {
  /** The name of the model; null: told neither by the board nor by a directory here. */
  readonly model: string | null;
  /** The directory with this very build; null: none here. */
  readonly directory: string | null;
}

/** Names models by their hash, and builds by their tag. */
export function namedPorts(
  ports: readonly SurveyedPort[],
  builds: readonly KnownBuild[],
): NamedPort[] {
  return ports.map((port) => {
    const { firmware } = port;
    if (firmware?.state !== 'bonsaic') return { ...port, model: null, directory: null };
    const { modelSha256, tag } = firmware;
    const sameModel = builds.filter(({ model }) => model.sha256 === modelSha256);
    const sameBuild = sameModel.find((build) => build.tag === tag);
    return {
      ...port,
      model: firmware.model ?? sameModel[0]?.model.name ?? null,
      directory: sameBuild?.directory ?? null,
    };
  });
}

/** A row per port, and what helps with those that do not open. */
export function portsText(ports: readonly NamedPort[], width = terminalColumns()): string {
  const rows = ports.map((port) => [
    port.path,
    port.vendorId === null ? '' : `${port.vendorId}:${port.productId}`,
    port.board?.name ?? port.manufacturer ?? '',
    port.firmware === null ? '' : firmwareText(port.firmware, port),
  ]);
  const hints = ports.flatMap(({ path, firmware }) =>
    firmware?.state === 'closed' || firmware?.state === 'drive'
      ? [`${path}: ${firmware.hint}`]
      : [],
  );
  const list = textTable(['port', 'USB', 'board', 'firmware'], rows, { width });
  return [list, ...hints].join('\n');
}

function firmwareText(found: Found, { model, directory }: NamedPort): string {
  switch (found.state) {
    case 'bonsaic': {
      const { target, modelSha256, tag, protocol, version } = found;
      const name = model ?? `model ${modelSha256.slice(0, 12)}…`;
      const place = directory === null ? '' : ` (${directory})`;
      const by = version === null ? 'bonsaic' : `bonsaic ${version}`;
      return `${by} for ${target}: ${name}, build ${tag}${place}, protocol ${protocol}`;
    }
    case 'silent':
      return 'no answer';
    default:
      return found.why;
  }
}
