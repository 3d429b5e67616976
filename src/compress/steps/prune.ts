/** Pruning: weights that matter least become 0, at once or little by little while training goes on. */

import type { Graph } from '../../compiler/ir/graph.js';
import { BonsaiError } from '../../errors.js';
import type { Candidate } from '../candidate.js';
import { masksFor, pruned, prunedShares } from '../prune/masks.js';
import { namedSettings, planFor } from '../prune/plan.js';
import { gradualMasks, rewound, valuesOf } from '../prune/schedule.js';
import { magnitudeScores, makeMovement, type Scores, taylorScores } from '../prune/scores.js';
import type { SettingsOf } from '../recipe.js';
import type { Keeper, Step, StepResult, Surroundings } from './step.js';
import { type HooksFor, type Trained, trained } from './training.js';

type Settings = SettingsOf<'prune'>;

export const pruneStep: Step<'prune'> = {
  async run(candidate, settings, surroundings, say, keeper) {
    const atOnce = settings.schedule === 'one-shot' || settings.epochs === 0;
    const result = atOnce
      ? await prunedAtOnce(candidate, settings, surroundings, say, keeper)
      : await prunedGradually(candidate, settings, surroundings, say, keeper);
    return noted(result);
  },
};

type Run = Step<'prune'>['run'];

const prunedAtOnce: Run = async (candidate, settings, surroundings, say, keeper) => {
  const scores = scorer(settings, surroundings)(candidate);
  const { plan, notes } = await planFor(candidate, settings, scores, surroundings, say);
  const named = namedSettings(candidate.graph, plan, settings);
  const cut = pruned(candidate, masksFor(candidate.graph, plan, scores, candidate.masks));
  if (settings.epochs === 0) return { candidate: cut, notes, settings: named };
  const start = settings.rewind ? rewoundTo(cut, surroundings.original) : cut;
  const result = await trained([start], settings, surroundings, say, keeper);
  return withNamed(result, named, notes);
};

/** The settings that were chosen, with the layers of a plan. */
function withNamed(
  { candidate, notes, chosen }: Trained,
  named: Settings,
  before: readonly string[],
): StepResult {
  return { candidate, notes: [...before, ...notes], settings: { ...named, ...chosen } };
}

const prunedGradually: Run = async (candidate, settings, surroundings, say, keeper) => {
  const { graph } = candidate;
  const isMovement = settings.score === 'movement';
  const score = scorer(settings, surroundings);
  // Shares of layers come from the weights as they are: nothing has moved yet.
  const first = isMovement ? magnitudeScores(graph) : score(candidate);
  const { plan, notes } = await planFor(candidate, settings, first, surroundings, say);
  const hooksFor: HooksFor = (epochs, keeper) => {
    const movement = isMovement ? makeMovement(graph) : null;
    const scores = (now: Graph) => movement?.scores() ?? score({ ...candidate, graph: now });
    const end = Math.max(Math.ceil((2 * epochs) / 3), 2) - 1;
    const masks = gradualMasks(candidate, plan, { begin: isMovement ? 1 : 0, end, scores });
    movement?.restore(keeper.resumed?.arrays ?? new Map());
    const keepsAll: Keeper = {
      ...keeper,
      save: ({ progress, arrays }) =>
        keeper.save({ progress, arrays: new Map([...arrays, ...(movement?.arrays() ?? [])]) }),
    };
    const hooks = { masks, ...(movement === null ? {} : { step: movement.step }) };
    return { hooks, keeper: keepsAll };
  };
  const result = await trained([candidate], settings, surroundings, say, keeper, hooksFor);
  return withNamed(result, namedSettings(graph, plan, settings), notes);
};

/** @throws BonsaiError 'usage' for a graph that has lost channels */
function rewoundTo(candidate: Candidate, original: Graph): Candidate {
  const sizes = ({ tensors }: Graph) => tensors.map(({ shape }) => shape.join('x')).join();
  if (sizes(original) === sizes(candidate.graph)) return rewound(candidate, valuesOf(original));
  const message = 'cannot rewind weights behind the step "shrink": the original has others';
  throw new BonsaiError('usage', 'step "prune"', message, 'leave "rewind" out');
}

/** Scores of a candidate's weights as they are. */
function scorer({ score }: Settings, { tf, data, seed }: Surroundings) {
  return (candidate: Candidate): Scores =>
    score === 'taylor'
      ? taylorScores(tf, candidate, data.calibration, seed)
      : magnitudeScores(candidate.graph);
}

function noted({ candidate, notes, ...rest }: StepResult): StepResult {
  const shares = prunedShares(candidate.graph, candidate.masks);
  const [zeros, count] = [
    shares.reduce((sum, layer) => sum + layer.zeros, 0),
    shares.reduce((sum, layer) => sum + layer.count, 0),
  ];
  const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
  const layers = shares.map(({ name, zeros: own, count: all }) => `${name} ${percent(own, all)}`);
  const total = `${percent(zeros, Math.max(1, count))} of ${count} weights are 0`;
  return { ...rest, candidate, notes: [`${total}: ${layers.join(', ')}`, ...notes] };
}
