/**
 * 1 / √x in fixed point, bit for bit as TFLite defines it (GetInvSqrtQuantizedMultiplierExp of
 * tensorflow/lite/kernels/internal/common.h).
 */
import { scaleByPot } from './fixed-point.js';
import { type Multiplier, saturatingRoundingDoublingHighMul as multiply } from './quant.js';

const int32Max = 2 ** 31 - 1;

/** 3/2 with 3 integer bits. */
const threeHalves = 2 ** 28 + 2 ** 27;
/** √2 / 2 without integer bits. */
const sqrtHalf = 1518500250;

/** For an int32 x ≥ 0; 0 counts as 1. The shift is at most 0. */
export function inverseSqrt(x: number): Multiplier {
  if (x <= 1) return { multiplier: int32Max, shift: 0 };
  let right = 11;
  let scaled = x;
  for (; scaled >= 2 ** 29; right++) scaled = Math.floor(scaled / 4);
  // To [2^27, 2^29) by pairs of bits, each of which halves the root.
  for (; scaled < 2 ** 27; right--) scaled *= 4;
  const half = scaleByPot(scaled >> 1, -1);
  // Newton and Raphson from 1: r ← 3/2 · r − x/2 · r³, five times, with 3 integer bits.
  let root = 2 ** 28;
  for (let step = 0; step < 5; step++) {
    const cube = scaleByPot(multiply(multiply(root, root), root), 6);
    root = scaleByPot(multiply(threeHalves, root) - multiply(half, cube), 3);
  }
  const multiplier = multiply(root, sqrtHalf);
  return right < 0
    ? { multiplier: multiplier * 2 ** -right, shift: 0 }
    : { multiplier, shift: -right };
}
