/** compare (EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL): a bool of two operands. */
import { at, type DType, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { inPlaceOperands, mapPairs } from './arithmetic/binary.js';
import { anyBounds } from './arithmetic/bounds.js';
import { evaluator, operations, x, y } from './arithmetic/expression.js';
import {
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { badRatio, requireSymmetric } from './arithmetic/rescale.js';
import { pointwiseAxes } from './shape/axes.js';
import { broadcastShape, requireRank } from './shape/broadcast.js';
import { inputOf, outputOf, requireOneType, requireTypes } from './shape/operands.js';

/** Both runtimes give the same bits, but for int16, which is the desktop's. */
export interface CompareAttrs {
  readonly relation: Relation;
}

const { equal, greater, greater_equal, less, less_equal, not_equal } = operations;

export const relations = {
  equal: equal(x, y),
  greater: greater(x, y),
  greater_equal: greater_equal(x, y),
  less: less(x, y),
  less_equal: less_equal(x, y),
  not_equal: not_equal(x, y),
};

export type Relation = keyof typeof relations;

/** The operands of a node have one of these types. */
export const comparedTypes: readonly DType[] = ['int8', 'int16', 'int32', 'float32', 'bool'];

/** An operand in a scale that both have: round((q − zero point) · 2^8 · scale). */
export interface Scaling {
  readonly zeroPoint: number;
  readonly multiplier: number;
  readonly shift: number;
}

/**
 * Of int16 operands, which TFLM lacks, desktop TFLite scales those that shall be equal, and compares
 * others as they are stored, whatever their scales.
 */
function isScaled({ attrs: { relation }, inputs: [input] }: NodeView<CompareAttrs>): boolean {
  if (input?.dtype !== 'int16') return input?.dtype === 'int8';
  return relation === 'not_equal' || (relation === 'equal' && input.quant !== null);
}

/**
 * Those of quantized operands; null for others, which are compared as they are.
 *
 * @throws BonsaiError 'bad-quantization' for a scale from 1 up, where the runtimes abort, and for
 *   operands of NOT_EQUAL without a scale, of which desktop TFLite computes nothing
 */
export function scalingsOf(view: NodeView<CompareAttrs>): readonly [Scaling, Scaling] | null {
  if (!isScaled(view)) return null;
  requireSymmetric(view);
  const [a, b] = [0, 1].map((position): Scaling => {
    const { scale, zeroPoint } = perTensor(inputOf(view, position), at(view.node));
    if (scale >= 1) throw badRatio(view, `compares at a scale of ${scale}, must be below 1`);
    return { zeroPoint, ...quantizeMultiplier(scale) };
  });
  return [a as Scaling, b as Scaling];
}

function scaled(q: number, { zeroPoint, ...multiplier }: Scaling): number {
  return multiplyByQuantizedMultiplier((q - zeroPoint) * 2 ** 8, multiplier, 'double');
}

export const compare = {
  name: 'compare',
  types: comparedTypes,
  infer: (view) => [broadcastShape(view)],
  check(view) {
    requireOneType({ ...view, outputs: view.inputs.flatMap((t) => t ?? []) }, comparedTypes);
    requireTypes({ ...view, inputs: [] }, ['bool']);
    requireRank(view);
    scalingsOf(view);
  },
  evaluate(view, inputs) {
    const relation = evaluator(relations[view.attrs.relation], true);
    const scalings = scalingsOf(view);
    if (scalings === null) return [mapPairs(view, inputs, relation)];
    const [ofA, ofB] = scalings;
    return [mapPairs(view, inputs, (a, b) => relation(scaled(a, ofA), scaled(b, ofB)))];
  },
  macs: () => 0,
  range: (view) => [anyBounds(outputOf(view))],
  axes: pointwiseAxes,
  inPlace: inPlaceOperands,
} satisfies OpDef<CompareAttrs>;
