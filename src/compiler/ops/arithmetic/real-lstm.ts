/** A step of lstm in float32: the order of tflite-micro's lstm_eval.cc, each operation rounded. */
import { logistic, tanh } from './float32.js';
import { clampReal, realRange } from './plain.js';
import { addProduct } from './real.js';

const { fround } = Math;

const allFinite = realRange('none');

/** The runtime clamps sums of gates and products to finite numbers. */
const finite = (value: number) => clampReal(fround(value), allFinite);

/** Of the gates input, forget, cell and output: [units][values], and biases [units]. */
export interface RealGates {
  readonly weights: readonly Float32Array[];
  readonly recurrent: readonly Float32Array[];
  readonly biases: readonly Float32Array[];
}

/** The hidden state after one step; changes the cell. `clip` 0: the cell has no bound. */
export function realStep(
  { weights, recurrent, biases }: RealGates,
  clip: number,
  x: Float32Array,
  h: Float32Array,
  c: Float32Array,
): Float32Array {
  const gate = (k: number, unit: number) => {
    const fromInput = finite(
      dot(weights[k] as Float32Array, unit, x) + (biases[k]?.[unit] as number),
    );
    return fround(fromInput + finite(dot(recurrent[k] as Float32Array, unit, h) + 0));
  };
  return h.map((_, unit) => {
    const [i, f, o] = [0, 1, 3].map((k) => logistic(gate(k, unit))) as [number, number, number];
    const g = tanh(gate(2, unit));
    const sum = fround(finite(f * (c[unit] as number)) + finite(i * g));
    c[unit] = clip > 0 ? clampReal(sum, [-clip, clip]) : sum;
    return finite(tanh(c[unit] as number) * o);
  });
}

function dot(weights: Float32Array, row: number, values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) {
    sum = addProduct(sum, weights[row * values.length + i] as number, values[i] as number);
  }
  return sum;
}
