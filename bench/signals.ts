/**
 * The table of docs/reliability.md, 'Signals': every command is stopped at moments between its start and
 * the end of its natural time, by SIGHUP, SIGINT and SIGTERM in turn, each tenth in a terminal.
 *
 *     npx tsx bench/signals.ts [MOMENTS] [COMMAND…]
 */
import { rmSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { makeRandom } from '../src/compress/random.js';
import {
  faultOf,
  givenFor,
  isBeforeFirstLine,
  type StoppedCommand,
  type StopSignal,
  stopAt,
  stoppedCommands,
  stopSignals,
} from '../test/support/signals.js';
import { replaceSection } from './document.js';

const [count = '40', ...names] = process.argv.slice(2);
const moments = Number(count);
const signals = Object.keys(stopSignals) as StopSignal[];
/** Of a command that takes longer, the first seconds are tried. */
const mostMs = 5000;
const limitMs = 2000;

const given = await givenFor();

async function naturalMs(command: StoppedCommand): Promise<number> {
  const startMs = performance.now();
  const attempt = { signal: 'SIGTERM', afterMs: mostMs } as const;
  await stopAt(command, given, attempt);
  return Math.min(performance.now() - startMs, mostMs);
}

async function rowOf(command: StoppedCommand): Promise<string> {
  const wholeMs = await naturalMs(command);
  const random = makeRandom(1);
  const ends: number[] = [];
  const faults: string[] = [];
  let early = 0;
  let over = 0;
  for (let i = 0; i < moments; i++) {
    const attempt = {
      signal: signals[i % signals.length] as StopSignal,
      afterMs: (wholeMs * (i + random())) / moments,
      terminal: i % 10 === 9,
      json: command.hasJson === true && i % 10 !== 9,
    };
    const stopped = await stopAt(command, given, attempt);
    const fault = faultOf(command, attempt, stopped);
    if (fault !== '') faults.push(`${attempt.signal} after ${attempt.afterMs | 0} ms: ${fault}`);
    if (stopped.endMs === null) over++;
    else if (isBeforeFirstLine(stopped)) early++;
    else ends.push(stopped.endMs);
  }
  for (const fault of faults) console.error(`${command.name}: ${fault}`);
  ends.sort((a, b) => a - b);
  const within = ends.filter((ms) => ms <= limitMs).length;
  const figures = [ends[ends.length >> 1] ?? 0, ends.at(-1) ?? 0].map((ms) => Math.round(ms));
  const cells = [
    command.name,
    (wholeMs / 1000).toFixed(1),
    early,
    over,
    `${within} of ${ends.length}`,
  ];
  return `| ${[...cells, ...figures, faults.length].join(' | ')} |`;
}

const lines = [
  '| command | s tried | before the first line | had ended | within 2 s | median ms | worst ms | faults |',
  '|---|---|---|---|---|---|---|---|',
];
for (const command of stoppedCommands) {
  if (names.length > 0 && !names.includes(command.name)) continue;
  lines.push(await rowOf(command));
  console.error(lines.at(-1));
}
rmSync(given.folder, { recursive: true, force: true });
if (names.length === 0) replaceSection('signals', lines.join('\n'), 'docs/reliability.md');
else console.log(lines.join('\n'));
