/** hard_swish (HARD_SWISH): x · relu6(x + 3) / 6. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import type { Scalar } from './arithmetic/lookup.js';
import { clamp, quantizeMultiplier, roundingDivideByPot } from './arithmetic/quant.js';
import { badRatio, elementQuant } from './arithmetic/rescale.js';
import { unary } from './scalar.js';

/** Both runtimes give the same bits. */
export type HardSwishAttrs = Readonly<Record<string, never>>;

export const hardSwish = unary<HardSwishAttrs>('hard_swish', scalarOf, [
  'int8',
]) satisfies OpDef<HardSwishAttrs>;

/**
 * 16-bit fixed point (tensorflow/lite/kernels/internal/reference/hard_swish.h): the input with 7
 * more fraction bits, times relu6(x + 3) / 6 as a Q15 that saturates at both ends.
 */
function scalarOf(view: NodeView<HardSwishAttrs>): Scalar {
  const { inputScale, outputScale, inputZeroPoint, outputZeroPoint } = elementQuant(view);
  const fineScale = inputScale / 128;
  const output = multiplier16(Math.fround(fineScale / outputScale));
  const gate = multiplier16(Math.fround(fineScale / (3 / 32768)));
  if (output.shift > 0 || output.shift < -15 || gate.shift < -15) {
    throw badRatio(view, `scales ${inputScale} to ${outputScale} are too far apart`);
  }
  return (q) => {
    const fine = (q - inputZeroPoint) * 128;
    const unshifted = roundingHighMul16(fine, output.multiplier);
    let relu = fine;
    // The last doubling follows the product, where saturation may affect the result.
    if (gate.shift > 0) relu = saturate16(relu * 2 ** (gate.shift - 1));
    relu = roundingHighMul16(relu, gate.multiplier);
    if (gate.shift > 0) relu = saturate16(relu * 2);
    if (gate.shift < 0) relu = roundingDivideByPot(relu, -gate.shift);
    const share = Math.floor((relu + 32768) / 2);
    const product = Math.trunc((share * unshifted) / 32768);
    return clamp(roundingDivideByPot(product, -output.shift) + outputZeroPoint, -128, 127);
  };
}

/** The multiplier's upper half, rounded (DownScaleInt32ToInt16Multiplier). */
function multiplier16(real: number): { multiplier: number; shift: number } {
  const { multiplier, shift } = quantizeMultiplier(real);
  return { multiplier: Math.min(32767, Math.floor((multiplier + 32768) / 65536)), shift };
}

function saturate16(value: number): number {
  return clamp(value, -32768, 32767);
}

/** SaturatingRoundingDoublingHighMul of 16 bits: round(a·b / 2^15), b ≥ 0, halves up. */
function roundingHighMul16(a: number, b: number): number {
  return Math.floor((a * b + 16384) / 32768);
}
