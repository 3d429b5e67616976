/** prelu (PRELU): x where x ≥ 0, alpha · x below, with an alpha for each channel or element. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic/arithmetic.js';
import {
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import {
  badRatio,
  type RatioAttrs,
  ratioRounding,
  requireSymmetric,
} from './arithmetic/rescale.js';
import { pair } from './scalar.js';
import { inputOf, outputOf } from './shape/operands.js';

/** Input 1 is alpha, of int8 if input 0 is int16. Source: reference/prelu.h of both runtimes. */
export interface PreluAttrs extends BinaryAttrs, RatioAttrs {}

const pairs = pair<PreluAttrs>('prelu', leak);

export const prelu = {
  ...pairs,
  check(view) {
    const [input, alpha] = [inputOf(view, 0), inputOf(view, 1)];
    if (outputOf(view).dtype !== 'int16') return pairs.check(view);
    requireSymmetric(view);
    if (alpha.dtype === 'int8') {
      return pairs.check({ ...view, inputs: [input, { ...alpha, dtype: 'int16' }] });
    }
    const message = `tensor "${alpha.name}" is ${alpha.dtype}; slopes of int16 must be int8`;
    const hint = 'quantize the model again: converters make them int8';
    throw new BonsaiError('unsupported-type', at(view.node), message, hint);
  },
} satisfies OpDef<PreluAttrs>;

/** The arithmetic of one node. */
export function leak(view: NodeView<PreluAttrs>): Arithmetic {
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const b = perTensor(inputOf(view, 1), where);
  const output = perTensor(outputOf(view), where);
  const { fround } = Math;
  const round = ratioRounding(view.attrs);
  const ratio = round(fround(a.scale) / fround(output.scale));
  const leakRatio = round(round(fround(a.scale) * fround(b.scale)) / fround(output.scale));
  const [identity, slope] = [quantizeMultiplier(ratio), quantizeMultiplier(leakRatio)];
  // |x| ≤ 255 and |x · alpha| ≤ 255² < 2^16 (2^15 and 2^23 of int16) have to stay int32 after the
  // left shift.
  const [most, mostSlope] = outputOf(view).dtype === 'int16' ? [15, 7] : [22, 15];
  if (identity.shift > most || slope.shift > mostSlope) {
    throw badRatio(view, `the input's scale is ${ratio.toPrecision(3)} times the output's`);
  }
  return {
    combine(x, alpha) {
      const value = x - a.zeroPoint;
      const scaled =
        value >= 0
          ? multiplyByQuantizedMultiplier(value, identity, 'double')
          : multiplyByQuantizedMultiplier(value * (alpha - b.zeroPoint), slope, 'double');
      return scaled + output.zeroPoint;
    },
    bends: [a.zeroPoint - 1, a.zeroPoint],
    numbers: {
      a_zero_point: a.zeroPoint,
      b_zero_point: b.zeroPoint,
      out_zero_point: output.zeroPoint,
      multiplier: identity.multiplier,
      shift: identity.shift,
      slope_multiplier: slope.multiplier,
      slope_shift: slope.shift,
    },
  };
}
