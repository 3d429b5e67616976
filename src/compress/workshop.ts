/** Performs steps on candidates, and notes what each cost and gained. */
import type { Progress } from '../progress.js';
import { type Assessment, assessor, costIn, floatCostIn, type Standard } from './assess.js';
import type { Candidate } from './candidate.js';
import type { Cost } from './cost.js';
import type { Journal } from './journal.js';
import { type StepSettings, titleOf } from './recipe.js';
import { runStep } from './steps/index.js';
import type { Surroundings } from './steps/step.js';

/** Estimates on the target. */
export type CostFigures = Omit<Cost, 'layers'>;

/** A step that was performed. */
export interface StepReport {
  readonly settings: StepSettings;
  readonly notes: readonly string[];
  /** Behind the step, on validation samples. */
  readonly validation: Assessment;
  /** Behind the step, as int8; null without a target. */
  readonly cost: CostFigures | null;
}

/** A candidate, and the steps from the original to it. */
export interface Stage {
  readonly candidate: Candidate;
  readonly steps: readonly StepReport[];
  readonly validation: Assessment;
  readonly cost: CostFigures | null;
}

export interface Workshop {
  /** The model as it was given. */
  readonly first: Stage;
  /** Every step so far, in the order of trying. */
  readonly tried: readonly StepReport[];
  /** Every stage so far that is quantized, in that order: what could be the result. */
  readonly results: readonly Stage[];
  /** What stages are judged by. */
  readonly standard: Standard;
  perform(stage: Stage, settings: StepSettings): Promise<Stage>;
  /** Of the model as it was given, in float32. */
  readonly floatCost: CostFigures | null;
  /** Work that a choice needs, shown as a step. */
  readonly think: Progress;
}

export function makeWorkshop(
  surroundings: Surroundings,
  journal: Journal,
  progress: Progress,
): Workshop {
  const tried: StepReport[] = [];
  const results: Stage[] = [];
  const compare = assessor(surroundings, surroundings.data.validation);
  const graph = surroundings.original;
  const original: Candidate = { graph, masks: new Map(), quantization: null };
  return {
    first: {
      candidate: original,
      steps: [],
      validation: compare.standard.original,
      cost: figures(costIn(surroundings, original)),
    },
    ...{ tried, results, standard: compare.standard },
    floatCost: figures(floatCostIn(surroundings)),
    think: progress,
    perform: (stage, settings) =>
      progress(capitalized(titleOf(settings)), async (say) => {
        const result = await journal.perform(settings, stage.candidate, (keeper) =>
          runStep(settings, stage.candidate, surroundings, say, keeper),
        );
        const { candidate, notes } = result;
        const validation = compare.of(candidate);
        const cost = figures(costIn(surroundings, candidate));
        const report = { settings: result.settings ?? settings, notes, validation, cost };
        tried.push(report);
        const made = { candidate, steps: [...stage.steps, report], validation, cost };
        if (candidate.quantization !== null) results.push(made);
        return made;
      }),
  };
}

function figures(cost: Cost | null): CostFigures | null {
  if (cost === null) return null;
  const { layers: _, ...rest } = cost;
  return rest;
}

/** 'prune' → 'Prune' */
const capitalized = (title: string) => title.charAt(0).toUpperCase() + title.slice(1);
