/** Removes whole blocks where that harms less than the channels that they save. */
import type { Candidate } from '../candidate.js';
import { type Block, blocksOf, withoutBlocks } from './blocks.js';
import { type ChannelGroup, couplingOf } from './coupling.js';
import { sizesOf } from './families.js';
import { type ShrinkGoal, type Shrinking, type ShrinkOptions, shrinkTo } from './shrink-to.js';

/** Scores of what a candidate has, in one unit: those by Taylor are changes of the outputs. */
export interface Scoring {
  groups(candidate: Candidate, groups: readonly ChannelGroup[]): ArrayLike<number>;
  blocks(candidate: Candidate, blocks: readonly Block[]): ArrayLike<number>;
}

export interface DeepShrinking extends Shrinking {
  /** Branches that went. */
  readonly blocks: number;
}

/**
 * Like `shrinkTo`. Block by block, the one goes without which the goal is met with the least harm,
 * as long as that is less than with it.
 */
export function shrinkWithBlocks(
  candidate: Candidate,
  goal: ShrinkGoal,
  scoring: Scoring,
  options: Omit<ShrinkOptions, 'scores'>,
): DeepShrinking {
  const all = sizesOf(candidate.graph).macs;
  const shrink = (start: Candidate): Shrinking => {
    const share = (wanted: number) => (wanted * all) / sizesOf(start.graph).macs;
    const own = 'macs' in goal ? { macs: share(goal.macs) } : goal;
    const scores = scoring.groups(start, couplingOf(start.graph).groups);
    return shrinkTo(start, own, { ...options, scores });
  };
  let start = candidate;
  let before = 0;
  let best: DeepShrinking = { ...shrink(candidate), blocks: 0 };
  for (;;) {
    const blocks = blocksOf(start.graph);
    const scores = scoring.blocks(start, blocks);
    const tried = blocks.map((block, i) => {
      const without = withoutBlocks(start, [block]);
      const harm = before + (scores[i] as number);
      return { without, harm, made: shrink(without) };
    });
    const [next] = tried
      .filter(({ made }) => made.isMet || !best.isMet)
      .toSorted((a, b) => a.harm + a.made.harm - b.harm - b.made.harm);
    if (next === undefined) return best;
    const harm = next.harm + next.made.harm;
    if (best.isMet && harm >= best.harm) return best;
    [start, before] = [next.without, next.harm];
    best = { ...next.made, harm, blocks: best.blocks + 1 };
  }
}
