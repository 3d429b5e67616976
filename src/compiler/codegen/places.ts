/** Where the tensors of a plan lie in the model's C. */
import { InternalError } from '../../errors.js';
import type { Graph, TensorId } from '../ir/graph.js';
import type { Plan } from '../plan/types.js';
import type { Span } from './manifest.js';

export interface Place {
  /** The C name of the memory: 'arena', or the model's states. */
  readonly memory: string;
  readonly offset: number;
}

export type Places = ReadonlyMap<TensorId, Place>;

/** The name of the memory of the states in the model's C. */
export const stateMemory = 'state';

export function placesOf({ placements, states }: Plan): Places {
  return new Map<TensorId, Place>([
    ...placements.map(({ tensor, offset }) => [tensor, { memory: 'arena', offset }] as const),
    ...states.flatMap(({ tensors, offset }) =>
      tensors.map((tensor) => [tensor, { memory: stateMemory, offset }] as const),
    ),
  ]);
}

export function placeOf(places: Places, id: TensorId, step: number): Place {
  const place = places.get(id);
  if (place === undefined) {
    throw new InternalError('codegen', `tensor ${id} of step ${step} has no place in memory`);
  }
  return place;
}

/** The tensors in the arena that steps write. A state that differs shows in what reads it. */
export function spansOf(graph: Graph, plan: Plan, places: Places): readonly Span[] {
  const sizes = new Map(plan.placements.map(({ tensor, bytes }) => [tensor, bytes]));
  return plan.steps.flatMap((step) =>
    (graph.nodes[step.node]?.outputs ?? []).flatMap((tensor) => {
      const { memory, offset } = placeOf(places, tensor, step.index);
      const bytes = sizes.get(tensor) ?? 0;
      return memory === 'arena' ? [{ step: step.index, tensor, offset, bytes }] : [];
    }),
  );
}
