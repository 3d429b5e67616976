/** A step of several trainings in turn: the state of each, in the one that the step keeps. */

import type { Checkpoint } from '../train/checkpoint.js';
import type { Keeper } from './step.js';

/** Gives a keeper for each training, in order. One that was finished resumes at its end. */
export function partsOf({ resumed, save }: Keeper): () => Keeper {
  const known = (resumed?.progress.parts ?? []) as readonly Checkpoint['progress'][];
  const parts: Checkpoint[] = known.map((progress, i) => ({
    progress,
    arrays: new Map(
      [...(resumed?.arrays ?? [])]
        .filter(([name]) => name.startsWith(`${i}:`))
        .map(([name, values]) => [name.slice(`${i}:`.length), values]),
    ),
  }));
  let count = 0;
  return () => {
    const own = count;
    count += 1;
    return {
      resumed: parts[own] ?? null,
      save(state) {
        parts[own] = state;
        const named = parts.flatMap(({ arrays }, i) =>
          [...arrays].map(([name, values]) => [`${i}:${name}`, values] as const),
        );
        save({
          progress: { parts: parts.map(({ progress }) => progress) },
          arrays: new Map(named),
        });
      },
    };
  };
}
