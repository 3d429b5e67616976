/**
 * Commands that write, killed at random moments or on a disk that is full at each of their writes;
 * docs/reliability.md has the outcome.
 *
 *     npx tsx bench/kills.ts kills [COUNT] [COMMAND...]      200 kills of each command that strike: hours
 *     npx tsx bench/kills.ts full [MOST] [COMMAND...]        at each write, or at MOST of them, evenly
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRandom } from '../src/compress/random.js';
import {
  buildFullDisk,
  faultsOfKill,
  fullAt,
  interrupted,
  killedIn,
  type Trials,
  trialsOf,
} from '../test/support/interrupted.js';

const [mode = 'kills', most = '200', ...names] = process.argv.slice(2);
const count = Number(most);
/** KILLS_SEED=2 goes on where a campaign of the seed 1 has ended. */
const seed = Number(process.env.KILLS_SEED ?? 1);

function tell(what: string, faults: readonly string[]): void {
  for (const fault of faults) console.log(`  ${what}: ${fault}`);
}

async function kill(trials: Trials): Promise<void> {
  const random = makeRandom(seed);
  const { name, command } = trials.case;
  let over = 0;
  let bad = 0;
  // A kill behind the end of the command shows nothing, so it does not count.
  for (let i = 0; i < count + over; i++) {
    const afterMs = random() * trials.durationMs;
    const root = trials.fresh();
    if (await killedIn(root, command, afterMs)) over++;
    const faults = faultsOfKill(trials, root);
    if (faults.length > 0) bad++;
    tell(`${name} killed after ${afterMs.toFixed(0)} ms`, faults);
  }
  console.log(`| ${name} | ${count} | ${over} | ${bad} |`);
}

function fill(trials: Trials, library: string, folder: string): void {
  const { name } = trials.case;
  const below = name === 'tune' ? 'cache' : '';
  const disk = { library, counter: join(folder, 'counter'), below };
  const { calls } = fullAt(trials, disk, 0, 0);
  const step = Math.max(1, calls / count);
  const statuses = new Map<number | null, number>();
  let tried = 0;
  let bad = 0;
  for (let at = 1; at <= calls; at += step) {
    // One call that fails may be a disk that has room again; all of them, one that has not.
    for (const failing of [1, 0]) {
      const { status, faults } = fullAt(trials, disk, Math.floor(at), failing);
      tried++;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (faults.length > 0) bad++;
      tell(`${name} full at ${Math.floor(at)}${failing === 0 ? ' and on' : ''}`, faults);
    }
  }
  const ends = [...statuses].map(([status, n]) => `${n} with ${status}`).join(', ');
  console.log(`| ${name} | ${calls} | ${tried} | ${ends} | ${bad} |`);
}

const folder = mkdtempSync(join(tmpdir(), 'kills-'));
try {
  const library = mode === 'full' ? buildFullDisk(folder) : '';
  for (const one of interrupted) {
    if (names.length > 0 && !names.includes(one.name)) continue;
    const trials = trialsOf(one);
    try {
      if (mode === 'full') fill(trials, library, folder);
      else await kill(trials);
    } finally {
      trials.remove();
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
