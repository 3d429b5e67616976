/** Operators that compute along one dimension, whichever it is. */
import { BonsaiError } from '../../../errors.js';
import { at, elementCount, type NodeView } from '../../ir/graph.js';
import { inputOf } from './operands.js';

/** Lines of `extent` elements that lie `inner` apart: as many, side by side, in each of `blocks`. */
export interface Lines {
  readonly blocks: number;
  readonly extent: number;
  readonly inner: number;
}

/** The lines of input 0 along the dimension. */
export function linesOf(view: NodeView<{ readonly axis: number }>): Lines {
  const { shape } = inputOf(view, 0);
  const { axis } = view.attrs;
  return {
    blocks: elementCount(shape.slice(0, axis)),
    extent: shape[axis] ?? 1,
    inner: elementCount(shape.slice(axis + 1)),
  };
}

/** The index of the first element of each line. */
export function lineStarts({ blocks, extent, inner }: Lines): readonly number[] {
  return Array.from(
    { length: blocks * inner },
    (_, line) => Math.floor(line / inner) * extent * inner + (line % inner),
  );
}

/** Refuses a dimension that input 0 does not have. @throws BonsaiError 'bad-shape' */
export function requireDimension(view: NodeView<object>, axis: number): void {
  const { shape } = inputOf(view, 0);
  if (axis >= 0 && axis < shape.length) return;
  const message = `axis ${axis} is outside its ${shape.length} dimensions`;
  throw new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
}
