/** bucketize (BUCKETIZE): the number of boundaries that an element reaches. */
import { BonsaiError } from '../../errors.js';
import { at, type DType, elementCount } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { sameBounds } from './arithmetic/bounds.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, outputOf, requireTypes } from './shape/operands.js';

/** Desktop TFLite alone has it (std::upper_bound in kernels/bucketize.cc). */
export interface BucketizeAttrs {
  /** float32, ascending. */
  readonly boundaries: readonly number[];
}

/** Types of the input. */
export const bucketizedTypes: readonly DType[] = ['float32', 'int32'];

export const bucketize = {
  name: 'bucketize',
  types: bucketizedTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    requireTypes({ ...view, outputs: [] }, bucketizedTypes);
    requireTypes({ ...view, inputs: [] }, ['int32']);
    const { boundaries } = view.attrs;
    const rises = boundaries.every((bound, i) => i === 0 || bound >= (boundaries[i - 1] as number));
    if (rises && boundaries.length > 0) return;
    throw new BonsaiError(
      'unsupported-attribute',
      at(view.node),
      boundaries.length === 0 ? 'has no boundaries' : 'its boundaries do not ascend',
      'give boundaries in ascending order, as TensorFlow demands',
    );
  },
  evaluate(view, [input]) {
    const { boundaries } = view.attrs;
    const found = new Int32Array(elementCount(outputOf(view).shape));
    return [
      found.map((_, i) => {
        // Not a number is below no boundary.
        const x = Math.fround(Number(input?.[i]));
        return boundaries.filter((bound) => !(x < bound)).length;
      }),
    ];
  },
  macs: () => 0,
  axes: pointwiseAxes,
  range: (view) => [sameBounds(outputOf(view), [0, view.attrs.boundaries.length])],
  inPlace: () => [0],
} satisfies OpDef<BucketizeAttrs>;
