/** Signals to every command, at a few moments; bench/signals.ts tries many, and takes the time. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { join as quote } from 'shlex';
import { forgetDocument, printJson, reportStop } from '../../src/cli/output.js';
import { longestEndMs } from '../../src/cli/supervise.js';
import { makeRandom } from '../../src/compress/random.js';
import { printedDocument } from '../../src/leaving.js';
import { cliPath } from '../support/cli.js';
import {
  faultOf,
  type Given,
  givenFor,
  type StopSignal,
  stopAt,
  stoppedCommands,
  stopSignals,
} from '../support/signals.js';
import { needs } from '../support/skip.js';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const moments = [150, 600, 1500];

/** Calls `work`, as the first to print, with no output to the test's own. */
function silently<T>(work: () => T): T {
  const write = process.stdout.write;
  forgetDocument();
  process.stdout.write = () => true;
  try {
    return work();
  } finally {
    process.stdout.write = write;
  }
}

describe(`a signal ends every command (seed ${seed})`, () => {
  let given: Given;
  before(async () => {
    given = await givenFor();
  });
  after(() => rmSync(given.folder, { recursive: true, force: true }));
  const random = makeRandom(seed);
  const signals = Object.keys(stopSignals) as StopSignal[];

  for (const command of stoppedCommands) {
    const attempts = moments.map((most, i) => ({
      signal: signals[(i + Math.floor(random() * 3)) % 3] as StopSignal,
      afterMs: Math.round(random() * most),
      json: command.hasJson === true,
    }));
    it(`${command.name}: ${attempts.map((a) => `${a.signal} ${a.afterMs} ms`)}`, async function () {
      for (const program of command.needs ?? []) needs(this, program);
      for (const attempt of attempts) {
        const stopped = await stopAt(command, given, attempt);
        expect(faultOf(command, attempt, stopped), JSON.stringify(attempt)).to.equal('');
      }
    });
  }

  it('an error whose document was printed before the signal keeps its status', () => {
    const statusAfter = (document: object) =>
      silently(() => {
        printJson(document);
        return reportStop('SIGTERM', 15, { json: true });
      });
    expect(statusAfter({ error: { code: 'flash', exit: 5 } })).to.equal(5);
    expect(statusAfter({ outputs: [] })).to.equal(143);
  });

  it('a document counts as printed when its text is there, not while it is made', () => {
    let whileMade: unknown;
    const document = {
      toJSON: () => {
        whileMade = printedDocument();
        return { error: { code: 'flash', exit: 5 } };
      },
    };
    silently(() => printJson(document));
    expect(whileMade).to.equal(null);
    expect(printedDocument()).to.not.equal(null);
  });

  it('all that the end waits for leaves time to end within 2 s', () => {
    expect(longestEndMs).to.be.within(1000, 1800);
  });

  it('a terminal that is closed ends a command with 129', async function () {
    needs(this, 'script');
    for (const afterMs of [400, 1500]) {
      const status = join(given.folder, 'status');
      rmSync(status, { force: true });
      const model = resolve('examples/activity/activity.tflite');
      // It builds for all boards, and lasts.
      const command = quote([process.execPath, cliPath, 'compare', model]);
      // The shell leads the session: it alone hears that the terminal has gone, and passes that on.
      const line = `${command} & p=$!; trap "kill -HUP $p" HUP; wait $p; wait $p; echo $? > ${quote([status])}`;
      const script = spawn('script', ['--quiet', '--command', line, '/dev/null'], {
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { ...process.env, SHELL: '/bin/sh' },
      });
      await sleep(afterMs);
      script.kill('SIGKILL');
      while (!existsSync(status) || readFileSync(status, 'utf8') === '') await sleep(10);
      expect(readFileSync(status, 'utf8'), `${afterMs} ms`).to.equal('129\n');
    }
  });

  it('a terminal shows its cursor again after a signal, and at the normal end', async function () {
    needs(this, 'script');
    const command = stoppedCommands.find(({ name }) => name === 'quantize');
    if (command === undefined) throw new Error('quantize');
    for (const afterMs of [800, Number.POSITIVE_INFINITY]) {
      const attempt = { signal: 'SIGINT', afterMs, terminal: true } as const;
      const stopped = await stopAt(command, given, attempt);
      expect(faultOf(command, attempt, stopped), `${afterMs} ms`).to.equal('');
    }
  });
});
