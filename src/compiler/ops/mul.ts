/** mul (MUL): a · b with broadcasting. */
import { at, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic/arithmetic.js';
import { floatScale, type Requantizer, requantizer } from './arithmetic/float-scale.js';
import {
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { badRatio, type RatioAttrs, ratioRounding } from './arithmetic/rescale.js';
import { pair } from './scalar.js';
import { inputOf, outputOf } from './shape/operands.js';

export interface MulAttrs extends BinaryAttrs, RatioAttrs {
  /**
   * double, the default: TFLM and TFLite's builtin kernels round twice. float: XNNPACK's arithmetic
   * (rounding 'xnnpack').
   */
  readonly rounding?: 'double' | 'float';
}

export const mul = pair<MulAttrs>('mul', multiplication) satisfies OpDef<MulAttrs>;

/** The arithmetic of one node. */
export function multiplication(view: NodeView<MulAttrs>): Arithmetic {
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const b = perTensor(inputOf(view, 1), where);
  const output = perTensor(outputOf(view), where);
  const { fround } = Math;
  if (view.attrs.rounding === 'float') {
    return arithmeticWith(floatProduct(a, b, output), a, b, output);
  }
  const round = ratioRounding(view.attrs);
  const real = round(round(fround(a.scale) * fround(b.scale)) / fround(output.scale));
  const multiplier = quantizeMultiplier(real);
  const isWide = outputOf(view).dtype === 'int16';
  if (isWide && [a, b, output].some(({ zeroPoint }) => zeroPoint !== 0)) {
    throw badRatio(view, 'a zero point is not 0, as those of int16 must be');
  }
  // |product| ≤ 255² < 2^16, so up to 15 bits of left shift keep it an int32; of int16 ≤ 2^30.
  if (multiplier.shift > (isWide ? 0 : 15)) {
    throw badRatio(view, `its product's scale is ${real.toPrecision(3)} times the output's`);
  }
  return arithmeticWith({ multiplier, rounding: 'double' }, a, b, output);
}

type PerTensor = ReturnType<typeof perTensor>;

/** src/qs8-vmul of XNNPACK: an int32 product, scaled in float32. */
function floatProduct(a: PerTensor, b: PerTensor, { scale, zeroPoint }: PerTensor): Requantizer {
  const ends = ({ zeroPoint }: PerTensor) => [-128 - zeroPoint, 127 - zeroPoint];
  const products = ends(a).flatMap((x) => ends(b).map((y) => x * y));
  return requantizer({
    ...{ scale: floatScale(a.scale, b.scale, scale), zeroPoint, min: -128, max: 127 },
    ...{ least: Math.min(...products), most: Math.max(...products) },
  });
}

function arithmeticWith(
  { multiplier, rounding }: Requantizer,
  a: PerTensor,
  b: PerTensor,
  output: PerTensor,
): Arithmetic {
  return {
    rounding,
    combine: (x, y) =>
      multiplyByQuantizedMultiplier((x - a.zeroPoint) * (y - b.zeroPoint), multiplier, rounding) +
      output.zeroPoint,
    numbers: {
      a_zero_point: a.zeroPoint,
      b_zero_point: b.zeroPoint,
      out_zero_point: output.zeroPoint,
      multiplier: multiplier.multiplier,
      shift: multiplier.shift,
    },
  };
}
