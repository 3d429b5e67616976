/**
 * exp, logistic and tanh in 32-bit fixed point, bit for bit as gemmlowp defines them
 * (fixedpoint/fixedpoint.h). TFLM's reference kernels of softmax, logistic and tanh use these.
 *
 * A value of format Qm is an int32 `raw` with the value raw / 2^(31 − m): m integer bits and a
 * sign.
 */
import { roundingDivideByPot, saturatingRoundingDoublingHighMul } from './quant.js';

const int32Max = 2 ** 31 - 1;
const int32Min = -(2 ** 31);

/** The product of Qa and Qb in Q(a+b). */
const multiply = saturatingRoundingDoublingHighMul;

/** raw · 2^exponent, saturating; a negative exponent rounds to nearest. */
export function scaleByPot(raw: number, exponent: number): number {
  if (exponent <= 0) return roundingDivideByPot(raw, -exponent);
  const threshold = 2 ** (31 - exponent) - 1;
  if (raw > threshold) return int32Max;
  // gemmlowp saturates one step early on the negative side.
  return raw < -threshold ? int32Min : raw * 2 ** exponent;
}

/** exp(x) in Q0 for x in [−1/4, 0), Q0: Taylor's series to the fourth term around −1/8. */
function expOnLastQuarter(a: number): number {
  const expOfMinusEighth = 1895147668;
  const third = 715827883;
  const x = a + 2 ** 28;
  const x2 = multiply(x, x);
  const x3 = multiply(x2, x);
  const x4 = multiply(x2, x2);
  const higher = scaleByPot(multiply(scaleByPot(x4, -2) + x3, third) + x2, -1);
  return expOfMinusEighth + multiply(expOfMinusEighth, x + higher);
}

/** [k, exp(−2^k) in Q0] */
const expOfMinusPowers = [
  [-2, 1672461947],
  [-1, 1302514674],
  [0, 790015084],
  [1, 290630308],
  [2, 39332535],
  [3, 720401],
  [4, 242],
] as const;

/** exp(x) in Q0 for x ≤ 0 in Q`integerBits`, 0 ≤ integerBits ≤ 5. */
export function expOnNegativeValues(raw: number, integerBits: number): number {
  if (raw === 0) return int32Max;
  const fractionalBits = 31 - integerBits;
  const quarter = 2 ** (fractionalBits - 2);
  const modQuarter = (raw & (quarter - 1)) - quarter;
  const remainder = modQuarter - raw;
  let result = expOnLastQuarter(scaleByPot(modQuarter, integerBits));
  for (const [power, factor] of expOfMinusPowers) {
    if (power >= integerBits) break;
    if ((remainder & (2 ** (fractionalBits + power))) !== 0) result = multiply(result, factor);
  }
  return result;
}

/** 2 / (1 + x) in Q2 for x in [0, 1], Q0: three steps of Newton and Raphson. */
function twoOverOnePlus(x: number): number {
  const one = 2 ** 29;
  const halfDenominator = Math.floor((x + int32Max + 1) / 2);
  const first48Over17 = 1515870810;
  const minus32Over17 = -1010580540;
  let quotient = first48Over17 + multiply(halfDenominator, minus32Over17);
  for (let step = 0; step < 3; step++) {
    const error = one - multiply(halfDenominator, quotient);
    quotient += scaleByPot(multiply(quotient, error), 2);
  }
  return quotient;
}

/** 1 / (1 + x) in Q0 for x in [0, 1], Q0. */
export function oneOverOnePlus(x: number): number {
  return scaleByPot(twoOverOnePlus(x), 1);
}

/** Of `logOfAtLeastOne`, in Q0. */
const logConstants = {
  ln2: 1488522236,
  /** √½ and its root. */
  root: 1518500250,
  fourthRoot: 1805811301,
  /** Of the rational approximation. */
  numerator: 117049297,
  denominator: 127690142,
  constant: 1057819769,
  linear: 638450708,
} as const;

/**
 * ln x in Q5 for x ≥ 1 in Q12, bit for bit as TFLite defines it
 * (log_x_for_x_greater_than_or_equal_to_1 of kernels/internal/common.h): x = r · 2^power, r next to
 * the fourth root of ½, where a quotient of polynomials approximates the logarithm.
 */
export function logOfAtLeastOne(raw: number): number {
  const { ln2, root, fourthRoot, numerator, denominator, constant, linear } = logConstants;
  const quarter = 2 ** 23;
  const zeros = Math.clz32(raw);
  const headroom = Math.clz32(multiply(raw, root)) - 1;
  // By either of two powers, a half apart.
  const r = Math.min(
    scaleByPot(multiply(raw * 2 ** (zeros - 1), root), 1),
    scaleByPot(raw, headroom),
  );
  const power = Math.max((12 - zeros) * 2 ** 25 + quarter, (12 - headroom) * 2 ** 25 - quarter);
  const p = Math.floor((r + fourthRoot + 1) / 2);
  const q = 2 * (r - fourthRoot);
  const square = multiply(q, q);
  const above = multiply(q, r) + multiply(multiply(q, square), numerator);
  const inner = constant + q + multiply(denominator, square);
  const below = oneOverOnePlus(multiply(p, inner) + multiply(linear, q));
  return scaleByPot(multiply(power, ln2) + multiply(scaleByPot(above, -6), below), 1);
}

/** 1 / (1 + exp(−x)) in Q0 for x in Q`integerBits`. */
export function logisticOf(raw: number, integerBits: number): number {
  if (raw === 0) return 2 ** 30;
  const positive = oneOverOnePlus(expOnNegativeValues(-Math.abs(raw), integerBits));
  return raw > 0 ? positive : int32Max - positive;
}

/** tanh(x) = (1 − exp(−2x)) / (1 + exp(−2x)) in Q0 for x in Q`integerBits`. */
export function tanhOf(raw: number, integerBits: number): number {
  if (raw === 0) return 0;
  const exp = expOnNegativeValues(-Math.abs(raw), integerBits + 1);
  const positive = scaleByPot(twoOverOnePlus(exp) - 2 ** 29, 2);
  return raw > 0 ? positive : -positive;
}
