/** cast (CAST): elements as another type; scales are ignored. */
import { rangeOfType } from '../ir/dtypes.js';
import { allocate, type DType } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { anyBounds } from './arithmetic/bounds.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, outputOf, requireTypes } from './shape/operands.js';

/**
 * As C converts. Floats are cut towards zero; of one that the type does not hold, which C leaves
 * undefined, the result saturates, as TFLM's does on x86-64. Of integers the lower bits stay.
 */
export type CastAttrs = Readonly<Record<string, never>>;

/** Those of cast.cc, but for int64, of which there are no tensors in the arena. */
export const castTypes: readonly DType[] = ['int8', 'int16', 'int32', 'float32', 'bool'];

export const cast = {
  name: 'cast',
  types: castTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check: (view) => requireTypes(view, castTypes),
  evaluate(view, [input]) {
    const { dtype } = outputOf(view);
    const from = inputOf(view, 0).dtype;
    const to = allocate(dtype, input?.length ?? 0);
    for (let i = 0; i < to.length; i++) {
      const x = Number(input?.[i]);
      if (dtype === 'bool') to[i] = Number(x !== 0);
      else if (from === 'float32' && dtype !== 'float32') to[i] = whole(x, rangeOfType(dtype));
      else to[i] = x;
    }
    return [to];
  },
  macs: () => 0,
  range: (view) => [anyBounds(outputOf(view))],
  axes: pointwiseAxes,
  inPlace: (view) => (inputOf(view, 0).dtype === outputOf(view).dtype ? [0] : []),
} satisfies OpDef<CastAttrs>;

/** Towards zero; at the bounds of the type it saturates, and NaN is the lower one. */
function whole(x: number, [low, high]: readonly [number, number]): number {
  if (x >= high) return high;
  return x > low ? Math.trunc(x) : low;
}
