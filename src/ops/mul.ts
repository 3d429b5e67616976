/** mul (MUL): a · b with broadcasting. */
import { at, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic/arithmetic.js';
import { binary } from './arithmetic/binary.js';
import {
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
} from './arithmetic/quant.js';
import { badRatio } from './arithmetic/rescale.js';
import { inputOf, outputOf } from './shape/operands.js';

/** Both runtimes give the same bits: desktop TFLite, too, rounds twice here. */
export interface MulAttrs extends BinaryAttrs {}

export const mul = binary<MulAttrs>('mul', multiplication) satisfies OpDef<MulAttrs>;

/** The arithmetic of one node. */
export function multiplication(view: NodeView<MulAttrs>): Arithmetic {
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const b = perTensor(inputOf(view, 1), where);
  const output = perTensor(outputOf(view), where);
  const { fround } = Math;
  const real = (fround(a.scale) * fround(b.scale)) / fround(output.scale);
  const multiplier = quantizeMultiplier(real);
  const isWide = outputOf(view).dtype === 'int16';
  if (isWide && [a, b, output].some(({ zeroPoint }) => zeroPoint !== 0)) {
    throw badRatio(view, 'a zero point is not 0, as those of int16 must be');
  }
  // |product| ≤ 255² < 2^16, so up to 15 bits of left shift keep it an int32; of int16 ≤ 2^30.
  if (multiplier.shift > (isWide ? 0 : 15)) {
    throw badRatio(view, `its product's scale is ${real.toPrecision(3)} times the output's`);
  }
  return {
    combine: (x, y) =>
      multiplyByQuantizedMultiplier((x - a.zeroPoint) * (y - b.zeroPoint), multiplier, 'double') +
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
