/** bonsaic sensitivity: what a model loses where it is pruned, layer by layer. */
import type { Progress } from '../progress.js';
import { thinned } from './data/dataset.js';
import { type Materials, prepare } from './prepare.js';
import { patternNamed } from './prune/patterns.js';
import { measuredShares, sensitivitySamples } from './prune/plan.js';
import { magnitudeScores } from './prune/scores.js';
import { type Sensitivity, sensitivityOf } from './prune/sensitivity.js';

export interface SensitivityRequest extends Materials {
  readonly patterns: readonly string[];
  /** null: those that allocation measures. */
  readonly shares: readonly number[] | null;
}

/** @throws BonsaiError for a model that is not float, and for its data */
export async function modelSensitivity(
  request: SensitivityRequest,
  progress: Progress,
  warn: (text: string) => void = () => {},
): Promise<Sensitivity> {
  const { surroundings, warnings } = await prepare(request, progress);
  for (const text of warnings) warn(text);
  const { tf, original, data } = surroundings;
  const samples = thinned(data.validation, sensitivitySamples);
  return progress('Prune each layer alone', (say) =>
    sensitivityOf(tf, original, samples, {
      patterns: request.patterns.map(patternNamed),
      shares: request.shares ?? measuredShares,
      scores: magnitudeScores(original),
      observe: (done, total) => say(`layer ${done} of ${total}`),
    }),
  );
}
