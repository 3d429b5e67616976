/**
 * Adam (Kingma and Ba, 2015) with decoupled weight decay (Loshchilov and Hutter, 2019), on arrays in
 * this process: one pass over a tensor, where TensorFlow.js takes a dozen operators, and a state that
 * a checkpoint restores to the bit.
 */
export interface Moments {
  readonly mean: Float32Array;
  readonly square: Float32Array;
}

export function makeMoments(count: number): Moments {
  return { mean: new Float32Array(count), square: new Float32Array(count) };
}

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

export interface AdamStep {
  /** 1 for the first. */
  readonly step: number;
  readonly rate: number;
  /** Share of a value that a step at rate 1 takes away. */
  readonly decay: number;
  /** Of the gradient. */
  readonly factor: number;
}

/** Moves `values` against `gradient`, in place. */
export function adam(
  values: Float32Array,
  gradient: Float32Array,
  { mean, square }: Moments,
  { step, rate, decay, factor }: AdamStep,
): void {
  const pace = rate / (1 - beta1 ** step);
  const correction = 1 / (1 - beta2 ** step);
  const kept = 1 - rate * decay;
  for (let i = 0; i < values.length; i += 1) {
    const slope = (gradient[i] as number) * factor;
    const first = beta1 * (mean[i] as number) + (1 - beta1) * slope;
    const second = beta2 * (square[i] as number) + (1 - beta2) * slope * slope;
    mean[i] = first;
    square[i] = second;
    values[i] =
      kept * (values[i] as number) - (pace * first) / (Math.sqrt(second * correction) + epsilon);
  }
}

/** The length of all gradients as one vector. */
export function lengthOf(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients) for (const value of gradient) sum += value * value;
  return Math.sqrt(sum);
}
