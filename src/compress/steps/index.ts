/** Every step that a recipe may name. */
import type { Say } from '../../progress.js';
import type { Candidate } from '../candidate.js';
import type { SettingsOf, StepName, StepSettings } from '../recipe.js';
import { pruneStep } from './prune.js';
import { quantizeStep } from './quantize.js';
import { roundStep } from './round.js';
import { shrinkStep } from './shrink.js';
import type { Keeper, Step, StepResult, Surroundings } from './step.js';
import { trainStep } from './train.js';

const steps: { readonly [Name in StepName]: Step<Name> } = {
  prune: pruneStep,
  quantize: quantizeStep,
  round: roundStep,
  shrink: shrinkStep,
  train: trainStep,
};

export function runStep<Name extends StepName>(
  settings: SettingsOf<Name> & StepSettings,
  candidate: Candidate,
  surroundings: Surroundings,
  say: Say,
  keeper: Keeper,
): StepResult | Promise<StepResult> {
  const step: Step<Name> = steps[settings.step as Name];
  return step.run(candidate, settings, surroundings, say, keeper);
}
