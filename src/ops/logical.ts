/** logical (LOGICAL_AND, LOGICAL_OR): of two bools. */
import type { OpDef } from '../ir/op.js';
import { inPlaceOperands, mapPairs } from './arithmetic/binary.js';
import { anyBounds } from './arithmetic/bounds.js';
import { pointwiseAxes } from './shape/axes.js';
import { broadcastShape, requireRank } from './shape/broadcast.js';
import { outputOf, requireOneType } from './shape/operands.js';

/** Both runtimes give the same bits. */
export interface LogicalAttrs {
  readonly function: 'and' | 'or';
}

export const logical = {
  name: 'logical',
  types: ['bool'],
  infer: (view) => [broadcastShape(view)],
  check(view) {
    requireOneType(view, ['bool']);
    requireRank(view);
  },
  evaluate: (view, inputs) => [
    mapPairs(view, inputs, view.attrs.function === 'and' ? Math.min : Math.max),
  ],
  macs: () => 0,
  range: (view) => [anyBounds(outputOf(view))],
  axes: pointwiseAxes,
  inPlace: inPlaceOperands,
} satisfies OpDef<LogicalAttrs>;
