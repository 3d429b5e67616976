/**
 * Errors that a user can cause, with their place and a hint.
 *
 * Every error that a user can cause is a BonsaiError. Any other exception is a bug in bonsaic and
 * ends the process with status 70.
 */

/** The exit status for each kind of error (docs/process.md, 'Report and exit codes'). */
export const exitStatus = {
  // 1: the command line
  usage: 1,
  // 2: the model
  'not-a-model': 2,
  'truncated-model': 2,
  'corrupt-model': 2,
  'too-large': 2,
  'unsupported-operator': 2,
  'unsupported-attribute': 2,
  'unsupported-type': 2,
  'float-model': 2,
  'bad-shape': 2,
  'bad-quantization': 2,
  'bad-graph': 2,
  'bad-vectors': 2,
  'bad-data': 2,
  // 3: budgets
  'over-budget': 3,
  // 4: tools
  toolchain: 4,
  // 5: device
  device: 5,
  flash: 5,
  // 6: results
  'outputs-differ': 6,
} as const;

export type ErrorCode = keyof typeof exitStatus;

/**
 * An error that the user can act on.
 *
 * @property code    the kind of error, which decides the exit status
 * @property where   the place: a file, 'operator 3 (CONV_2D) "block1/conv"', a port
 * @property message the fault, in one line
 * @property hint    what to do next; '' if nothing can be suggested
 */
export class BonsaiError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly where: string,
    message: string,
    readonly hint = '',
  ) {
    super(message);
    this.name = 'BonsaiError';
  }

  get exitStatus(): number {
    return exitStatus[this.code];
  }
}

/** What `work` returns, or the error that ends it. Other exceptions are faults of bonsaic. */
export function attempt<T>(work: () => T): T | BonsaiError {
  try {
    return work();
  } catch (error) {
    if (error instanceof BonsaiError) return error;
    throw error;
  }
}

/** The error that ends `work`; null: none does. */
export function refusalOf(work: () => void): BonsaiError | null {
  return attempt(() => {
    work();
    return null;
  });
}

/** Whether a system call has failed. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && !(error instanceof BonsaiError);
}

/** What `work` returns, or `otherwise` where the system refuses it. */
export function unlessRefused<T>(work: () => T, otherwise: T): T {
  try {
    return work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return otherwise;
  }
}

const systemHints: readonly (readonly [codes: RegExp, hint: string])[] = [
  [/^ENAMETOOLONG$/, 'give the file or the folder a shorter name'],
  [/^(ENOSPC|EDQUOT|EFBIG)$/, 'free some space there, or choose another place'],
  [/^(EACCES|EPERM|EROFS)$/, 'choose a place that you may read and write'],
  [
    /^(EMFILE|ENFILE|EAGAIN|ENOMEM)$/,
    'the machine is short of memory, open files or processes: close other programs',
  ],
  [/^(EIO|ENXIO|ENODEV)$/, 'check the disk or the device, then try again'],
];

/** A system error that no command handles, as an error that the user can act on. */
export function refusedBySystem(error: NodeJS.ErrnoException): BonsaiError {
  if (error.syscall === 'uv_cwd') {
    return new BonsaiError('usage', 'working folder', 'is gone', 'change to a folder that exists');
  }
  const where = error.path ?? 'the system';
  return new BonsaiError('usage', where, error.message, hintFor(error, 'check that it exists'));
}

function hintFor(error: NodeJS.ErrnoException, otherwise: string): string {
  const [, hint] = systemHints.find(([codes]) => codes.test(error.code ?? '')) ?? [];
  return hint ?? otherwise;
}

/**
 * What `work` returns, which writes to `place`.
 *
 * @throws BonsaiError 'usage' that names the place where the system refuses that
 */
export function writing<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    // The call and the path behind it tell a user nothing more.
    const message = `cannot be written: ${error.message.replace(/, \w+( '.*')?$/s, '')}`;
    const hint = hintFor(error, 'give a place that you may write to');
    throw new BonsaiError('usage', place, message, hint);
  }
}

/** A violated invariant in bonsaic; `stage` names the pass or stage that violated it. */
export class InternalError extends Error {
  constructor(
    readonly stage: string,
    message: string,
  ) {
    super(`${stage}: ${message}`);
    this.name = 'InternalError';
  }
}
