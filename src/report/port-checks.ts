/** Whether this machine lets its user talk to boards: ports, groups, udev, programs that interfere. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  groupOf,
  permissionHint,
  type Surroundings,
  surroundings,
} from '../boards/device/access.js';
import { namesOf } from '../boards/device/holders.js';
import { listPorts, type SerialPortInfo } from '../boards/device/index.js';
import type { ToolCheck } from './check.js';

/** What the checks need of the machine; tests replace it. */
export interface PortMachine extends Surroundings {
  readonly platform: NodeJS.Platform;
  readonly isRoot: boolean;
  readonly hasUdev: boolean;
  /** Names of running programs. */
  readonly programs: ReadonlySet<string>;
  list(): Promise<readonly SerialPortInfo[]>;
  mayOpen(path: string): boolean;
}

export function portMachine(): PortMachine {
  return {
    ...surroundings(),
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    hasUdev: existsSync('/run/udev/control'),
    programs: runningPrograms(),
    list: listPorts,
    mayOpen(path) {
      try {
        accessSync(path, constants.R_OK | constants.W_OK);
        return true;
      } catch {
        return false;
      }
    },
  };
}

/** Each check is of use, none is needed: a board may also be simulated, or behind TCP. */
const check = (what: string, ok: boolean, found: string, hint = ''): ToolCheck => ({
  ...{ what, ok, needed: false, found, hint },
});

/** All checks of ports; on other systems than Linux the ports alone. */
export async function checkPorts(machine: PortMachine = portMachine()): Promise<ToolCheck[]> {
  let ports: readonly SerialPortInfo[];
  try {
    ports = await machine.list();
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return [check('serial ports (boards)', false, found, 'npm rebuild @serialport/bindings-cpp')];
  }
  const own = ports.map(({ path }) => portCheck(path, machine));
  const list = own.length > 0 ? own : [check('serial ports (boards)', true, 'none')];
  if (machine.platform !== 'linux') return list;
  return [...list, groupCheck(ports, machine), udevCheck(machine), ...interferenceChecks(machine)];
}

function portCheck(path: string, machine: PortMachine): ToolCheck {
  const what = `serial port ${path}`;
  if (!machine.mayOpen(path)) {
    return check(what, false, 'no permission', permissionHint(path, machine));
  }
  const holders = machine.holdersOf(path);
  if (holders.length === 0) return check(what, true, 'may be opened');
  return check(what, false, `in use by ${namesOf(holders)}`, 'end that program');
}

/** Groups that own serial ports: Debian's and Fedora's, Arch's. */
const usualGroups = ['dialout', 'uucp'];

/** The group that owns serial ports, and whether this user is in it. */
function groupCheck(ports: readonly SerialPortInfo[], machine: PortMachine): ToolCheck {
  const owners = ports.flatMap(({ path }) => machine.ownerOf(path)?.groupId ?? []);
  const lines = machine.groups.split('\n').map((line) => line.split(':'));
  const [usual] = usualGroups.flatMap((name) => lines.filter((line) => line[0] === name));
  const id = owners.find((owner) => owner !== 0) ?? Number(usual?.[2] ?? Number.NaN);
  const group = groupOf(machine, id);
  if (group === null) return check('group of serial ports', true, 'none here');
  const what = `group ${group.name} (serial ports)`;
  const { user, groupIds, isRoot } = machine;
  if (isRoot) return check(what, true, 'not needed: this user is root');
  if (groupIds?.includes(id)) return check(what, true, `${user} is a member`);
  if (group.members.includes(user)) {
    const found = `${user} is a member, but this login is older`;
    return check(what, false, found, 'log out and in again');
  }
  const hint = `sudo usermod -aG ${group.name} ${user}, then log in again`;
  return check(what, false, `${user} is not a member`, hint);
}

function udevCheck({ hasUdev, isContainer }: PortMachine): ToolCheck {
  const what = 'udev (gives ports to their group)';
  if (hasUdev) return check(what, true, 'running');
  const hint = isContainer
    ? 'start the container with --device=PORT for each board'
    : 'start it: sudo systemctl start systemd-udevd';
  return check(what, false, 'not running', hint);
}

/** Programs that open serial ports by themselves. */
const interfering: readonly {
  readonly name: string;
  readonly what: string;
  readonly hint: string;
}[] = [
  {
    name: 'ModemManager',
    what: 'asks each new port whether it is a modem',
    hint: 'wait 10 s after plugging a board in, or: sudo systemctl disable --now ModemManager',
  },
  {
    name: 'brltty',
    what: 'takes CH340 and CP210x bridges for braille displays',
    hint: 'if a bridge does not appear as a port: sudo apt-get remove brltty',
  },
];

function interferenceChecks({ programs }: PortMachine): ToolCheck[] {
  return interfering
    .filter(({ name }) => programs.has(name))
    .map(({ name, what, hint }) => check(`${name} (${what})`, false, 'running', hint));
}

/** By /proc; empty elsewhere. The kernel cuts names to 15 characters. */
function runningPrograms(): ReadonlySet<string> {
  if (!existsSync('/proc')) return new Set();
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return new Set(
    ids.flatMap((id) => {
      try {
        return [readFileSync(join('/proc', id, 'comm'), 'utf8').trim()];
      } catch {
        // It has ended.
        return [];
      }
    }),
  );
}
