/** What a long job has done so far, on disk: a job that is killed goes on where it was. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { rawBytes } from '../compiler/ir/graph.js';
import type { Candidate } from './candidate.js';
import { candidateOf, checkpointOf } from './candidate-state.js';
import type { StepSettings } from './recipe.js';
import type { Keeper, StepResult } from './steps/step.js';
import { type Checkpoint, loadCheckpoint, saveCheckpoint } from './train/checkpoint.js';

/** In the folder of the result; it is gone when the job is done. */
export const journalFolder = 'checkpoint';

/**
 * A step's result by what it came from: the settings, the candidate before, and the job. Whatever
 * asks for the same again gets it from disk.
 */
export class Journal {
  /**
   * @param folder where to keep the state; null keeps none
   * @param job    whatever else changes a step's result: model, samples, seed, target
   */
  constructor(
    readonly folder: string | null,
    readonly job: string,
  ) {}

  async perform(
    settings: StepSettings,
    candidate: Candidate,
    work: (keeper: Keeper) => StepResult | Promise<StepResult>,
  ): Promise<StepResult> {
    if (this.folder === null) return work({ resumed: null, save: () => {} });
    const key = keyOf([this.job, JSON.stringify(settings)], checkpointOf(candidate, {}));
    const path = join(this.folder, key.slice(0, 16));
    const done = loadCheckpoint(path, key);
    if (done !== null) return resultOf(done);
    const underWay = join(this.folder, 'under-way');
    const result = await work({
      resumed: loadCheckpoint(underWay, key),
      save: (state) => saveCheckpoint(underWay, key, state),
    });
    const { candidate: made, ...rest } = result;
    saveCheckpoint(path, key, checkpointOf(made, { rest }));
    return result;
  }

  /** Call this when the result is safe. */
  clear(): void {
    if (this.folder !== null) rmSync(this.folder, { recursive: true, force: true });
  }
}

function keyOf(facts: readonly string[], { progress, arrays }: Checkpoint): string {
  const hash = createHash('sha256').update(JSON.stringify([facts, progress, [...arrays.keys()]]));
  for (const array of arrays.values()) hash.update(rawBytes(array));
  return hash.digest('hex');
}

function resultOf(done: Checkpoint): StepResult {
  const rest = done.progress.rest as Omit<StepResult, 'candidate'>;
  return { candidate: candidateOf(done), ...rest };
}
