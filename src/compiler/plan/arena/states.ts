/** The places of states: memory that no other tensor shares. */
import { byteCount, type Graph, statesOf, tensorOf } from '../../ir/graph.js';
import type { StatePlacement } from '../types.js';
import { aligned } from './arena.js';
import { stateTensors } from './lifetimes.js';

/** One state after the other, in the order of the graph. */
export function placeStates(graph: Graph): {
  readonly states: readonly StatePlacement[];
  readonly stateBytes: number;
} {
  const held = [...stateTensors(graph)];
  let stateBytes = 0;
  const states = statesOf(graph).map(({ name, tensor }, index): StatePlacement => {
    const bytes = byteCount(tensorOf(graph, tensor));
    const offset = stateBytes;
    stateBytes += aligned(bytes);
    const tensors = held.filter(([, state]) => state === index).map(([id]) => id);
    return { name, tensors, offset, bytes };
  });
  return { states, stateBytes };
}
