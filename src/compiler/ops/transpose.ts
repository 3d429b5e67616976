/** transpose (TRANSPOSE): permutes dimensions, rank 1 to 6. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { movement, rowMajorStrides } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface TransposeAttrs {
  /** Dimension d of the output is dimension perm[d] of the input. */
  readonly perm: readonly number[];
}

export const transpose = movement<TransposeAttrs>({
  name: 'transpose',
  infer: (view) => [outputShape(view)],
  moves: (view) => {
    const inStrides = rowMajorStrides(inputOf(view, 0).shape);
    const shape = outputShape(view);
    const outStrides = rowMajorStrides(shape);
    const loops = view.attrs.perm.map((from, d) => ({
      extent: shape[d] as number,
      inStride: inStrides[from] as number,
      outStride: outStrides[d] as number,
    }));
    return [{ input: 0, output: 0, inOffset: 0, outOffset: 0, loops }];
  },
}) satisfies OpDef<TransposeAttrs>;

function outputShape(view: NodeView<TransposeAttrs>): Shape {
  const { perm } = view.attrs;
  const { shape } = inputOf(view, 0);
  const sorted = [...perm].sort((a, b) => a - b);
  if (perm.length !== shape.length || perm.length > 6 || sorted.some((from, d) => from !== d)) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `[${perm}] is not a permutation of the ${shape.length} dimensions, 6 at most`,
      'convert the model again',
    );
  }
  return perm.map((from) => shape[from] as number);
}
