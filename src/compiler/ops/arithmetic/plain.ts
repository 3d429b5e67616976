/** Activations of elements that stand for themselves: of float32, which is not quantized, and of int32. */
import type { Activation, Clamp } from './quant.js';

/** The activations that float32 results can have, and those that others can. */
export const noActivation: readonly Activation[] = ['none'];
export const realActivations: readonly Activation[] = ['none', 'relu', 'relu6', 'relu_n1_to_1'];

const greatest = Math.fround(3.4028234663852886e38);

/**
 * The bounds to which float results are clamped: those of the activation, and at most the greatest
 * finite numbers, as in CalculateActivationRange of kernel_util.h.
 */
export function realRange(activation: Clamp): readonly [low: number, high: number] {
  switch (activation) {
    case 'relu':
      return [0, greatest];
    case 'relu6':
      return [0, 6];
    case 'relu_0_to_1':
      return [0, 1];
    case 'relu_n1_to_1':
      return [-1, 1];
    default:
      return [-greatest, greatest];
  }
}

/** x, or the bound that it exceeds; NaN stays. */
export function clampReal(x: number, [low, high]: readonly [number, number]): number {
  return x < low ? low : x > high ? high : x;
}
