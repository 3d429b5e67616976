/** one_hot (ONE_HOT): for each index a vector of one value, with another one at the index. */
import { BonsaiError } from '../../errors.js';
import { arenaTypes } from '../ir/dtypes.js';
import { allocate, at, elementCount, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { sameBounds } from './arithmetic/bounds.js';
import { requireIndexType } from './shape/indices.js';
import { inputOf, outputOf, requireTypes } from './shape/operands.js';

/** Desktop TFLite alone has it. An index outside gives a vector without the value `on`. */
export interface OneHotAttrs {
  /** The dimension of the output along which the vectors lie. */
  readonly axis: number;
  /** Elements of a vector. */
  readonly depth: number;
  /** Elements of the output's type. */
  readonly on: number;
  readonly off: number;
}

export const oneHot = {
  name: 'one_hot',
  types: arenaTypes,
  infer(view) {
    const { shape } = inputOf(view, 0);
    const { axis, depth } = view.attrs;
    if (axis >= 0 && axis <= shape.length && depth >= 1) return [shape.toSpliced(axis, 0, depth)];
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `vectors of ${depth} along axis ${axis} do not fit indices of [${shape}]`,
      'convert the model again',
    );
  },
  check(view) {
    requireIndexType(view, 0);
    requireTypes({ ...view, inputs: [] }, arenaTypes);
  },
  evaluate(view, [indices]) {
    const { shape, dtype } = outputOf(view);
    const { depth, on, off } = view.attrs;
    const { inner } = oneHotDims(view);
    const results = allocate(dtype, elementCount(shape));
    for (let i = 0; i < results.length; i++) {
      const index = Number(indices?.[Math.floor(i / (depth * inner)) * inner + (i % inner)]);
      results[i] = (index === Math.floor(i / inner) % depth ? on : off) as never;
    }
    return [results];
  },
  macs: () => 0,
  range(view) {
    const { on, off } = view.attrs;
    return [sameBounds(outputOf(view), [Math.min(on, off), Math.max(on, off)])];
  },
  inPlace: () => [],
} satisfies OpDef<OneHotAttrs>;

/** Vectors lie `inner` elements apart in each of `blocks`. */
export function oneHotDims(view: NodeView<OneHotAttrs>) {
  const { shape } = inputOf(view, 0);
  const { axis } = view.attrs;
  return { blocks: elementCount(shape.slice(0, axis)), inner: elementCount(shape.slice(axis)) };
}
