/** div (DIV): a / b with broadcasting. */
import { at, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic/arithmetic.js';
import { oneOverOnePlus } from './arithmetic/fixed-point.js';
import {
  perTensor,
  quantizeMultiplier,
  roundingDivideByPot,
  saturatingRoundingDoublingHighMul,
} from './arithmetic/quant.js';
import { badRatio } from './arithmetic/rescale.js';
import { pair } from './scalar.js';
import { inputOf, outputOf } from './shape/operands.js';

/** Both runtimes give the same bits. */
export interface DivAttrs extends BinaryAttrs {}

export const div = pair<DivAttrs>('div', division, {
  // TFLM has no kernel of int16.
  quantized: ['int8'],
  isMonotonic: false,
}) satisfies OpDef<DivAttrs>;

/**
 * The arithmetic of one node (reference/div.h): a times the reciprocal of |b|, which has 31 bits.
 *
 * Two results are undefined in the runtimes. A division by 0 is one by 1 step of b's scale here. A
 * quotient that takes a shift by more than 31 bits, which makes less than half a step, is 0 here; the
 * runtimes shift by the amount modulo 32 on x86-64, and by all bits on Arm.
 */
export function division(view: NodeView<DivAttrs>): Arithmetic {
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const b = perTensor(inputOf(view, 1), where);
  const output = perTensor(outputOf(view), where);
  const { fround } = Math;
  const real = fround(fround(a.scale) / fround(fround(b.scale) * fround(output.scale)));
  const { multiplier, shift } = quantizeMultiplier(real);
  // The shift of 22 bits or more that normalizes a has to leave one to the right.
  if (shift > 22) throw badRatio(view, `the quotient of its scales is ${real.toPrecision(3)}`);
  return {
    combine(x, y) {
      const divisor = y - b.zeroPoint;
      const dividend = divisor < 0 ? a.zeroPoint - x : x - a.zeroPoint;
      const normalized = normalize(dividend);
      const quotient = saturatingRoundingDoublingHighMul(
        normalized.value,
        reciprocals[Math.abs(divisor)] as number,
      );
      const scaled = saturatingRoundingDoublingHighMul(quotient, multiplier);
      const right = normalized.shift + magnitude(Math.abs(divisor)) - shift;
      return (right > 31 ? 0 : roundingDivideByPot(scaled, right)) + output.zeroPoint;
    },
    numbers: {
      a_zero_point: a.zeroPoint,
      b_zero_point: b.zeroPoint,
      out_zero_point: output.zeroPoint,
      multiplier,
      shift,
    },
  };
}

/** x · 2^shift with no bit of its sign to spare: CountLeadingSignBits. */
function normalize(x: number): { readonly value: number; readonly shift: number } {
  const shift = x === 0 ? 31 : Math.clz32(x < 0 ? ~x : x) - 1;
  return { value: x * 2 ** shift, shift };
}

/** The highest power of two in a divisor: 2^magnitude ≤ d. */
function magnitude(d: number): number {
  return 31 - Math.clz32(Math.max(1, d));
}

/** 2^31 · 2^magnitude / d for d of 0 to 255, d = 0 as 1 (GetReciprocal of common.h). */
export const reciprocals = Int32Array.from({ length: 256 }, (_, d) => {
  const fraction = Math.max(1, d) * 2 ** (31 - magnitude(d)) - 2 ** 31;
  return oneOverOnePlus(fraction);
});
