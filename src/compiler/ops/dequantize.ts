/** dequantize (DEQUANTIZE): integers to the real values that they stand for. */
import { at, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { perTensor } from './arithmetic/quant.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, requireTypes } from './shape/operands.js';

/**
 * TFLM's bits. Desktop TFLite's vector code computes scale · q − scale · zeroPoint in float32, whose
 * last bits differ.
 */
export type DequantizeAttrs = Readonly<Record<string, never>>;

/** Scale and zero point of the input. */
export function dequantization(view: NodeView<object>): {
  readonly scale: number;
  readonly zeroPoint: number;
} {
  const { scale, zeroPoint } = perTensor(inputOf(view, 0), at(view.node));
  return { scale: Math.fround(scale), zeroPoint };
}

export const dequantize = {
  name: 'dequantize',
  types: ['int8', 'uint8', 'int16', 'float32'],
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    requireTypes({ ...view, outputs: [] }, ['int8', 'uint8', 'int16']);
    requireTypes({ ...view, inputs: [] }, ['float32']);
    dequantization(view);
  },
  /**
   * The runtimes multiply in float64 and round once. |q − zero point| < 2^17 and the scale has 24
   * bits, so that product is exact, and one float32 multiplication gives the same.
   */
  evaluate(view, [input]) {
    const { scale, zeroPoint } = dequantization(view);
    const from = input as Int8Array | Uint8Array | Int16Array;
    return [Float32Array.from(from, (q) => scale * (q - zeroPoint))];
  },
  macs: () => 0,
  axes: pointwiseAxes,
  inPlace: () => [],
} satisfies OpDef<DequantizeAttrs>;
