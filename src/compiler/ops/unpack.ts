/** unpack (UNPACK): the parts of a tensor along one dimension, which disappears. */
import { BonsaiError } from '../../errors.js';
import { at, elementCount } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { movement } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface UnpackAttrs {
  /** 0 to rank − 1. */
  readonly axis: number;
}

export const unpack = movement<UnpackAttrs>({
  name: 'unpack',
  infer(view) {
    const { axis } = view.attrs;
    const { shape } = inputOf(view, 0);
    if (shape[axis] === view.outputs.length) {
      return view.outputs.map(() => shape.filter((_, d) => d !== axis));
    }
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `dimension ${axis} of [${shape}] has not an index for each of ${view.outputs.length} outputs`,
      'convert the model again',
    );
  },
  moves(view) {
    const { axis } = view.attrs;
    const { shape } = inputOf(view, 0);
    const inner = elementCount(shape.slice(axis + 1));
    return view.outputs.map((_, output) => ({
      input: 0,
      output,
      inOffset: output * inner,
      outOffset: 0,
      loops: [
        {
          extent: elementCount(shape.slice(0, axis)),
          inStride: view.outputs.length * inner,
          outStride: inner,
        },
        { extent: inner, inStride: 1, outStride: 1 },
      ],
    }));
  },
}) satisfies OpDef<UnpackAttrs>;
