/** Why a serial port does not open, and what helps on this machine. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { BonsaiError } from '../../errors.js';
import { type Holder, holdersOf, namesOf } from './holders.js';
import { type FileLock, fileLockOf } from './lock-files.js';

/** What decides who may open a port; tests replace it. */
export interface Surroundings {
  readonly user: string;
  /** Ids of the groups of this process; null: the system has none (Windows). */
  readonly groupIds: readonly number[] | null;
  /** Text of /etc/group. */
  readonly groups: string;
  readonly isContainer: boolean;
  /** The group and the permission bits of a port; null: unknown. */
  ownerOf(path: string): { readonly groupId: number; readonly mode: number } | null;
  holdersOf(path: string): readonly Holder[];
}

export function surroundings(): Surroundings {
  return {
    user: userInfo().username,
    groupIds: process.getgroups?.() ?? null,
    groups: existsSync('/etc/group') ? readFileSync('/etc/group', 'utf8') : '',
    isContainer: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
    ownerOf(path) {
      const { gid, mode } = statSync(path, { throwIfNoEntry: false }) ?? {};
      return gid === undefined || mode === undefined ? null : { groupId: gid, mode };
    },
    holdersOf: (path) => holdersOf(path),
  };
}

/** Why a port cannot be used. */
export type Refusal = 'missing' | 'permission' | 'busy' | 'not-serial' | 'other';

interface OpenFailure {
  readonly refusal: Refusal;
  readonly pattern: RegExp;
  readonly message: string;
}

/**
 * The binding reports system errors as text only: 'Error: Permission denied, cannot open /dev/…'.
 */
const openFailures: readonly OpenFailure[] = [
  {
    refusal: 'missing',
    pattern: /no such file|ENOENT|cannot find/i,
    message: 'no such serial port',
  },
  {
    refusal: 'permission',
    pattern: /permission denied|EACCES|EPERM|not permitted/i,
    message: 'no permission to open the serial port',
  },
  {
    refusal: 'busy',
    pattern: /cannot lock|temporarily unavailable|EBUSY|busy|access denied/i,
    message: 'the serial port is in use by another program',
  },
  {
    refusal: 'not-serial',
    pattern: /inappropriate ioctl|ENOTTY|not a typewriter|is a directory|no such device/i,
    message: 'is not a serial port',
  },
];

/** Why opening a port has failed, by the binding's text. */
export function refusalOf(error: Error): Refusal {
  return failureOf(error)?.refusal ?? 'other';
}

const failureOf = ({ message }: Error) => openFailures.find(({ pattern }) => pattern.test(message));

const portsHint = 'see bonsaic ports for the serial ports of this machine';

/** The error for a port that is there and does not open (a missing one: missing-port.ts). */
export function openError(
  path: string,
  error: Error,
  here: Surroundings = surroundings(),
): BonsaiError {
  const failure = failureOf(error);
  const message = failure?.message ?? `cannot open the serial port: ${error.message}`;
  switch (failure?.refusal) {
    case 'permission':
      return new BonsaiError('device', path, message, permissionHint(path, here));
    case 'busy': {
      const holders = here.holdersOf(path);
      const by = holders.length === 0 ? '' : `: ${namesOf(holders)}`;
      const hint =
        by === ''
          ? `close the other terminal or monitor; sudo fuser -v ${path} names the program`
          : 'end that program, or wait until it is done';
      return new BonsaiError('device', path, `${message}${by}`, hint);
    }
    default:
      return new BonsaiError('device', path, message, portsHint);
  }
}

/** @throws BonsaiError 'device' when another program keeps the port by a lock file */
export function requireNoLockFile(path: string, lock: FileLock | null = fileLockOf(path)): void {
  if (lock === null) return;
  const message = `the serial port is in use by another program: ${namesOf([lock])}`;
  const hint = `end that program, or wait until it is done; its lock is ${lock.file}`;
  throw new BonsaiError('device', path, message, hint);
}

/** Read and write for the group. */
const groupAccess = 0o060;

/** What gives this user access to a port. */
export function permissionHint(path: string, here: Surroundings): string {
  const { user, groupIds, isContainer } = here;
  const owner = here.ownerOf(path);
  if (owner === null || groupIds === null) return 'ask the owner of this machine for access to it';
  if (isContainer) return `start the container with --device=${path}, or as a user who may open it`;
  const group = groupOf(here, owner.groupId);
  const isOpen = (owner.mode & groupAccess) === groupAccess;
  // Ports without a rule belong to root alone: joining that group is no advice.
  if (!isOpen || owner.groupId === 0 || group === null) return ruleHint(path);
  if (groupIds.includes(owner.groupId)) {
    return 'your group may open it, but a sandbox (snap, SELinux) forbids it: start bonsaic outside';
  }
  if (group.members.includes(user)) {
    return `you are a member of ${group.name}, but this login is older: log out and in again`;
  }
  return `join the group that owns it, then log in again: sudo usermod -aG ${group.name} ${user}`;
}

/** A udev rule that gives the port to whoever is logged in (systemd's uaccess) and to a group. */
function ruleHint(path: string): string {
  const rule = 'KERNEL=="ttyACM*|ttyUSB*", GROUP="dialout", MODE="0660", TAG+="uaccess"';
  return (
    `no udev rule gives ${path} to users; write this line to /etc/udev/rules.d/70-bonsaic.rules: ` +
    `${rule}; then: sudo udevadm control --reload && sudo udevadm trigger`
  );
}

/** A line of /etc/group: name:password:id:members. */
export function groupOf(
  { groups }: Pick<Surroundings, 'groups'>,
  groupId: number,
): { readonly name: string; readonly members: readonly string[] } | null {
  for (const line of groups.split('\n')) {
    const [name, , id, members = ''] = line.split(':');
    if (name && Number(id) === groupId) return { name, members: members.split(',') };
  }
  return null;
}
