/** Operators that compute along the last dimension. */
import { BonsaiError } from '../../../errors.js';
import { allocate, at, elementCount, type NodeView, type TensorData } from '../../ir/graph.js';
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

/** The outputs of every row. */
export function mapRows(view: NodeView<object>, x: Int8Array | Float32Array, row: Row): TensorData {
  const { depth } = rowsOf(view);
  const result = allocate(outputOf(view).dtype, x.length) as Float32Array;
  for (let first = 0; first < x.length; first += depth) {
    result.set(row(Array.from(x.subarray(first, first + depth))), first);
  }
  return result;
}

/**
 * For an operator whose output has one quantization by its definition, but for a relative tolerance of
 * its scale.
 *
 * @throws BonsaiError 'bad-quantization' for another one
 */
export function requireRowQuant(
  view: NodeView<object>,
  wanted: { readonly scale: number; readonly zeroPoint: number; readonly tolerance?: number },
): void {
  const { scale, zeroPoint } = perTensor(outputOf(view), at(view.node));
  const distance = Math.abs(scale / wanted.scale - 1);
  if (distance <= (wanted.tolerance ?? 0) && zeroPoint === wanted.zeroPoint) return;
  const right = `1/${1 / wanted.scale} and ${wanted.zeroPoint}`;
  const message = `its output has scale ${scale} and zero point ${zeroPoint}, must have ${right}`;
  throw new BonsaiError('bad-quantization', at(view.node), message, 'quantize the model again');
}
