/** gelu (GELU): x · Φ(x), Φ the distribution function of the normal distribution. */
import type { NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { erfc, tanh } from './arithmetic/float32.js';
import type { Scalar } from './arithmetic/lookup.js';
import { tabulated } from './arithmetic/tabulated.js';

export interface GeluAttrs {
  /** Whether Φ is approximated by a tanh. */
  readonly approximate: boolean;
}

/** TFLM has no such operator, so the bits of integers are those of desktop TFLite. */
export const gelu = tabulated<GeluAttrs>('gelu', functionOf) satisfies OpDef<GeluAttrs>;

function functionOf({ attrs }: NodeView<GeluAttrs>): Scalar {
  return attrs.approximate ? approximateGelu : exactGelu;
}

const { fround } = Math;
const minusSqrtHalf = fround(-Math.SQRT1_2);
/** sqrt(2 / π). */
const sqrtTwoOverPi = fround((2 / Math.sqrt(Math.PI)) * Math.SQRT1_2);
const cubic = fround(0.044715);

/** ½ x · erfc(−x / √2): erfc keeps its digits where 1 + erf would lose them. */
function exactGelu(x: number): number {
  return fround(fround(0.5 * x) * erfc(fround(x * minusSqrtHalf)));
}

/** ½ x · (1 + tanh(sqrt(2 / π) · (x + 0.044715 x³))), each operation rounded to float32. */
function approximateGelu(x: number): number {
  const cube = fround(fround(fround(cubic * x) * x) * x);
  const gate = tanh(fround(sqrtTwoOverPi * fround(x + cube)));
  return fround(fround(0.5 * x) * fround(1 + gate));
}
