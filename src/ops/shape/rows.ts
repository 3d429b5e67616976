/** Operators that compute along the last dimension. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { inputOf } from './operands.js';

/** Rows of `depth` elements, one after the other. */
export interface Rows {
  readonly rows: number;
  readonly depth: number;
}

export function rowsOf(view: NodeView<object>): Rows {
  const { shape } = inputOf(view, 0);
  return { rows: elementCount(shape.slice(0, -1)), depth: shape.at(-1) ?? 1 };
}
