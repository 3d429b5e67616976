/**
 * Functions of one number in float32, as the C library has them: each rounds the exact value once.
 *
 * Libraries are not exact: glibc's expf and logf are off by at most 0.502 units in the last place
 * (sysdeps/ieee754/flt-32), its erfcf by 3. A runtime's value can therefore differ from these in
 * the last of 24 bits; after rounding to 8 bits the two are the same unless a tie is as close.
 */
const { fround } = Math;

export const exp = (x: number): number => fround(Math.exp(x));
export const expm1 = (x: number): number => fround(Math.expm1(x));
export const log = (x: number): number => fround(Math.log(x));
export const tanh = (x: number): number => fround(Math.tanh(x));
export const sqrt = (x: number): number => fround(Math.sqrt(x));
export const erfc = (x: number): number => fround(complementaryError(x));

/** From here on 1 − erf(x) would lose more digits than float32 leaves. */
const tail = 3;

/** erfc(x) = 1 − erf(x), with a relative error below 1e-11. */
function complementaryError(x: number): number {
  if (x < 0) return 2 - complementaryError(-x);
  const gauss = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (x < tail) {
    // erf(x) = 2x · exp(−x²) / √π · Σ (2x²)^n / (1 · 3 · 5 ⋯ (2n + 1)): no term is negative.
    let term = 1;
    let sum = 1;
    for (let n = 1; term > sum * 2 ** -60; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - 2 * x * gauss * sum;
  }
  // exp(−x²) / √π / (x + ½/(x + 1/(x + 3/2/(x + …)))), from the inside.
  let fraction = x;
  for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction;
  return gauss / fraction;
}
