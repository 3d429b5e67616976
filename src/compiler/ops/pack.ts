/** pack (PACK): tensors of one shape one after the other along a new dimension. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount, type NodeView, type Shape } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { movement } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface PackAttrs {
  /** The new dimension's position in the output, from the front. */
  readonly axis: number;
}

export const pack = movement<PackAttrs>({
  name: 'pack',
  infer: (view) => [outputShape(view)],
  moves(view) {
    const { axis } = view.attrs;
    const { shape } = inputOf(view, 0);
    const inner = elementCount(shape.slice(axis));
    return view.inputs.map((_, input) => ({
      input,
      output: 0,
      inOffset: 0,
      outOffset: input * inner,
      loops: [
        {
          extent: elementCount(shape.slice(0, axis)),
          inStride: inner,
          outStride: view.inputs.length * inner,
        },
        { extent: inner, inStride: 1, outStride: 1 },
      ],
    }));
  },
}) satisfies OpDef<PackAttrs>;

function outputShape(view: NodeView<PackAttrs>): Shape {
  const { axis } = view.attrs;
  const { shape } = inputOf(view, 0);
  const other = view.inputs.findIndex(
    (_, position) => inputOf(view, position).shape.join() !== shape.join(),
  );
  if (other < 0 && axis >= 0 && axis <= shape.length) {
    return [...shape.slice(0, axis), view.inputs.length, ...shape.slice(axis)];
  }
  const fault =
    other < 0
      ? `axis ${axis} is outside the ${shape.length + 1} dimensions of its output`
      : `input ${other} has not the shape [${shape}] of the first`;
  throw new BonsaiError('bad-shape', at(view.node), fault, 'convert the model again');
}
