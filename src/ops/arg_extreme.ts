/** arg_extreme (ARG_MAX, ARG_MIN): the index of the greatest or the least element along a dimension. */
import { BonsaiError } from '../errors.js';
import {
  allocate,
  at,
  type DType,
  elementCount,
  type NodeView,
  type TensorData,
} from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { sameBounds, tieOf } from './arithmetic/bounds.js';
import { inputOf, outputOf, requireTypes } from './shape/operands.js';

export interface ArgExtremeAttrs {
  /** Counted from the front. */
  readonly axis: number;
  readonly function: 'max' | 'min';
}

/** Of inputs; int32 is a type of desktop TFLite alone. */
export const comparedElements: readonly DType[] = ['int8', 'int32', 'float32'];

/** Along the dimension: `extent` elements, `inner` apart. */
export interface ArgLoops {
  readonly outer: number;
  readonly extent: number;
  readonly inner: number;
}

/**
 * Indices are int32. Of equal elements the first counts; a NaN is neither greater nor less, so it
 * counts where it is the first (reference/arg_min_max.h with std::greater or std::less).
 */
export const argExtreme = {
  name: 'arg_extreme',
  types: comparedElements,
  infer(view) {
    const { shape } = inputOf(view, 0);
    const { axis } = view.attrs;
    if (!(axis >= 0 && axis < shape.length)) {
      const message = `axis ${axis} is outside its ${shape.length} dimensions`;
      throw new BonsaiError('bad-shape', at(view.node), message, 'convert the model again');
    }
    return [shape.filter((_, d) => d !== axis)];
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
    const { outer, extent, inner } = argLoops(view);
    const x = input as TensorData;
    const result = allocate('int32', elementCount(outputOf(view).shape)) as Int32Array;
    const wins =
      view.attrs.function === 'max'
        ? (a: number, b: number) => a > b
        : (a: number, b: number) => a < b;
    for (let o = 0; o < outer * inner; o++) {
      const first = Math.floor(o / inner) * extent * inner + (o % inner);
      let found = 0;
      for (let i = 1; i < extent; i++) {
        if (wins(Number(x[first + i * inner]), Number(x[first + found * inner]))) found = i;
      }
      result[o] = found;
    }
    return [result];
  },
  macs: () => 0,
  range(view) {
    const { extent } = argLoops(view);
    return [sameBounds(outputOf(view), [0, extent - 1])];
  },
  channels: (view) => (argLoops(view).inner === 1 ? null : { kind: 'tied', ties: [tieOf(0)] }),
  inPlace: () => [],
} satisfies OpDef<ArgExtremeAttrs>;

export function argLoops(view: NodeView<ArgExtremeAttrs>): ArgLoops {
  const { shape } = inputOf(view, 0);
  const { axis } = view.attrs;
  return {
    outer: elementCount(shape.slice(0, axis)),
    extent: shape[axis] ?? 1,
    inner: elementCount(shape.slice(axis + 1)),
  };
}
