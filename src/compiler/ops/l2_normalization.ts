/** l2_normalization (L2_NORMALIZATION): x / √(Σ x²) along the last dimension. */
import { BonsaiError } from '../../errors.js';
import { at, type DType, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { anyBounds } from './arithmetic/bounds.js';
import { sqrt } from './arithmetic/float32.js';
import { inverseSqrt } from './arithmetic/inverse-sqrt.js';
import { clamp, multiplyByQuantizedMultiplier, perTensor } from './arithmetic/quant.js';
import { addProduct } from './arithmetic/real.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';
import { mapRows, type Row, requireRowQuant, rowsOf } from './shape/rows.js';

/** Both runtimes give the same bits. */
export type L2NormalizationAttrs = Readonly<Record<string, never>>;

/** Types of inputs and outputs: one for both of a node. */
export const normalizedTypes: readonly DType[] = ['int8', 'float32'];

/** The output's fraction bits: desktop TFLite requires scale 1/128, TFLM takes it for granted. */
export const fractionBits = 7;

/** Float norms below it count as it (l2norm.cc). */
export const leastNorm = Math.fround(1e-6);

export const l2Normalization = {
  name: 'l2_normalization',
  types: normalizedTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    if (requireOneType(view, normalizedTypes) === 'float32') return;
    requireRowQuant(view, { scale: 2 ** -fractionBits, zeroPoint: 0 });
    const { zeroPoint } = perTensor(inputOf(view, 0), at(view.node));
    const { depth } = rowsOf(view);
    const largest = Math.max(127 - zeroPoint, zeroPoint + 128);
    if (depth * largest ** 2 < 2 ** 31) return;
    const message = `the squares of ${depth} elements overflow 32 bits`;
    throw new BonsaiError('too-large', at(view.node), message, 'normalize shorter rows');
  },
  evaluate(view, [input]) {
    const normalize = outputOf(view).dtype === 'float32' ? realRow : integerRow(view);
    return [mapRows(view, input as Int8Array | Float32Array, normalize)];
  },
  macs: () => 0,
  range: (view) => [anyBounds(outputOf(view))],
  axes: (view) => pointwiseAxes(view).slice(0, -1),
  inPlace: () => [],
} satisfies OpDef<L2NormalizationAttrs>;

/** reference_integer_ops::L2Normalization of integer_ops/l2normalization.h. */
function integerRow(view: NodeView<L2NormalizationAttrs>): Row {
  const { zeroPoint } = perTensor(inputOf(view, 0), at(view.node));
  return (row) => {
    const { multiplier, shift } = inverseSqrt(
      row.reduce((sum, q) => sum + (q - zeroPoint) ** 2, 0),
    );
    const scaling = { multiplier, shift: shift + fractionBits };
    return row.map((q) =>
      clamp(multiplyByQuantizedMultiplier(q - zeroPoint, scaling, 'double'), -128, 127),
    );
  };
}

/** reference_ops::L2Normalization of reference/l2normalization.h: sums in order, each rounded. */
const realRow: Row = (row) => {
  const { fround } = Math;
  const norm = sqrt(row.reduce((sum, x) => addProduct(sum, x, x), 0));
  const divisor = Math.max(norm, leastNorm);
  return row.map((x) => fround(x / divisor));
};
