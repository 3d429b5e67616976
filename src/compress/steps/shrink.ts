/** Structured pruning: channels that matter least go, and the graph becomes smaller. */
import { BonsaiError } from '../../errors.js';
import { costIn } from '../assess.js';
import type { Candidate } from '../candidate.js';
import type { Cost } from '../cost.js';
import type { SettingsOf } from '../recipe.js';
import { taylorBlockScores } from '../shrink/blocks.js';
import { couplingOf } from '../shrink/coupling.js';
import { normScores, taylorGroupScores } from '../shrink/scores.js';
import { type ShrinkGoal, shrinkTo } from '../shrink/shrink-to.js';
import { type DeepShrinking, type Scoring, shrinkWithBlocks } from '../shrink/with-blocks.js';
import type { Step, Surroundings } from './step.js';
import { trained } from './training.js';

type Settings = SettingsOf<'shrink'>;

export const shrinkStep: Step<'shrink'> = {
  async run(candidate, settings, surroundings, say, keeper) {
    say('which channels go');
    // Lets the display draw.
    await new Promise(setImmediate);
    const scores = scoresOf(settings);
    const made = (score: Score) => shrinkFor(candidate, { ...settings, score }, surroundings);
    const first = made(scores[0]);
    const ways = [first, ...scores.slice(1).map(made)];
    if (settings.epochs === 0) return { candidate: first.candidate, notes: notesOf(first) };
    const starts = ways.map((way) => way.candidate);
    const result = await trained(starts, settings, surroundings, say, keeper);
    const { start, chosen } = result;
    const score = scores[start] ?? scores[0];
    const notes = [`channels by ${score}`, ...notesOf(ways[start] ?? first), ...result.notes];
    return { candidate: result.candidate, notes, settings: { ...settings, ...chosen, score } };
  },
};

type Score = Exclude<Settings['score'], 'auto'>;

/** Slopes and norms, each trained for a while; slopes alone where nothing is tried. */
function scoresOf({ score, blocks, epochs }: Settings): readonly [Score, ...Score[]] {
  if (score !== 'auto') return [score];
  return epochs === 'auto' && !blocks ? ['taylor', 'l1'] : ['taylor'];
}

/** @throws BonsaiError 'usage' for estimates without a target */
function shrinkFor(
  candidate: Candidate,
  settings: Settings & { readonly score: Score },
  surroundings: Surroundings,
): DeepShrinking {
  const { score, blocks, least, multiple } = settings;
  const goal = goalOf(candidate, settings, surroundings);
  const scoring = taylorScoring(surroundings);
  if (blocks) return shrinkWithBlocks(candidate, goal, scoring, { least, multiple });
  const { groups } = couplingOf(candidate.graph);
  const scores =
    score === 'taylor'
      ? scoring.groups(candidate, groups)
      : normScores(candidate.graph, groups, score);
  return { ...shrinkTo(candidate, goal, { scores, least, multiple }), blocks: 0 };
}

function taylorScoring({ tf, data: { calibration }, seed }: Surroundings): Scoring {
  return {
    groups: (candidate, groups) => taylorGroupScores(tf, candidate, groups, calibration, seed),
    blocks: (candidate, blocks) => taylorBlockScores(tf, candidate, blocks, calibration, seed),
  };
}

function goalOf(
  candidate: Candidate,
  { macs, time, flashBytes, ramBytes }: Settings,
  surroundings: Surroundings,
): ShrinkGoal {
  if (time === undefined && flashBytes === undefined && ramBytes === undefined) return { macs };
  const costOf = (one: Candidate): Cost => {
    const cost = costIn(surroundings, one);
    if (cost !== null) return cost;
    const message = 'a share of the time, and bytes, need a target';
    throw new BonsaiError('usage', 'shrink', message, 'name the board with --target');
  };
  const count = time === undefined ? undefined : time * costOf(candidate).count;
  return { costOf, count, flashBytes, ramBytes };
}

function notesOf({ families, blocks, isMet, kept }: DeepShrinking): readonly string[] {
  const channels = families
    .filter(({ before, after }) => after < before)
    .map(({ before, after }) => `${before} to ${after}`);
  const what = channels.length === 0 ? 'no channels went' : `channels: ${channels.join(', ')}`;
  const branches = blocks === 0 ? [] : [`${blocks} residual branches went`];
  const missed = isMet ? [] : ['no more channels can go, though the goal is not reached'];
  const fixed = kept.map(({ where, why }) => `${where} ${why}`);
  return [what, ...branches, ...missed, ...new Set(fixed)];
}
