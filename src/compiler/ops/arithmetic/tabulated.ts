/**
 * Functions of one element that desktop TFLite computes by tables of float32: of int8 a table of all
 * values, of int16 one of 513 values and the lines between them.
 */
import type { DType, NodeView } from '../../ir/graph.js';
import { at } from '../../ir/graph.js';
import { inputOf, outputOf } from '../shape/operands.js';
import { lineAt, lineTable } from './line-table.js';
import { type Elementwise, elementwise, type Scalar } from './lookup.js';
import { perTensor } from './quant.js';
import { badRatio, elementQuant, requireSymmetric } from './rescale.js';
import { floatTable } from './sigmoid.js';

export interface Tabulated<A extends object> extends Elementwise<A> {
  /** The table of an int16 node. */
  lines(view: NodeView<A>): Int16Array;
}

export const tabulatedTypes: readonly DType[] = ['int8', 'int16'];

/**
 * @param realOf the function of float32 elements
 * @param quantizedOf the one of quantized elements, from float32 to float32, where it differs
 */
export function tabulated<A extends object>(
  name: string,
  realOf: (view: NodeView<A>) => Scalar,
  quantizedOf: (view: NodeView<A>) => Scalar = realOf,
): Tabulated<A> {
  const lines = (view: NodeView<A>) => lineTableOf(view, quantizedOf(view));
  const scalarOf = (view: NodeView<A>): Scalar => {
    if (outputOf(view).dtype === 'int8') return floatTable(elementQuant(view), quantizedOf(view));
    const table = lines(view);
    return (q) => lineAt(q, table);
  };
  return { ...elementwise<A>(name, scalarOf, tabulatedTypes, realOf), lines };
}

/**
 * The table of an int16 node.
 *
 * @throws BonsaiError 'bad-quantization' where zero points are not 0, or the function overflows
 */
export function lineTableOf(view: NodeView<object>, of: Scalar): Int16Array {
  requireSymmetric(view);
  const where = at(view.node);
  const [input, output] = [perTensor(inputOf(view, 0), where), perTensor(outputOf(view), where)];
  // What is no finite float32 becomes no int16 that C or TFLite defines.
  const most = Math.fround(Math.fround(input.scale) * 32767);
  if ([of(most), of(-most)].every((y) => Math.abs(y) < 2 ** 64))
    return lineTable(input, output, of);
  throw badRatio(view, `its input reaches ${most}, where it overflows`);
}
