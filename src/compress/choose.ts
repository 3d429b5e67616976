/**
 * Chooses the steps from the goals: quantization first; where that meets them and loses little, it
 * is all; where even training leaves int8 too coarse, int16 activations within the budgets. A
 * smaller model costs training, so it is made only for a budget that asks for it: by
 * pruning, by fewer channels, then by both, until one meets the goals.
 */
import { BonsaiError } from '../errors.js';
import type { Say } from '../progress.js';
import type { Standard } from './assess.js';
import { type Goals, isGood, isUseful, quality, strain } from './goals.js';
import { namedSettings, timePlanner } from './prune/plan.js';
import { magnitudeScores } from './prune/scores.js';
import { type SettingsOf, settingsOf } from './recipe.js';
import type { Surroundings } from './steps/step.js';
import { nullIfDiverged } from './train/loop.js';
import type { Stage, Workshop } from './workshop.js';

export interface Effort {
  /** Of each training in float32; an int8 model is trained for half as many. */
  readonly epochs: number | 'auto';
}

const halved = (epochs: Effort['epochs']) => (epochs === 'auto' ? epochs : Math.ceil(epochs / 2));

/** Of a training that goes on from weights that are good already. */
const fineRate = 0.0003;

/**
 * The best stage that was found; it may miss the goals. It is quantized. A budget is never met by a
 * model of no use.
 */
export async function chooseSteps(
  workshop: Workshop,
  surroundings: Surroundings,
  goals: Goals,
  effort: Effort,
): Promise<Stage> {
  const { first, standard } = workshop;
  const fits = ({ cost }: Stage) => strain(goals, cost) <= 1;
  const meets = (stage: Stage) => fits(stage) && isGood(goals, stage.validation, standard);
  const dense = await workshop.perform(first, settingsOf({ step: 'quantize' }));
  let best = dense;
  if (meets(best)) return best;
  const note = (stage: Stage) => {
    [best = stage] = byNearness([best, stage], goals, standard);
    return meets(stage);
  };
  if (fits(best)) {
    for (const settings of finer(effort)) {
      const next = await workshop.perform(best, settings).catch(nullIfDiverged);
      if (next !== null && note(next)) return best;
    }
    const wide = await workshop.perform(first, inInt16).catch(nullIfNarrow);
    const lossOf = ({ validation }: Stage) => quality(first.validation) - quality(validation);
    // Where int8 loses nothing and more is asked for, half of the loss is no gain.
    const halves = (stage: Stage) => lossOf(best) > 0 && lossOf(stage) <= lossOf(best) / 2;
    const isWorth = (stage: Stage) => meets(stage) || halves(stage);
    return wide !== null && fits(wide) && isWorth(wide) ? wide : best;
  }
  for (const attempt of attempts) {
    const smaller = await attempt(workshop, surroundings, goals, effort).catch(nullIfDiverged);
    if (smaller === null) continue;
    const plain = await workshop.perform(smaller, settingsOf({ step: 'quantize' }));
    if (note(plain)) break;
    const [, train] = finer(effort);
    const trained = await workshop.perform(plain, train).catch(nullIfDiverged);
    if (trained !== null && note(trained)) break;
  }
  if (best !== dense) return best;
  const milder = await shrunkTo(workshop, goals, effort, quarter).catch(nullIfDiverged);
  if (milder !== null) note(await workshop.perform(milder, settingsOf({ step: 'quantize' })));
  return best;
}

/** Costs about twice the time, so that it comes last, and has to halve the loss at least. */
const inInt16 = settingsOf({ step: 'quantize', activations: 'int16' });

/** An operator may have no kernel for int16. */
function nullIfNarrow(error: unknown): null {
  if (error instanceof BonsaiError && error.code === 'unsupported-type') return null;
  throw error;
}

/** What raises the quality of an int8 model and leaves its cost as it is, the cheaper one first. */
const finer = ({ epochs }: Effort) =>
  [
    settingsOf({ step: 'round' }),
    settingsOf({ step: 'train', epochs: halved(epochs), learningRate: fineRate }),
  ] as const;

/**
 * The nearest to the goals first: what is of use before what is of none; of what is, the nearest to
 * the budgets, and of those within them the best; of what is of none the best.
 */
export function byNearness(
  stages: readonly Stage[],
  goals: Goals,
  standard: Standard,
): readonly Stage[] {
  const ranked = stages.map((stage) => {
    const isOfUse = isUseful(goals, stage.validation, standard);
    const excess = isOfUse ? Math.max(1, strain(goals, stage.cost)) : Number.POSITIVE_INFINITY;
    return { stage, excess, loss: -quality(stage.validation) };
  });
  const order = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1);
  return ranked
    .sort((a, b) => order(a.excess, b.excess) || order(a.loss, b.loss))
    .map(({ stage }) => stage);
}

/** A smaller model in float32; null where this way does not lead to the budgets. */
type Attempt = (
  workshop: Workshop,
  surroundings: Surroundings,
  goals: Goals,
  effort: Effort,
) => Promise<Stage | null>;

/** Cheapest in quality first, by experience: zeros, then fewer channels, then both. */
const attempts: readonly Attempt[] = [
  (workshop, surroundings, goals, effort) =>
    prunedTo(workshop, workshop.first, surroundings, goals, effort),
  (workshop, _, goals, effort) => shrunkTo(workshop, goals, effort, 1),
  async (workshop, surroundings, goals, effort) => {
    const less = { epochs: halved(effort.epochs) };
    const shrunk = await shrunkTo(workshop, goals, less, half);
    // Where no pruning leads to the budgets, half of the way is nearer than none.
    return (await prunedTo(workshop, shrunk, surroundings, goals, effort)) ?? shrunk;
  },
];

/** Of the way to the budgets. */
const [half, quarter] = [0.5, 0.25];

function shrunkTo(
  { first, perform }: Workshop,
  goals: Goals,
  { epochs }: Effort,
  way: number,
): Promise<Stage> {
  return perform(first, settingsOf({ step: 'shrink', epochs, ...limitsOf(goals, first, way) }));
}

async function prunedTo(
  workshop: Workshop,
  stage: Stage,
  surroundings: Surroundings,
  goals: Goals,
  effort: Effort,
): Promise<Stage | null> {
  const settings = await workshop.think('Plan a pruning', (say) =>
    pruningFor(stage, surroundings, goals, effort, say),
  );
  return settings === null ? null : workshop.perform(stage, settings);
}

/**
 * Budgets as limits of `shrink`.
 *
 * @param way how much of the way to them, on a scale of ratios; RAM goes all of it, since pruning
 *   saves none
 */
function limitsOf({ maxMs, maxFlash, maxRam }: Goals, { cost }: Stage, way: number) {
  if (cost === null) return {};
  const part = (most: number, now: number) => Math.min(1, (margin * most) / now) ** way;
  return {
    ...(maxMs === undefined ? {} : { time: part(maxMs, cost.ms) }),
    ...(maxFlash === undefined
      ? {}
      : { flashBytes: cost.flashBytes * part(maxFlash, cost.flashBytes) }),
    ...(maxRam === undefined ? {} : { ramBytes: margin * maxRam }),
  };
}

/** Plans that are tried for a budget of flash or RAM, each of less time than the one before. */
const mostPlans = 8;
const lessTime = 0.8;
/** Room for what differs between a plan and the trained model. */
const margin = 0.98;

/** The mildest pruning that meets the budgets by estimate; null if none does. */
async function pruningFor(
  { candidate, cost }: Stage,
  surroundings: Surroundings,
  goals: Goals,
  { epochs }: Effort,
  say: Say,
): Promise<SettingsOf<'prune'> | null> {
  if (cost === null) return null;
  const scores = magnitudeScores(candidate.graph);
  const planAt = await timePlanner(candidate, 'auto', scores, surroundings, say);
  let time = Math.min(1, (margin * (goals.maxMs ?? cost.ms)) / cost.ms);
  for (let i = 0; i < mostPlans; i += 1, time *= lessTime) {
    const { plan, cost: after, isMet } = planAt(time);
    if (strain(goals, after) <= 1) {
      return namedSettings(candidate.graph, plan, settingsOf({ step: 'prune', epochs }));
    }
    if (!isMet) return null;
  }
  return null;
}
