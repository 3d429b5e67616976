/** All output of commands: results on stdout, progress and errors on stderr. */
import {
  BonsaiError,
  exitStatus,
  InternalError,
  isSystemError,
  refusedBySystem,
} from '../errors.js';
import { type Left, leftBehind, owe, printedDocument, setPrintedDocument } from '../leaving.js';
import { printable, printableJson } from '../printable.js';
import type { Progress } from '../progress.js';

export function printResult(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/**
 * A reader that closes early (`| head -1`) stops neither the command nor its other output. Results
 * that cannot be written for another reason are an error.
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
 * Terminal columns for tables: COLUMNS, otherwise the terminal's width, otherwise 80, so that pipes
 * and files get the same lines everywhere.
 */
export function terminalColumns(): number {
  const said = Number(process.env.COLUMNS);
  if (Number.isInteger(said) && said > 0) return said;
  return process.stdout.columns > 0 ? process.stdout.columns : 80;
}

/** Call this before another command. */
export function forgetDocument(): void {
  setPrintedDocument(null);
}

export function printJson(value: object): void {
  const { error } = value as { error?: { exit?: number } };
  // Its text may take a while, in which a signal may end the thread: nothing is printed then.
  const text = `${printableJson(value)}\n`;
  setPrintedDocument({ exit: error?.exit ?? null });
  process.stdout.write(text);
}

/**
 * Ends a command that has a result, and possibly a fault. With --json both are in one document.
 *
 * @param text the result as text; null if only the fault is shown
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

/**
 * Tells that a signal ends the process, and what it leaves behind. With --json stdout gets it as one
 * document, unless one was printed before. Returns the exit status: that of an error which was printed.
 */
export function reportStop(
  signal: NodeJS.Signals,
  number: number,
  asked: { json: boolean },
): number {
  // An error that was told before has ended the command, not the signal.
  const exit = printedDocument()?.exit ?? 128 + number;
  const left = leftBehind();
  const { where, message, hint } = left ?? {
    ...{ where: 'bonsaic', message: `was stopped by ${signal}`, hint: 'run the command again' },
  };
  if (asked.json && printedDocument() === null) {
    printJson({ error: { code: 'stopped', exit, where, message, hint } });
  }
  if (left !== null) noteFault({ where, message, hint });
  return exit;
}

function noteFault({ where, message, hint }: Left): void {
  note(`error: ${where}: ${message}`);
  // What is to be copied stands as it is: lines of Python must not be indented.
  const lines = hint.replace(/^(?! {4})/gm, '  → ').replace(/^ {4}/gm, '');
  if (hint !== '') note(lines);
}

/** One line on stderr. */
export function note(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

let owesCursor = false;

/** listr2 hides the cursor of a terminal, and shows it again only where it hears the end itself. */
function oweCursor(): void {
  if (owesCursor || !process.stderr.isTTY) return;
  owesCursor = true;
  owe({ owes: 'cursor' });
}

/** Progress on stderr, by listr2: a spinner on a terminal, otherwise a line per step. */
export function makeProgress(): Progress {
  return async (title, work) => {
    // Loaded here, since the main thread prints errors alone.
    const { Listr, ListrLogger, ProcessOutput } = await import('listr2');
    oweCursor();
    // A terminal that tells no width (`script`, some of CI) would get a character a line.
    const redraws = process.stderr.isTTY && process.stderr.columns > 0;
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
              let logged = '';
              result.value = await work((text, picture) => {
                if (!redraws && text === logged) return;
                logged = text;
                task.output = printable((redraws ? picture : undefined) ?? text);
              });
            } catch (error) {
              // Listr shows that it failed; what the caller gets, and is told once, is the error itself.
              result.error = error;
              throw new Error('the error is below');
            }
          },
        },
      ],
      redraws
        ? { renderer: 'default', rendererOptions: { logger, showErrorMessage: false } }
        : { renderer: 'simple', rendererOptions: { logger } },
    );
    await list.run().catch((error: unknown) => {
      throw result.error ?? error;
    });
    return result.value as Awaited<ReturnType<typeof work>>;
  };
}

/** An error in the --json document; `exit` is the status of the process. */
export function documentOf({ code, exitStatus, where, message, hint }: BonsaiError) {
  return { code, exit: exitStatus, where, message, hint };
}

/**
 * Handles a command line that commander refused with a message on stderr. Returns the exit status.
 */
export function reportUsage(text: string, asked: { json: boolean }): number {
  const message = text.replace(/^error: /, '');
  const hint = 'bonsaic help COMMAND shows the options';
  if (asked.json) {
    printJson({ error: documentOf(new BonsaiError('usage', 'command line', message, hint)) });
  }
  return exitStatus.usage;
}

/**
 * Shows an error (what, where, what next) and returns the exit status. With --json stdout gets it
 * as one document, unless a document with the result was printed before.
 */
export function reportError(thrown: unknown, asked: { json: boolean }): number {
  const json = asked.json && printedDocument() === null;
  const error = isSystemError(thrown) ? refusedBySystem(thrown) : thrown;
  if (error instanceof BonsaiError) {
    if (json) printJson({ error: documentOf(error) });
    noteFault(error);
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
