/** arg_extreme (ARG_MAX, ARG_MIN): the index of the greatest or the least element along a dimension. */
import { BonsaiError } from '../../errors.js';
import { at, type DType, type TensorData } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { sameBounds } from './arithmetic/bounds.js';
import { reducedAxes } from './shape/axes.js';
import { lineStarts, linesOf, requireDimension } from './shape/lines.js';
import { inputOf, outputOf, requireTypes } from './shape/operands.js';

export interface ArgExtremeAttrs {
  /** Counted from the front. */
  readonly axis: number;
  readonly function: 'max' | 'min';
}

/** Of inputs; int32 is a type of desktop TFLite alone. */
export const comparedElements: readonly DType[] = ['int8', 'int32', 'float32'];

/**
 * Indices are int32. Of equal elements the first counts; a NaN is neither greater nor less, so it
 * counts where it is the first (reference/arg_min_max.h with std::greater or std::less).
 */
export const argExtreme = {
  name: 'arg_extreme',
  types: comparedElements,
  infer(view) {
    const { axis } = view.attrs;
    requireDimension(view, axis);
    return [inputOf(view, 0).shape.filter((_, d) => d !== axis)];
  },
  check(view) {
    requireTypes({ ...view, outputs: [] }, comparedElements);
    const { dtype, name } = outputOf(view);
    if (dtype === 'int32') return;
    const message = `tensor "${name}" is ${dtype}, must be int32`;
    const hint = 'ask TensorFlow for it: output_type=tf.int32';
    throw new BonsaiError('unsupported-type', at(view.node), message, hint);
  },
  evaluate(view, [input]) {
    const lines = linesOf(view);
    const { extent, inner } = lines;
    const x = input as TensorData;
    const wins =
      view.attrs.function === 'max'
        ? (a: number, b: number) => a > b
        : (a: number, b: number) => a < b;
    const places = lineStarts(lines).map((first) => {
      let found = 0;
      for (let i = 1; i < extent; i++) {
        if (wins(Number(x[first + i * inner]), Number(x[first + found * inner]))) found = i;
      }
      return found;
    });
    return [Int32Array.from(places)];
  },
  macs: () => 0,
  range: (view) => [sameBounds(outputOf(view), [0, linesOf(view).extent - 1])],
  axes: (view) => reducedAxes(inputOf(view, 0), [view.attrs.axis], false),
  inPlace: () => [],
} satisfies OpDef<ArgExtremeAttrs>;
