/** bonsaic profile: the firmware of a directory on a board or several. */
import { findImage } from '../boards/build/index.js';
import { measureEach, measureSpread } from '../boards/profile/boards.js';
import { type Measurement, measure } from '../boards/profile/measure.js';
import { portFor } from '../boards/profile/ports.js';
import type { VectorPair } from '../boards/profile/vectors.js';
import type { BonsaiError } from '../errors.js';
import { judge, measureOn } from '../pipeline.js';
import { saveReport } from '../report/files.js';
import { makeReport, type Report } from '../report/index.js';
import { prepare, requestOf } from './directory.js';
import type { DeviceJob, Outcome } from './types.js';

/** bonsaic profile: the firmware of a directory on a board that has it. */
export async function profile(directory: string, job: DeviceJob): Promise<Outcome> {
  const { manifest, target, module, vectors, built } = await prepare(directory, job);
  const port = await portFor(job.port, target);
  const labels = job.labels?.names;
  const run = { manifest, module, target, vectors, labels };
  const measured = await measureOn({ ...job, port }, built, run);
  const report = makeReport({ manifest, target, built, measured });
  const unsaved = saveReport(directory, report);
  const request = () => requestOf(directory, manifest);
  const { fault } = await judge(report, manifest.plan, target, request, job);
  return { report, fault: fault ?? unsaved };
}

/** The outcome of one board of several. */
export interface BoardOutcome {
  readonly port: string;
  /** null if it failed, or had no vectors. */
  readonly report: Report | null;
  readonly fault: BonsaiError | null;
}

/** The results of several boards. */
export interface BoardsOutcome {
  readonly boards: readonly BoardOutcome[];
  /** With `spread` all vectors as one measurement; otherwise, and if no board is left, null. */
  readonly merged: Outcome | null;
  /** Why the directory does not have the report; null: it has. */
  readonly unsaved: BonsaiError | null;
}

/**
 * bonsaic profile with several ports: the boards run at the same time, and one that fails does not
 * stop the others.
 *
 * @param spread whether the boards share the vectors, which otherwise all of them run
 * @throws BonsaiError for what concerns all boards
 */
export async function profileBoards(
  directory: string,
  job: DeviceJob,
  { ports, spread }: { readonly ports: readonly string[]; readonly spread: boolean },
): Promise<BoardsOutcome> {
  const { manifest, target, module, vectors, built } = await prepare(directory, job);
  const { xip, timeoutMs } = job;
  const labels = job.labels?.names;
  const run = { manifest, module, target, image: findImage(built), xip, timeoutMs, labels };
  const title = `Run ${vectors.length} vectors on ${ports.join(', ')}`;
  const { boards, merged } = await job.progress(title, async (say) => {
    const request = {
      ...{ ports, vectors },
      measureOn: async (
        port: string,
        some: readonly VectorPair[],
        observe: (done: number) => void,
      ) => {
        const tell = (text: string) => say(`${port}: ${text}`);
        const own = { port: await portFor(port, target), vectors: some, observe, tell };
        return measure({ ...run, ...own });
      },
      observe: (done: ReadonlyMap<string, number>) =>
        say([...done].map(([port, count]) => `${port}: ${count}`).join(', ')),
    };
    if (spread) return measureSpread(request);
    return { boards: await measureEach(request), merged: null };
  });
  const outcomeOf = (measured: Measurement) => {
    const report = makeReport({ manifest, target, built, measured });
    return judge(report, manifest.plan, target, () => requestOf(directory, manifest), job);
  };
  const outcomes = await Promise.all(
    boards.map(async ({ port, measured, error }): Promise<BoardOutcome> => {
      if (measured === null) return { port, report: null, fault: error };
      const { report, fault } = await outcomeOf(measured);
      return { port, report, fault: error ?? fault };
    }),
  );
  const whole = merged === null ? null : await outcomeOf(merged);
  const report = whole?.report ?? outcomes.find(({ report }) => report !== null)?.report;
  const unsaved = report ? saveReport(directory, report) : null;
  return { boards: outcomes, merged: whole, unsaved };
}
