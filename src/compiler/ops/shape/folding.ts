/** Shared by reduce_all, reduce_any and reduce_prod: one function of all elements, two at a time. */
import { allocate, type DType, elementCount, type TensorData } from '../../ir/graph.js';
import type { OpDef } from '../../ir/op.js';
import { anyBounds } from '../arithmetic/bounds.js';
import { inputOf, outputOf, requireOneType } from './operands.js';
import { placesIn, type ReductionAttrs, reducedShape, reductionLoopsOf } from './reduction.js';

/** The type of input and output. */
export interface Folding {
  readonly types: readonly DType[];
  /** The result of no elements. */
  readonly first: number;
  /** Elements are taken in the order of the input. */
  combine(result: number, element: number, dtype: DType): number;
}

export function folding(name: string, { types, first, combine }: Folding): OpDef<ReductionAttrs> {
  return {
    name,
    types,
    infer: (view) => [reducedShape(view)],
    check(view) {
      requireOneType(view, types);
      reductionLoopsOf(view);
    },
    evaluate(view, [input]) {
      const { shape, dtype } = inputOf(view, 0);
      const data = input as TensorData;
      const results = allocate(dtype, elementCount(outputOf(view).shape)).fill(first as never);
      placesIn(shape, view.attrs.axes).forEach((place, i) => {
        results[place] = combine(Number(results[place]), Number(data[i]), dtype) as never;
      });
      return [results];
    },
    macs: () => 0,
    range: (view) => [anyBounds(outputOf(view))],
    inPlace: () => [],
  };
}
