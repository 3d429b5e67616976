/**
 * Runs trials by number, each with a limit of time and memory by the size of its file: in a thread, which is
 * started again where a trial ends it. A line for each trial that is endless, takes too much memory or
 * ends in an internal error.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** What is done with one hostile file. */
export interface Trial {
  readonly name: string;
  readonly fileBytes: number;
  /** The outcome in a word. @throws anything but a BonsaiError is a fault of bonsaic */
  run(): string | Promise<string>;
}

/** CPU time and bytes that a trial may take: a base, and so much for each byte of its file. */
const limits = { baseMs: 10_000, msPerByte: 1, baseBytes: 2 ** 29, bytesPerByte: 2 ** 12 };
/** Of Node itself, TypeScript and what was loaded. */
const ownBytes = 2 ** 29;
/** Trials of one thread, which starts with an empty memory. */
const sessionTrials = 500;
const slowMs = 5000;

/** Of all threads: the other one waits. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Started {
  readonly started: number;
  readonly name: string;
  readonly fileBytes: number;
}

interface Done {
  readonly number: number;
  readonly outcome: string;
  readonly ms: number;
  readonly rss: number;
}

async function outcomeSafely(trial: Trial): Promise<string> {
  try {
    return await trial.run();
  } catch (error) {
    const lines = error instanceof Error ? (error.stack ?? '').split('\n') : [String(error)];
    const places = lines.filter((line) => line.includes('/src/')).slice(0, 3);
    return `FAULT ${lines[0]} ${places.map((line) => line.trim().replace(/.*\/src\//, '')).join(' < ')}`;
  }
}

async function work(trialOf: (number: number) => Trial | Promise<Trial>): Promise<void> {
  const { from, to } = workerData as { from: number; to: number };
  for (let number = from; number < to; number++) {
    const trial = await trialOf(number);
    const { name, fileBytes } = trial;
    parentPort?.postMessage({ started: number, name, fileBytes } satisfies Started);
    const begin = cpuMs();
    const outcome = await outcomeSafely(trial);
    const [ms, { rss }] = [cpuMs() - begin, process.memoryUsage()];
    parentPort?.postMessage({ number, outcome, ms, rss } satisfies Done);
  }
}

/** Threads do not inherit the loader of TypeScript. */
const bootstrap = `import('tsx/esm/api').then(({ register }) => {
  register();
  return import(require('node:worker_threads').workerData.module);
});`;

/** One thread from `from` on, until it is done or must be ended; the number to go on with. */
function session(
  module: string,
  from: number,
  to: number,
  note: (done: Done, what: string) => void,
): Promise<number> {
  const worker = new Worker(bootstrap, {
    eval: true,
    workerData: { module, from, to },
    resourceLimits: { maxOldGenerationSizeMb: 2048 },
  });
  return new Promise<number>((resolve) => {
    let current = { number: from, name: '', fileBytes: 0, since: Infinity };
    let isOver = false;
    const end = (outcome: string) => {
      if (isOver) return;
      isOver = true;
      clearInterval(watch);
      const ms = cpuMs() - current.since;
      note({ number: current.number, outcome, ms, rss: process.memoryUsage().rss }, current.name);
      void worker.terminate().then(() => resolve(current.number + 1));
    };
    const watch = setInterval(() => {
      const { fileBytes } = current;
      const ms = cpuMs() - current.since;
      if (ms > limits.baseMs + limits.msPerByte * fileBytes) end('ENDLESS');
      const mostBytes = ownBytes + limits.baseBytes + limits.bytesPerByte * fileBytes;
      if (process.memoryUsage().rss > mostBytes) end('MEMORY');
    }, 100);
    worker.on('message', (message: Done | Started) => {
      if ('started' in message) {
        current = { ...message, number: message.started, since: cpuMs() };
        return;
      }
      current.since = Infinity;
      note(message, current.name);
      if (message.number + 1 < to) return;
      isOver = true;
      clearInterval(watch);
      resolve(to);
    });
    // What nothing catches has no trial of its own: an earlier one may have left it behind.
    worker.on('error', (error) => {
      console.log(error.stack);
      end(`FAULT ${error.message}`);
    });
    worker.once('exit', (code) => end(`FAULT exit ${code}`));
  });
}

async function conduct(module: string, what: string): Promise<void> {
  const [first = 0, count = 100_000] = process.argv.slice(2).map(Number);
  const outcomes = new Map<string, number>();
  let [slowest, largest] = [0, 0];
  const note = ({ number, outcome, ms, rss }: Done, name: string) => {
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    slowest = Math.max(slowest, ms);
    largest = Math.max(largest, rss);
    const isFault = /^[A-Z]/.test(outcome);
    if (isFault) process.exitCode = 1;
    if (isFault || ms > slowMs) {
      console.log(`${number} ${name}: ${outcome}, ${Math.round(ms)} ms, ${rss >> 20} MB`);
    }
  };
  for (let next = first; next < first + count; ) {
    next = await session(module, next, Math.min(next + sessionTrials, first + count), note);
    if (next % (20 * sessionTrials) === 0) console.log(`... ${next}`);
  }
  const sorted = [...outcomes].sort(([, a], [, b]) => b - a);
  console.log(
    `${count} ${what} from ${first}: ${sorted.map(([outcome, n]) => `${n} ${outcome}`).join(', ')}; ` +
      `at most ${Math.round(slowest)} ms and ${Math.round(largest / 2 ** 20)} MB`,
  );
}

/**
 * The trials of a script, as its command line says: `[FIRST] [COUNT]`.
 *
 * @param module  the script's own address, which its thread loads again
 */
export async function campaign(
  module: string,
  what: string,
  trialOf: (number: number) => Trial | Promise<Trial>,
): Promise<void> {
  if (isMainThread) await conduct(module, what);
  else await work(trialOf);
}
