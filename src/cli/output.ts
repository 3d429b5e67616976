/** Everything that a command prints: results on stdout, progress and errors on stderr. */
import { Listr, ListrLogger, ProcessOutput } from 'listr2';
import {
  BonsaiError,
  exitStatus,
  InternalError,
  isSystemError,
  refusedBySystem,
} from '../errors.js';
import { printable, printableJson } from '../printable.js';
import type { Progress } from '../progress.js';

export function printResult(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/**
 * A reader that has seen enough (`| head -1`) ends neither the command nor what it writes
 * elsewhere; results that cannot be written for another reason are an error.
 */
export function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      process.exitCode = exitStatus.usage;
      const what = `error: standard output: cannot be written: ${error.message}`;
      if (stream === process.stdout) note(what);
    });
  }
}

/**
 * Columns that tables may take: those that COLUMNS says, else the terminal's. In a pipe or a file
 * 80, as other programs have it: lines of one width whoever reads them.
 */
export function terminalColumns(): number {
  const said = Number(process.env.COLUMNS);
  if (Number.isInteger(said) && said > 0) return said;
  return process.stdout.columns > 0 ? process.stdout.columns : 80;
}

/** --json promises one document: an error after the report must not print a second. */
let documentPrinted = false;

/** Before another command. */
export function forgetDocument(): void {
  documentPrinted = false;
}

export function printJson(value: unknown): void {
  documentPrinted = true;
  process.stdout.write(`${printableJson(value)}\n`);
}

/**
 * The end of a command that has a result, and perhaps found fault with it: with --json both are in
 * one document.
 *
 * @param text the result for people; null where only the fault counts
 * @throws `fault`
 */
export function conclude(
  json: boolean | undefined,
  result: object,
  text: (() => string) | null,
  fault: BonsaiError | null,
): void {
  if (json) printJson(fault === null ? result : { ...result, error: documentOf(fault) });
  else if (text !== null) printResult(text());
  if (fault !== null) throw fault;
}

/** One line on stderr. */
export function note(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/** Progress by listr2 on stderr: a spinner on a terminal, a line a step elsewhere. */
export function makeProgress(): Progress {
  return async (title, work) => {
    const logger = new ListrLogger({
      processOutput: new ProcessOutput(process.stderr, process.stderr),
    });
    const result: { value?: Awaited<ReturnType<typeof work>>; error?: unknown } = {};
    const list = new Listr(
      [
        {
          title: printable(title),
          task: async (_, task) => {
            try {
              result.value = await work((text) => {
                task.output = printable(text);
              });
            } catch (error) {
              // Listr shows its message; whoever asked for the work gets the error itself.
              result.error = error;
              throw new Error(printable(error instanceof Error ? error.message : String(error)));
            }
          },
        },
      ],
      process.stderr.isTTY
        ? { renderer: 'default', rendererOptions: { logger, showErrorMessage: false } }
        : { renderer: 'simple', rendererOptions: { logger } },
    );
    await list.run().catch((error: unknown) => {
      throw result.error ?? error;
    });
    return result.value as Awaited<ReturnType<typeof work>>;
  };
}

/** What --json has of an error; `exit` is the status that the process ends with. */
function documentOf({ code, exitStatus, where, message, hint }: BonsaiError) {
  return { code, exit: exitStatus, where, message, hint };
}

/** A command line that commander has refused, and said so on stderr; returns the exit status. */
export function reportUsage(text: string, asked: { json: boolean }): number {
  const message = text.replace(/^error: /, '');
  const hint = 'bonsaic help COMMAND shows the options';
  if (asked.json) {
    printJson({ error: documentOf(new BonsaiError('usage', 'command line', message, hint)) });
  }
  return exitStatus.usage;
}

/**
 * Shows an error and returns the status to exit with: what, where, what next. With --json stdout
 * gets the same as one document, unless it has had that with the result.
 */
export function reportError(thrown: unknown, asked: { json: boolean }): number {
  const json = asked.json && !documentPrinted;
  const error = isSystemError(thrown) ? refusedBySystem(thrown) : thrown;
  if (error instanceof BonsaiError) {
    const { where, message, hint } = error;
    if (json) printJson({ error: documentOf(error) });
    note(`error: ${where}: ${message}`);
    if (hint !== '') note(hint.replace(/^/gm, '  → '));
    return error.exitStatus;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const stage = error instanceof InternalError ? ` (in ${error.stage})` : '';
  if (json) {
    const document = { code: 'internal', exit: 70, where: 'bonsaic', message: text, hint: '' };
    printJson({ error: document });
  }
  note(
    `bonsaic has a bug${stage}: please report this with the model and the command line\n${text}`,
  );
  return 70;
}
