/**
 * Mutants of model files on the whole way from bytes to C (test/support/mutants.ts), each with a limit of time and
 * memory by its size: in a thread, which is started again where one ends it. A line for each mutant that
 * is endless, takes too much memory or ends in an internal error; docs/reliability.md has the outcome.
 *
 *     npx tsx bench/fuzz-models.ts [FIRST] [COUNT]      100 000 mutants: hours
 */
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { mutantOf, outcomeOfMutant } from '../test/support/mutants.js';

/** CPU time and bytes that a mutant may take: a base, and so much for each byte of its file. */
const limits = { baseMs: 10_000, msPerByte: 1, baseBytes: 2 ** 29, bytesPerByte: 2 ** 12 };

/** Of all threads: the other one waits. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Done {
  readonly number: number;
  readonly outcome: string;
  readonly ms: number;
  readonly rss: number;
}

function work(from: number, to: number): void {
  for (let number = from; number < to; number++) {
    const mutant = mutantOf(number);
    parentPort?.postMessage({ started: number, name: mutant.name, bytes: mutant.bytes.length });
    const begin = cpuMs();
    const outcome = outcomeSafely(mutant);
    const [ms, { rss }] = [cpuMs() - begin, process.memoryUsage()];
    parentPort?.postMessage({ number, outcome, ms, rss } satisfies Done);
  }
}

function outcomeSafely(mutant: Parameters<typeof outcomeOfMutant>[0]): string {
  try {
    return outcomeOfMutant(mutant);
  } catch (error) {
    const lines = error instanceof Error ? (error.stack ?? '').split('\n') : [String(error)];
    const places = lines.filter((line) => line.includes('/src/')).slice(0, 3);
    return `FAULT ${lines[0]} ${places.map((line) => line.trim().replace(/.*\/src\//, '')).join(' < ')}`;
  }
}

/** Threads do not inherit the loader of TypeScript. */
const bootstrap = `import('tsx/esm/api').then(({ register }) => {
  register();
  return import(require('node:worker_threads').workerData.module);
});`;

/** One thread from `from` on, until it is done or must be ended; the number to go on with. */
function session(from: number, to: number, note: (done: Done, what: string) => void) {
  const worker = new Worker(bootstrap, {
    eval: true,
    workerData: { module: import.meta.url, from, to },
    resourceLimits: { maxOldGenerationSizeMb: 2048 },
  });
  return new Promise<number>((resolve) => {
    let current = { number: from, name: '', bytes: 0, since: Infinity };
    const end = (outcome: string) => {
      clearInterval(watch);
      const ms = cpuMs() - current.since;
      note({ number: current.number, outcome, ms, rss: process.memoryUsage().rss }, current.name);
      void worker.terminate().then(() => resolve(current.number + 1));
    };
    const watch = setInterval(() => {
      const ms = cpuMs() - current.since;
      if (ms > limits.baseMs + limits.msPerByte * current.bytes) end('ENDLESS');
      const most = limits.baseBytes + limits.bytesPerByte * current.bytes;
      if (process.memoryUsage().rss > 2 ** 29 + most) end('MEMORY');
    }, 100);
    worker.on('message', (message: Done | { started: number; name: string; bytes: number }) => {
      if ('started' in message) {
        current = { ...message, number: message.started, since: cpuMs() };
        return;
      }
      current.since = Infinity;
      note(message, current.name);
      if (message.number + 1 < to) return;
      clearInterval(watch);
      resolve(to);
    });
    worker.on('error', (error) => end(`FAULT ${error.message}`));
  });
}

async function campaign(first: number, count: number): Promise<void> {
  const outcomes = new Map<string, number>();
  let [slowest, largest] = [0, 0];
  const note = ({ number, outcome, ms, rss }: Done, name: string) => {
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    slowest = Math.max(slowest, ms);
    largest = Math.max(largest, rss);
    if (/^[A-Z]/.test(outcome) || ms > 5000) {
      console.log(`${number} ${name}: ${outcome}, ${Math.round(ms)} ms, ${rss >> 20} MB`);
    }
  };
  for (let next = first; next < first + count; ) {
    next = await session(next, Math.min(next + 2000, first + count), note);
    if (next % 2000 === 0) console.log(`... ${next}`);
  }
  const sorted = [...outcomes].sort(([, a], [, b]) => b - a);
  console.log(
    `${count} mutants from ${first}: ${sorted.map(([what, n]) => `${n} ${what}`).join(', ')}; ` +
      `at most ${Math.round(slowest)} ms and ${Math.round(largest / 2 ** 20)} MB`,
  );
}

if (isMainThread) {
  const [first = 0, count = 100_000] = process.argv.slice(2).map(Number);
  if (fileURLToPath(import.meta.url) === process.argv[1]) await campaign(first, count);
} else {
  const { from, to } = workerData as { from: number; to: number };
  work(from, to);
}
