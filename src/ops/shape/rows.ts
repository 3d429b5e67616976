/** Operators that compute along the last dimension. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView } from '../../ir/graph.js';
import { perTensor } from '../arithmetic/quant.js';
import { inputOf, outputOf } from './operands.js';

/** Rows of `depth` elements, one after the other. */
export interface Rows {
  readonly rows: number;
  readonly depth: number;
}

export function rowsOf(view: NodeView<object>): Rows {
  const { shape } = inputOf(view, 0);
  return { rows: elementCount(shape.slice(0, -1)), depth: shape.at(-1) ?? 1 };
}

/** Outputs of a row. */
export type Row = (x: readonly number[]) => readonly number[];

/** The outputs of every row, of the input's type. */
export function mapRows<T extends Int8Array | Float32Array>(
  view: NodeView<object>,
  x: T,
  row: Row,
): T {
  const { depth } = rowsOf(view);
  const result = x.slice() as T;
  for (let first = 0; first < x.length; first += depth) {
    result.set(row(Array.from(x.subarray(first, first + depth))), first);
  }
  return result;
}

/**
 * For an int8 operator whose output has one quantization by its definition.
 *
 * @throws BonsaiError 'bad-quantization' for another one
 */
export function requireRowQuant(
  view: NodeView<object>,
  wanted: { readonly scale: number; readonly zeroPoint: number },
): void {
  const { scale, zeroPoint } = perTensor(outputOf(view), at(view.node));
  if (scale === wanted.scale && zeroPoint === wanted.zeroPoint) return;
  const right = `1/${1 / wanted.scale} and ${wanted.zeroPoint}`;
  const message = `its output has scale ${scale} and zero point ${zeroPoint}, must have ${right}`;
  throw new BonsaiError('bad-quantization', at(view.node), message, 'quantize the model again');
}
