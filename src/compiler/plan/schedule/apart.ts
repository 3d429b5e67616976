/** Whether two cores may compute the halves of a step where the plan has placed its tensors. */
import { InternalError } from '../../../errors.js';
import { at, type Node, type TensorId } from '../../ir/graph.js';
import type { Arena } from '../arena/placement.js';
import { accessesOf, conflictOf, type Implementation } from './parts.js';

/**
 * Halves that run at the same time must not touch the same memory.
 *
 * @throws InternalError if they do
 */
export function requireApart(
  node: Node,
  implementation: Implementation,
  arena: Pick<Arena, 'placements' | 'scratch' | 'moves'>,
  step: number,
): void {
  const { placements, scratch, moves } = arena;
  const move = moves[step] ?? null;
  const place = (id: TensorId) => placements.get(id)?.offset ?? null;
  const [first, second] = accessesOf(implementation, {
    inputs: node.inputs.map((id) => {
      const offset = id === null ? null : place(id);
      return move !== null && offset === move.from ? move.to : offset;
    }),
    output: place(node.outputs[0] as TensorId) ?? 0,
    scratch: scratch[step]?.offset ?? 0,
  });
  if (first === undefined || second === undefined) return;
  const conflict = conflictOf(first, second);
  if (conflict === null) return;
  const bytes = `bytes ${conflict.begin} to ${conflict.end - 1} of the arena`;
  throw new InternalError('plan', `${at(node)}: both halves use ${bytes}`);
}
