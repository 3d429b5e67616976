/** Layers of float32, with the bits of TFLM's reference kernels: sums in their order, without FMA. */
import { BonsaiError } from '../../../errors.js';
import { at, elementCount, type NodeView } from '../../ir/graph.js';
import { inputOf, outputOf } from '../shape/operands.js';
import type { Window, WindowDims } from '../shape/window.js';
import { clampReal, realRange } from './plain.js';
import type { Clamp } from './quant.js';

export function isReal(view: NodeView<object>): boolean {
  return outputOf(view).dtype === 'float32';
}

/**
 * Refuses operands that no layer of float32 has. Weights may be integers with scales, as in models
 * that are to be compressed; no kernel takes these.
 *
 * @throws BonsaiError
 */
export function checkReal(view: NodeView<object>, channels: number): void {
  const where = at(view.node);
  const input = inputOf(view, 0);
  if (input.dtype !== 'float32') {
    const message = `tensor "${input.name}" is ${input.dtype}, its output is float32`;
    const hint = 'give all operands one type: convert the model again';
    throw new BonsaiError('unsupported-type', where, message, hint);
  }
  for (const tensor of [inputOf(view, 1), view.inputs[2] ?? null]) {
    if (tensor === null || tensor.data !== null) continue;
    const message = `tensor "${tensor.name}" is computed; weights and biases must be constants`;
    const hint = 'freeze the variables before conversion';
    throw new BonsaiError('unsupported-attribute', where, message, hint);
  }
  const bias = view.inputs[2]?.data?.length ?? channels;
  if (bias === channels) return;
  const message = `the bias has ${bias} elements for ${channels} channels`;
  throw new BonsaiError('bad-shape', where, message, 'convert the model again');
}

/** The weights and inputs that a channel of a layer reads at a tap. */
export interface RealReading {
  /** Consecutive inputs of a tap. */
  readonly perTap: number;
  /** The first of them. */
  firstInput(channel: number): number;
  /** Index of the weight of input i at a tap. */
  weight(channel: number, tap: number, i: number): number;
}

/** tap by tap, input by input: reference_ops::Conv, DepthwiseConv and FullyConnected of float. */
export function realSums(
  view: NodeView<{ readonly activation: Clamp }>,
  shape: WindowDims & Omit<Window, 'padBottom' | 'padRight'>,
  { perTap, firstInput, weight }: RealReading,
  x: Float32Array,
): Float32Array {
  const { batches, inH, inW, inC, outH, outW, outC, kernelH, kernelW } = shape;
  const weights = inputOf(view, 1).data as Float32Array;
  const { add, finish } = realSum(view);
  const output = new Float32Array(elementCount(outputOf(view).shape));
  let out = 0;
  for (let pixel = 0; pixel < batches * outH * outW; pixel++) {
    const n = Math.floor(pixel / (outH * outW));
    const y0 = (Math.floor(pixel / outW) % outH) * shape.strideH - shape.padTop;
    const x0 = (pixel % outW) * shape.strideW - shape.padLeft;
    for (let channel = 0; channel < outC; channel++) {
      let sum = 0;
      for (let tap = 0; tap < kernelH * kernelW; tap++) {
        const iy = y0 + Math.floor(tap / kernelW) * shape.dilationH;
        const ix = x0 + (tap % kernelW) * shape.dilationW;
        if (iy < 0 || iy >= inH || ix < 0 || ix >= inW) continue;
        const from = ((n * inH + iy) * inW + ix) * inC + firstInput(channel);
        for (let i = 0; i < perTap; i++) {
          sum = add(sum, x[from + i] as number, weights[weight(channel, tap, i)] as number);
        }
      }
      output[out++] = finish(sum, channel);
    }
  }
  return output;
}

/** sum + a · b in float32: the product is rounded, and so is the sum. */
export function addProduct(sum: number, a: number, b: number): number {
  return Math.fround(sum + Math.fround(a * b));
}

/** std::max(a, b): `a` unless `b` is greater, so of two zeros the first, and no NaN as `b`. */
export function greaterReal(a: number, b: number): number {
  if (a < b) return b;
  return a;
}

/** A step of a sum, and its end. */
export interface RealSum {
  add(sum: number, x: number, weight: number): number;
  finish(sum: number, channel: number): number;
}

export function realSum(view: NodeView<{ readonly activation: Clamp }>): RealSum {
  const biases = view.inputs[2]?.data as Float32Array | undefined;
  const range = realRange(view.attrs.activation);
  const finish = (sum: number, channel: number) =>
    clampReal(Math.fround(sum + (biases?.[channel] ?? 0)), range);
  return { add: addProduct, finish };
}
