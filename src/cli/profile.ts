/** bonsaic profile DIR: the firmware on a board or several, checked bit for bit and measured. */
import type { Command, Option } from 'commander';
import { isSimulated } from '../boards/device/index.js';
import { BonsaiError } from '../errors.js';
import { profile, profileBoards } from '../pipeline/profile.js';
import { boardsText, worstFault } from '../report/boards.js';
import { required } from './config.js';
import {
  concludeReport,
  type DeviceFlags,
  deviceJobOf,
  withBudgets,
  withCompiler,
  withDevice,
  withLabels,
  withReport,
  withVectors,
} from './options.js';
import { conclude, documentOf, terminalColumns } from './output.js';

interface ProfileFlags extends Omit<DeviceFlags, 'port'> {
  /** Text from bonsaic.json, otherwise one per --port. */
  readonly port: string | readonly string[];
  readonly spread?: true;
}

export function addProfile(blank: Command): void {
  const command = withVectors(blank.argument('<dir>', 'a directory written by compile')).option(
    '--spread',
    'boards of several --port share the vectors; without: each runs all',
  );
  withBudgets(withCompiler(withReport(withLabels(withDevice(command, repeatable)))), {
    measured: true,
    compiled: true,
  }).action(async (directory: string, flags: ProfileFlags) => {
    const ports = [flags.port].flat();
    const [port = '', ...others] = ports;
    if (flags.spread && others.length === 0) {
      const hint = 'name each board by a --port of its own, or leave --spread out';
      throw new BonsaiError('usage', '--spread', 'needs several --port', hint);
    }
    if (flags.spread) requireOneKind(ports);
    const job = deviceJobOf({ ...flags, port });
    if (others.length === 0) concludeReport(await profile(directory, job), flags);
    else await profileSeveral(directory, job, distinct(ports), flags);
  });
}

function repeatable(option: Option): Option {
  const collect = (port: string, before: readonly string[] = []) => [...before, port];
  return required(option.argParser(collect));
}

/** @throws BonsaiError 'usage' for boards beside simulators, whose counts do not compare */
function requireOneKind(ports: readonly string[]): void {
  const simulated = ports.find(isSimulated);
  const board = ports.find((port) => !isSimulated(port));
  if (simulated === undefined || board === undefined) return;
  throw new BonsaiError(
    'usage',
    '--spread',
    `${simulated} is simulated, and ${board} is not: their counts do not compare`,
    'leave --spread out, and each runs all vectors',
  );
}

/** @throws BonsaiError 'usage' for a port that is named twice */
function distinct(ports: readonly string[]): readonly string[] {
  const twice = ports.find((port, i) => ports.indexOf(port) < i);
  if (twice === undefined) return ports;
  const hint = isSimulated(twice) ? 'one simulated board is enough' : 'name each board once';
  throw new BonsaiError('usage', `--port ${twice}`, 'is named twice', hint);
}

async function profileSeveral(
  directory: string,
  job: ReturnType<typeof deviceJobOf>,
  ports: readonly string[],
  { json, spread }: ProfileFlags,
): Promise<void> {
  const options = { ports, spread: spread === true };
  const { boards, merged, unsaved } = await profileBoards(directory, job, options);
  const whole = merged?.report ?? null;
  const document = {
    boards: boards.map(({ port, report, fault }) => ({
      ...{ port, report },
      error: fault === null ? null : documentOf(fault),
    })),
    merged: whole,
  };
  const fault = worstFault([...boards.map(({ fault }) => fault), merged?.fault ?? null, unsaved]);
  conclude(json, document, () => boardsText(boards, whole, terminalColumns()), fault);
}
