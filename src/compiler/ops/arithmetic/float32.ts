/**
 * Functions of float32 numbers. The C kernels compute them by the same steps
 * (templates/kernels/portable/support/real.hbs), so the bits of both are the same.
 *
 * Each takes its steps in float64 and rounds once to float32. The steps are +, −, ×, ÷ and shifts
 * of integers, which IEEE 754 defines to the last bit, so every processor and compiler gives the
 * same, unless it contracts a product and a sum to one operation (-std=c99 and -ffp-contract=off
 * forbid that). The error before the last rounding is below 2^-37 of the value, so a result is the
 * float32 next to the exact value, but for ties as close as that.
 *
 * The runtimes call their C library instead, where results are not exact: glibc's expf, logf,
 * sinf, cosf and powf are off by at most 0.52 units in the last place (sysdeps/ieee754/flt-32), its
 * tanhf and expm1f by 1 or 2, its erfcf by 3. So a runtime's value can differ in the last of 24
 * bits; after rounding to 8 bits the two are the same unless a tie is as close.
 */
const { fround } = Math;

export const exp = (x: number): number => fround(exponential(x, 0));
export const expm1 = (x: number): number => fround(exponential(x, 1));
export const log = (x: number): number => fround(logarithm(x));
export const tanh = (x: number): number => fround(hyperbolicTangent(x));
/** NaN has the sign that C's has: that of a machine's root of a negative number may differ. */
export const sqrt = (x: number): number => (x < 0 ? Number.NaN : fround(Math.sqrt(x)));
export const erfc = (x: number): number => fround(complementaryError(x));
export const sin = (x: number): number => fround(circular(x, 0));
export const cos = (x: number): number => fround(circular(x, 1));

/** 1 / (1 + exp(−x)), each operation rounded; TFLM leaves out what changes no bit at the ends. */
export function logistic(x: number): number {
  if (x > 16.619047164916992) return 1;
  if (x < -9) return exp(x);
  return fround(1 / fround(1 + exp(-x)));
}

/** To the nearest integer, halves to the even one (RoundToNearest of reference/round.h). */
export function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = fround(x - below);
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : fround(below + 1);
}

/** a^b as C's powf defines its special cases. */
export function pow(a: number, b: number): number {
  if (b === 0 || a === 1) return 1;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  const isOdd = Math.abs(b) < 2 ** 24 && Math.abs(b % 2) === 1;
  const isWhole = b === Math.trunc(b);
  if (a < 0 && !isWhole && Number.isFinite(a)) return Number.NaN;
  const magnitude = fround(power(Math.abs(a), b));
  return (a < 0 || Object.is(a, -0)) && isOdd ? -magnitude : magnitude;
}

const ln2 = { high: 0.6931471803691238, low: 1.9082149292705877e-10 } as const;
const log2e = Math.LOG2E;

/** Coefficients of a power series, the last one first: 1/n! … */
const inverseFactorials = seriesOf([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], factorial);
const sineFactorials = seriesOf([15, 13, 11, 9, 7, 5, 3], (n) => alternate(n) * factorial(n));
const cosineFactorials = seriesOf([14, 12, 10, 8, 6, 4, 2], (n) => alternate(n) * factorial(n));
const oddNumbers = seriesOf([17, 15, 13, 11, 9, 7, 5, 3], (n) => n);

function seriesOf(numbers: readonly number[], of: (n: number) => number): readonly number[] {
  return numbers.map((n) => 1 / of(n));
}

function factorial(n: number): number {
  return n < 2 ? 1 : n * factorial(n - 1);
}

/** The sign of a term of degree n in the series of sine and cosine. */
function alternate(n: number): number {
  return n % 4 < 2 ? 1 : -1;
}

/** Horner's rule: Σ c·x^n, the coefficient of the highest power first, that of x^0 last. */
function polynomial(x: number, coefficients: readonly number[]): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient);
}

/**
 * e^x − less, less 0 or 1: x = k·ln 2 + r, |r| ≤ ln 2 / 2, and the series of e^r to r^11. k·ln2.high
 * is exact, as both have few bits. For k = 0 nothing is subtracted, so small results keep their bits.
 */
function exponential(x: number, less: 0 | 1): number {
  if (Number.isNaN(x)) return x;
  // Beyond these the result is 0, less or infinite in float32.
  const y = Math.min(89, Math.max(-104, x));
  const k = Math.trunc(y * log2e + (y < 0 ? -0.5 : 0.5));
  const r = y - k * ln2.high - k * ln2.low;
  const rest = r * polynomial(r, inverseFactorials);
  return k === 0 ? rest + (1 - less) : (1 + rest) * 2 ** k - less;
}

function hyperbolicTangent(x: number): number {
  const t = exponential(2 * Math.abs(x), 1);
  const y = t / (t + 2);
  return x < 0 || Object.is(x, -0) ? -y : y;
}

/** A positive x = m · 2^e, √½ < m ≤ √2. */
function normalized(x: number): readonly [m: number, e: number] {
  words64.float[0] = x;
  const high = words64.integers[1] as number;
  const e = (high >>> 20) - 1023;
  words64.integers[1] = (high & 0xfffff) | 0x3ff00000;
  const m = words64.float[0] as number;
  return m > Math.SQRT2 ? [m / 2, e + 1] : [m, e];
}

const buffer = new ArrayBuffer(8);
const words64 = { float: new Float64Array(buffer), integers: new Uint32Array(buffer) };

/** ln m = 2 (s + s³/3 + s⁵/5 + …), s = (m − 1) / (m + 1), |s| < 0.172, to s^17. */
function logarithmOfMantissa(m: number): number {
  const s = (m - 1) / (m + 1);
  const z = s * s;
  return 2 * s * (polynomial(z, oddNumbers) * z + 1);
}

function logarithm(x: number): number {
  if (x === 0) return Number.NEGATIVE_INFINITY;
  if (!(x > 0)) return Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  const [m, e] = normalized(x);
  return e * ln2.high + (e * ln2.low + logarithmOfMantissa(m));
}

/** a^b for a ≥ 0, neither of them NaN: 2^(b · log2 a). */
function power(a: number, b: number): number {
  if (a === 0 || a === Number.POSITIVE_INFINITY) return (a === 0) === b > 0 ? 0 : 1 / 0;
  if (!Number.isFinite(b)) {
    if (a === 1) return 1;
    return a > 1 === b > 0 ? Number.POSITIVE_INFINITY : 0;
  }
  const [m, e] = normalized(a);
  const t = Math.min(129, Math.max(-151, b * (e + logarithmOfMantissa(m) * log2e)));
  const k = Math.trunc(t + (t < 0 ? -0.5 : 0.5));
  const r = (t - k) * Math.LN2;
  return (1 + r * polynomial(r, inverseFactorials)) * 2 ** k;
}

/** 2/π in words of 32 bits behind the point, after a word of zeros. */
export const twoOverPi = Uint32Array.of(
  ...[0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab],
);

/**
 * sin(x + quarters · π/2): x = (q + f) · π/2 with |f| ≤ ½, for which the product of x's 24 bits and
 * the bits of 2/π that decide q modulo 4 and f to 2^-62 is taken in integers (M. Payne, R. Hanek:
 * Radian reduction for trigonometric functions, 1983).
 */
function circular(x: number, quarters: 0 | 1): number {
  if (!Number.isFinite(x)) return Number.NaN;
  const [r, q] = reduced(Math.abs(x));
  // sin(−|x|) = sin(|x| + π) and cos(−|x|) = cos |x|.
  const quadrant = quarters === 1 ? q + 1 : q + (x < 0 ? 2 : 0);
  const z = r * r;
  const isCosine = quadrant % 2 === 1;
  const y = isCosine
    ? polynomial(z, cosineFactorials) * z + 1
    : polynomial(z, sineFactorials) * z * r + r;
  const value = quadrant % 4 >= 2 ? -y : y;
  return x === 0 && quarters === 0 ? x : value;
}

/** r and q of a float32 x ≥ 0: x = q · π/2 + r, |r| ≤ π/4, q modulo 4. */
function reduced(x: number): readonly [r: number, q: number] {
  if (x < Math.PI / 4) return [x, 0];
  const [m, e] = normalized(x);
  // x = mantissa · 2^exponent, the mantissa of 24 bits.
  const [mantissa, exponent] = m < 1 ? [m * 2 ** 24, e - 24] : [m * 2 ** 23, e - 23];
  // Bits of 2/π before this one count multiples of 4.
  const first = exponent + 30;
  const window = (i: number) => BigInt(twoOverPi[(first >> 5) + i] as number);
  const bits = (window(0) << 96n) | (window(1) << 64n) | (window(2) << 32n) | window(3);
  const word = (bits >> BigInt(32 - (first & 31))) & (2n ** 96n - 1n);
  const product = BigInt.asUintN(64, (BigInt(mantissa) * word) >> 32n);
  const quadrants = BigInt.asUintN(64, product + (1n << 61n)) >> 62n;
  const fraction = BigInt.asIntN(64, product - (quadrants << 62n));
  return [Number(fraction) * (2 ** -63 * Math.PI), Number(quadrants)];
}

/**
 * exp(x²) · erfc(x) · (1 + 2x) for 0 ≤ x ≤ 10, a polynomial of v = (1.6 x − 3) / (x + 3), which is
 * from −1 to 1: Chebyshev's interpolation, with a relative error below 2^-41 (the form is of M.
 * Shepherd, J. Laframboise: Chebyshev approximation of (1 + 2x) exp(x²) erfc x in 0 ≤ x < ∞, 1981).
 */
const scaledErrors = [
  -1.2528175374347242e-7, -1.2884545260030867e-7, 1.896824000425043e-6, 2.3748915651801204e-6,
  -2.47982267360951e-5, -2.088567508024135e-5, 0.0003708623550089043, -0.0003486712189870815,
  -0.005041368473863714, 0.02760543025032498, -0.07623414723569777, 0.12841879210233628,
  -0.10938432568299114, -0.0661764876947329, 1.2797924295318324,
];

/** erfc(x) = 1 − erf(x); beyond 10.1 float32 has 0. */
function complementaryError(x: number): number {
  if (x < 0) return 2 - complementaryError(-x);
  const y = Math.min(x, 11);
  const scaled = polynomial((1.6 * y - 3) / (y + 3), scaledErrors);
  return (exponential(-(y * y), 0) * scaled) / (1 + 2 * y);
}
