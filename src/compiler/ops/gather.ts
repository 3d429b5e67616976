/** gather (GATHER, EMBEDDING_LOOKUP): the parts of a tensor that constants name, along a dimension. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { constantIndices } from './shape/indices.js';
import { type Move, movement, runsAt, selection } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

/** Input 1 holds the indices. */
export interface GatherAttrs {
  /** The dimension of input 0 that the indices count along. */
  readonly axis: number;
  /** Leading dimensions that both inputs have: each has indices of its own. 0 to `axis`. */
  readonly batchDims: number;
}

export const gather = movement<GatherAttrs>({
  name: 'gather',
  operands: [0],
  infer: (view) => [gatheredShape(view)],
  check(view) {
    const { shape } = inputOf(view, 0);
    constantIndices(view, 1, [shape[view.attrs.axis] as number]);
  },
  moves: (view) => [movesOf(view)],
}) satisfies OpDef<GatherAttrs>;

function movesOf(view: NodeView<GatherAttrs>): Move {
  const { axis, batchDims } = view.attrs;
  const { shape } = inputOf(view, 0);
  const extent = shape[axis] as number;
  const indices = constantIndices(view, 1, [extent]);
  const inner = elementCount(shape.slice(axis + 1));
  const batches = elementCount(shape.slice(0, batchDims));
  const outer = elementCount(shape.slice(batchDims, axis));
  if (batches === 1) {
    return { input: 0, output: 0, ...selection([outer, extent, inner], [null, indices, null]) };
  }
  const count = indices.length / batches;
  const places = Array.from({ length: batches * outer * count }, (_, i) => {
    const row = Math.floor(i / count);
    const index = indices[Math.floor(row / outer) * count + (i % count)] as number;
    return (row * extent + index) * inner;
  });
  return { input: 0, output: 0, ...runsAt(places, inner) };
}

/** @throws BonsaiError 'bad-shape' where the inputs do not fit */
export function gatheredShape(view: NodeView<GatherAttrs>): Shape {
  const { axis, batchDims } = view.attrs;
  const { shape } = inputOf(view, 0);
  const indices = inputOf(view, 1).shape;
  const fits =
    axis >= 0 &&
    axis < shape.length &&
    batchDims >= 0 &&
    batchDims <= axis &&
    shape.slice(0, batchDims).join() === indices.slice(0, batchDims).join();
  if (fits) return [...shape.slice(0, axis), ...indices.slice(batchDims), ...shape.slice(axis + 1)];
  throw new BonsaiError(
    'bad-shape',
    at(view.node),
    `indices of [${indices}] do not fit dimension ${axis} of [${shape}] with ${batchDims} batch dimensions`,
    'convert the model again',
  );
}
