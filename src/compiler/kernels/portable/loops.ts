/** Loops of movements, as kernels run them. */
import type { Loop } from '../../ops/shape/movement.js';

/** The equivalent loops with the least number: none has extent 1, and neighbours are merged. */
export function coalesce(loops: readonly Loop[]): readonly Loop[] {
  const joined: Loop[] = [];
  for (const loop of loops) {
    if (loop.extent === 1) continue;
    const outer = joined.at(-1);
    if (
      outer !== undefined &&
      outer.places === undefined &&
      loop.places === undefined &&
      outer.inStride === loop.extent * loop.inStride &&
      outer.outStride === loop.extent * loop.outStride
    ) {
      joined[joined.length - 1] = { ...loop, extent: outer.extent * loop.extent };
    } else {
      joined.push(loop);
    }
  }
  return joined;
}

/**
 * Each dimension's stride, less the distance that the dimensions below it have covered, innermost
 * first.
 */
export function stepsWithWayBack<S extends 'inStride' | 'outStride'>(
  loops: readonly Pick<Loop, 'extent' | S>[],
  stride: S,
): readonly number[] {
  let gone = 0;
  return loops.map((loop) => {
    const step = loop[stride] - gone;
    gone += (loop.extent - 1) * loop[stride];
    return step;
  });
}
