/** bonsaic compare: as far as it is possible here, on many boards. */
import { inTemporaryDirectory } from '../boards/build/temporary.js';
import { vectorsFor } from '../boards/profile/seeded-vectors.js';
import type { Target } from '../boards/target/index.js';
import { estimatedCount } from '../compiler/plan/types.js';
import { BonsaiError } from '../errors.js';
import { buildEmission, compile, load, measureOn } from '../pipeline.js';
import { overBoard } from '../report/budgets.js';
import {
  type ComparedBoard,
  comparedBoard,
  isRefusal,
  refusingBoard,
  type TakenBoard,
} from '../report/compare.js';
import { makeReport } from '../report/index.js';
import type { CompileRequest, DeviceJob } from './types.js';

/** An inference with a larger estimate is not simulated to compare boards: about a minute. */
const longestComparedCount = 100e6;

/**
 * bonsaic compare: what the model needs on each board, in this order.
 *
 * @param longestCount  of an inference: a longer one is estimated, not simulated
 */
export async function compare(
  request: Omit<CompileRequest, 'target'>,
  targets: readonly Target[],
  job: DeviceJob,
  longestCount = longestComparedCount,
): Promise<readonly ComparedBoard[]> {
  // A faulty file is refused before any board is tried.
  load(request);
  const boards: ComparedBoard[] = [];
  for (const target of targets) {
    try {
      boards.push(await tryOn({ ...request, target }, job, longestCount));
    } catch (error) {
      if (!(error instanceof BonsaiError) || !isRefusal(error)) throw error;
      boards.push(refusingBoard(target, error));
    }
  }
  return boards;
}

/** What a board needs for a model, and why it does not take it; null: it does. */
export interface Figures {
  readonly board: TakenBoard;
  readonly refusal: BonsaiError | null;
}

/**
 * What `run` would tell of a model: it is compiled, built and run on the simulator, as far as that
 * is possible here. Of one that does not fit the board, the figures are estimates.
 */
export async function figuresOn(
  request: CompileRequest,
  job: Omit<DeviceJob, 'port' | 'vectors'>,
): Promise<Figures> {
  const simulated = { ...job, port: 'sim' };
  try {
    const board = await tryOn(request, simulated, longestComparedCount, usualVectors);
    return { board, refusal: null };
  } catch (error) {
    if (!(error instanceof BonsaiError) || error.code !== 'over-budget') throw error;
    const { target } = request;
    const { plan, emission } = compile(request);
    const report = makeReport({ manifest: emission.manifest, target });
    const board = comparedBoard(target, plan, report, error.message, job.budgets);
    return { board, refusal: error };
  }
}

/** Vectors that `run` takes. */
const usualVectors = Infinity;

/** Compiles, builds and runs on the simulator, as far as that is possible here. */
async function tryOn(
  request: CompileRequest,
  job: DeviceJob,
  longestCount: number,
  seeded = 1,
): Promise<TakenBoard> {
  const { target } = request;
  const { module, plan, emission } = compile(request);
  const { manifest } = emission;
  const all = vectorsFor(job.vectors, plan, module);
  const vectors = job.vectors === undefined ? all.slice(0, seeded) : all;
  let report = makeReport({ manifest, target });
  const fault = overBoard({ report, plan }, target);
  if (fault !== null) throw fault;
  let note: string | null = null;
  try {
    await inTemporaryDirectory(async (directory) => {
      // ESP-IDF takes no compiler of the user's.
      const ownJob = target.builder === 'idf' ? { ...job, cc: undefined } : job;
      const built = await buildEmission(directory, request, emission, ownJob);
      report = makeReport({ manifest, target, built });
      if (target.simulator === null) return;
      if (estimatedCount(plan) > longestCount) {
        note = `${target.name}: takes long to simulate; bonsaic run --target ${target.name} does`;
        return;
      }
      const measured = await measureOn(job, built, { manifest, module, target, vectors });
      report = makeReport({ manifest, target, built, measured });
    });
  } catch (error) {
    // Without a compiler or a simulator, report estimates.
    if (!(error instanceof BonsaiError) || error.exitStatus < 4) throw error;
    const isIdf = target.builder === 'idf';
    const left = isIdf ? '; the figures leave out ESP-IDF itself' : '';
    note = `${target.name}: ${error.where}: ${error.message}${left}`;
  }
  return comparedBoard(target, plan, report, note, job.budgets);
}
