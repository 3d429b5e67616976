/** A float model and samples → a smaller int8 model, and what each step cost and gained. */

import { writeTflite } from '../compiler/formats/tflite/write.js';
import { mainGraph } from '../compiler/ir/graph.js';
import { type BonsaiError, InternalError } from '../errors.js';
import type { Progress, Say } from '../progress.js';
import { type Assessment, assessor } from './assess.js';
import { byNearness, chooseSteps, type Effort } from './choose.js';
import { thinned } from './data/dataset.js';
import { type Explanation, explain } from './explain/index.js';
import { checkGoals, type Goals, goalsFault, isUseful, type Linked, strain } from './goals.js';
import { Journal } from './journal.js';
import { hasBudget, type Link, mostTrials, tightened } from './linked.js';
import { type Materials, type Prepared, prepare } from './prepare.js';
import { lower } from './quantize/lower.js';
import { type LayerNoise, layerNoise } from './quantize/noise.js';
import { type Recipe, settingsOf, titleOf } from './recipe.js';
import { checkRecipe, teachersIn } from './recipe-check.js';
import { type Compared, checkFinite, confusion, type ValueError } from './score.js';
import type { Surroundings } from './steps/step.js';
import type { BackendName } from './tensorflow.js';
import {
  type CostFigures,
  makeWorkshop,
  type Stage,
  type StepReport,
  type Workshop,
} from './workshop.js';
import { originalWarnings, resultWarnings } from './worth.js';

export interface CompressRequest extends Materials {
  /** These steps, or those that the goals choose, with so much effort; null: as much as is usual. */
  readonly how: Recipe | Effort | null;
  /** null: the result is what it is, whatever it is worth. */
  readonly goals: Goals | null;
  /** Builds the result to judge it by budgets; absent: estimates judge it. */
  readonly link?: Link | undefined;
  /** Whether the report tells where signal and answers are lost, and what helps. */
  readonly explains: boolean;
  /** Where the state is kept, to resume from; null keeps none. */
  readonly journal: string | null;
}

export interface CompressReport {
  readonly model: { readonly source: string; readonly bytes: number };
  readonly data: {
    readonly source: string;
    readonly train: number;
    readonly calibration: number;
    readonly validation: number;
    readonly test: number;
  };
  /** The model as it was given, on validation samples. */
  readonly original: Assessment;
  /** In the order of trying; `kept`: whether the result has it. */
  readonly steps: readonly (StepReport & { readonly kept: boolean })[];
  /** On the test samples, as all that follows; null without labels. */
  readonly accuracy: { readonly float: number; readonly int8: number } | null;
  /** Share of samples that both models put into one class; null for other models. */
  readonly agreement: number | null;
  /** Of the outputs, in dB; of several the worst. */
  readonly snrDb: number;
  /** Of outputs that are numbers; null for classes. */
  readonly values: {
    /** From the targets; null without targets. */
    readonly float: ValueError | null;
    /** From the targets, else from the float model's outputs. */
    readonly int8: ValueError;
  } | null;
  /** Of each output, where there are several: int8 as above. */
  readonly outputs: readonly (Compared & { readonly name: string })[] | null;
  readonly layers: readonly LayerNoise[];
  /** null where it was not asked for. */
  readonly explanation: Explanation | null;
  /** [label][answer] → samples of the int8 model; null without labels. */
  readonly confusion: readonly (readonly number[])[] | null;
  readonly classes: readonly string[] | null;
  /** Estimates; null without a target. */
  readonly cost: Costs | null;
  /**
   * Where a goal is missed: the results that were tried, the nearest first, on validation samples;
   * else empty.
   */
  readonly nearest: readonly Near[];
  /** The result as its image takes it, where budgets judge it; otherwise null. */
  readonly linked: Linked | null;
  /** What the user should know about the data and the result, one line each. */
  readonly warnings: readonly string[];
  readonly backend: BackendName;
  readonly seed: number;
}

export interface Costs {
  /** The original as it is, in float32; null where it does not compile for the target. */
  readonly float: CostFigures | null;
  /** The original as plain int8, nothing removed. */
  readonly before: CostFigures;
  /** The result. */
  readonly after: CostFigures;
}

/** A result that was tried. */
export interface Near {
  /** From the original to it. */
  readonly steps: readonly string[];
  readonly validation: Assessment;
  readonly cost: CostFigures | null;
  /** Whether it is what was asked for, or above the floor. */
  readonly isUseful: boolean;
  readonly isWritten: boolean;
}

export interface CompressedModel {
  /** What the result misses; null where it meets the goals. */
  readonly fault: BonsaiError | null;
  readonly file: Uint8Array;
  /** What repeats the result. */
  readonly recipe: Recipe;
  readonly report: CompressReport;
  /** Forgets what is kept to resume from: call it when the result is safe. */
  done(): void;
}

/**
 * @param warn gets each warning of the report as soon as it is known
 * @throws BonsaiError for a model that is not float, and for its data
 */
export async function compressModel(
  request: CompressRequest,
  progress: Progress,
  warn: (text: string) => void = () => {},
): Promise<CompressedModel> {
  const { how: asked, goals } = request;
  const recipe = asked !== null && 'steps' in asked ? asked : null;
  const teachers = recipe === null ? [] : teachersIn(recipe);
  const prepared = await prepare({ ...request, teachers }, progress);
  if (recipe !== null) checkRecipe(recipe, prepared.surroundings);
  if (recipe === null || trains(recipe)) await checkTraining(prepared.surroundings, progress);
  const job = request.journal === null ? '' : prepared.digest();
  const journal = new Journal(request.journal, job);
  const workshop = makeWorkshop(prepared.surroundings, journal, progress);
  const warnings = [
    ...prepared.warnings,
    ...originalWarnings(workshop.first.validation, prepared.surroundings.data.validation),
  ];
  for (const text of warnings) warn(text);
  if (goals !== null) checkGoals(goals, workshop.standard);
  const how = asked ?? { epochs: 'auto' as const };
  const { stage, made, linked, refusal } = await resultOf(
    ...[request, prepared, workshop, how, progress],
  );
  const { steps } = stage;
  const tried = workshop.tried.map((step) => ({ ...step, kept: steps.includes(step) }));
  const { data, seed } = prepared.surroundings;
  const cost = costsOf(workshop.floatCost, workshop.first.cost, stage.cost);
  const reached = {
    got: made.answered.got.assessment,
    standard: made.standard,
    cost: stage.cost,
    linked,
  };
  const fault = goals === null ? null : goalsFault(request.path, goals, { ...reached, refusal });
  const nearest = fault === null ? [] : nearestTo(workshop, goals ?? {}, stage);
  const { minAccuracy } = goals ?? {};
  const faults = resultWarnings({ ...made.answered, test: prepared.test, cost, minAccuracy });
  for (const text of faults) warn(text);
  const explanation = request.explains
    ? await progress('Explain', (say) => explained(prepared, stage, say))
    : null;
  return {
    fault,
    file: made.file,
    recipe: { steps: steps.map(({ settings }) => settings) },
    report: {
      model: { source: request.path, bytes: made.file.length },
      data: {
        source: request.data,
        train: data.train.count,
        calibration: data.calibration.count,
        validation: data.validation.count,
        test: prepared.test.count,
      },
      original: workshop.first.validation,
      steps: tried,
      ...made.figures,
      explanation,
      ...{ cost, linked, nearest },
      warnings: [...warnings, ...faults],
      backend: prepared.backend,
      seed,
    },
    done: () => journal.clear(),
  };
}

/**
 * The result of a recipe, or of the steps that the goals choose. Where its image exceeds the
 * budgets that its estimates keep, steps are chosen again for less.
 */
async function resultOf(
  { goals, link }: Pick<CompressRequest, 'goals' | 'link'>,
  prepared: Prepared,
  workshop: Workshop,
  how: Recipe | Effort,
  progress: Progress,
) {
  const budgets = goals ?? {};
  let aim = budgets;
  for (let trial = 1; ; trial++) {
    const stage = await ('steps' in how
      ? follow(workshop, how)
      : chooseSteps(workshop, prepared.surroundings, aim, how));
    const made = await progress('Compare on the test samples', () => judged(prepared, stage));
    if (link === undefined || !hasBudget(budgets))
      return { stage, made, linked: null, refusal: null };
    const { linked, refusal } = await progress('Build and run the result', () => link(made.file));
    const next = tightened(aim, budgets, linked);
    const isLast = 'steps' in how || trial === mostTrials || strain(aim, stage.cost) > 1;
    if (next === null || isLast) return { stage, made, linked, refusal };
    aim = next;
  }
}

/** Whether any step of a recipe reads the training samples, beside those for ranges. */
function trains({ steps }: Recipe): boolean {
  return steps.some((settings) => 'epochs' in settings && settings.epochs !== 0);
}

/** Answers of the model and of teachers; a teacher that overflows looks like too high a rate. */
function checkTraining({ tf, original, teachers, data }: Surroundings, progress: Progress) {
  return progress('Check the training samples', async () => {
    checkFinite(tf, original, data.train);
    for (const [file, graph] of teachers ?? []) checkFinite(tf, graph, data.train, file);
  });
}

/** Performs the steps of a recipe, and quantizes where it leaves that out. */
async function follow(workshop: Workshop, { steps }: Recipe): Promise<Stage> {
  let stage = workshop.first;
  for (const settings of steps) stage = await workshop.perform(stage, settings);
  if (stage.candidate.quantization !== null) return stage;
  return workshop.perform(stage, settingsOf({ step: 'quantize' }));
}

/** The file of a stage, and its figures on the test samples. */
function judged({ surroundings, test }: Prepared, { candidate }: Stage) {
  const { graph, quantization } = candidate;
  if (quantization === null) throw new InternalError('compress', 'the result is not quantized');
  const { tf, head } = surroundings;
  const module = lower(head, graph, quantization);
  const compare = assessor(surroundings, test);
  const got = compare.inDetail(candidate);
  const { assessment, answers } = got;
  const { original, task } = compare.standard;
  const { accuracy: float } = original;
  const { accuracy: int8, agreement, snrDb, error, outputs = null } = assessment;
  const { classes, labels } = test;
  const hasClasses = labels !== null && classes !== null && answers !== null;
  const figures = {
    accuracy: float === null || int8 === null ? null : { float, int8 },
    ...{ agreement, snrDb, classes },
    values:
      error === null ? null : { float: task === 'values' ? original.error : null, int8: error },
    outputs: outputs?.map((one, i) => ({ name: head.outputNames[i] ?? `${i}`, ...one })) ?? null,
    layers: layerNoise(tf, graph, mainGraph(module), test),
    confusion: hasClasses ? confusion(labels, answers, classes.length) : null,
  };
  const answered = { wanted: compare.wanted, got };
  return { file: writeTflite(module), figures, answered, standard: compare.standard };
}

/** Test samples that an explanation runs, some twenty times; more hardly change it. */
const mostExplained = 1000;

function explained({ surroundings, test }: Prepared, { candidate }: Stage, say: Say) {
  const { data, ...rest } = surroundings;
  const { calibration } = data;
  return explain({ ...rest, calibration, candidate, test: thinned(test, mostExplained) }, say);
}

function costsOf(
  float: CostFigures | null,
  before: CostFigures | null,
  after: CostFigures | null,
): Costs | null {
  return before === null || after === null ? null : { float, before, after };
}

/** Rows of a table that people read. */
const mostNear = 5;

function nearestTo({ results, standard }: Workshop, goals: Goals, written: Stage): readonly Near[] {
  const ranked = byNearness(results, goals, standard);
  const shown = ranked.filter((stage, rank) => rank < mostNear || stage === written);
  return shown.map((stage) => ({
    steps: stage.steps.map(({ settings }) => titleOf(settings)),
    ...{ validation: stage.validation, cost: stage.cost },
    isUseful: isUseful(goals, stage.validation, standard),
    isWritten: stage === written,
  }));
}
