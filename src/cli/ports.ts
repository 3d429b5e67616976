/** bonsaic ports: the serial ports, the boards that they may lead to, and what runs there. */
import type { Command } from 'commander';
import { type Found, type SurveyedPort, surveyPorts } from '../profile/ports.js';
import { table } from '../report/table.js';
import { printJson, printResult, terminalColumns } from './output.js';

interface Flags {
  readonly probe?: true;
  readonly json?: true;
}

export function addPorts(program: Command): void {
  program
    .command('ports')
    .summary('list the serial ports, the boards there, and the firmware on them')
    .option('--probe', 'ask every port, not only those whose USB ids may be a board')
    .option('--json', 'one JSON document on stdout')
    .action(async ({ probe, json }: Flags) => {
      const ports = await surveyPorts({ probe: probe === true });
      if (json) printJson(ports);
      else printResult(ports.length === 0 ? none : portsText(ports));
    });
}

const none = 'no serial ports found: is the board plugged in with a data cable?';

/** A row per port, and what helps with those that do not open. */
export function portsText(ports: readonly SurveyedPort[], width = terminalColumns()): string {
  const rows = ports.map(({ path, vendorId, productId, manufacturer, board, firmware }) => [
    path,
    vendorId === null ? '' : `${vendorId}:${productId}`,
    board?.name ?? manufacturer ?? '',
    firmware === null ? '' : firmwareText(firmware),
  ]);
  const hints = ports.flatMap(({ path, firmware }) =>
    firmware?.state === 'closed' ? [`${path}: ${firmware.hint}`] : [],
  );
  const list = table(['port', 'USB', 'board', 'firmware'], rows, { width });
  return [list, ...hints].join('\n');
}

function firmwareText(found: Found): string {
  switch (found.state) {
    case 'bonsaic': {
      const { target, modelSha256, tag, protocol } = found;
      return `bonsaic for ${target}: model ${modelSha256.slice(0, 12)}…, build ${tag}, protocol ${protocol}`;
    }
    case 'silent':
      return 'no answer';
    default:
      return found.why;
  }
}
