/** Random operands of binary operators and of operators with a window. */

import type { Quant, Shape } from '../../src/compiler/ir/graph.js';
import type { Rounding } from '../../src/compiler/ops/arithmetic/quant.js';
import { type Activation, activations } from '../../src/compiler/ops/arithmetic/quant.js';
import { samePadding } from '../../src/compiler/ops/shape/window.js';
import { perChannelQuant, perTensorQuant, type Random } from './module.js';
import { type OperandCase, type OperatorCase, randomQuant, randomShape } from './operator.js';

export function randomActivation(random: Random): Activation {
  return random.pick(activations);
}

/**
 * Two operands of up to 6 dimensions that broadcast at random; sometimes one of them is a constant.
 *
 * @param quantOf the output's quantization from the operands' scales
 */
export function randomBinary(
  random: Random,
  quantOf: (aScale: number, bScale: number) => Quant,
): Omit<OperatorCase, 'edge'> {
  const shape = randomShape(random, random.integer(1, 6), 4);
  const operand = (whole: boolean): OperandCase & { readonly quant: Quant } => {
    const kept = shape.map((extent) => (whole || random.integer(0, 2) > 0 ? extent : 1));
    const operandShape = whole ? kept : kept.slice(random.integer(0, shape.length - 1));
    const quant = randomQuant(random);
    const count = operandShape.reduce((product, extent) => product * extent, 1);
    const constant = random.integer(0, 4) === 0;
    return { shape: operandShape, quant, ...(constant ? { data: random.int8(count) } : {}) };
  };
  const a = operand(random.integer(0, 1) === 0);
  const b = operand(random.integer(0, 1) === 0);
  const quant = quantOf(a.quant.scales[0] ?? 1, b.quant.scales[0] ?? 1);
  return { inputs: [a, b], attrs: { activation: randomActivation(random) }, quant };
}

/** `scale` times a power of 2 with an exponent from `low` to `high`, and any zero point. */
export function quantNear(random: Random, scale: number, low: number, high: number): Quant {
  const exponent = random.integer(low * 1000, high * 1000) / 1000;
  return perTensorQuant(scale * 2 ** exponent, random.integer(-128, 127));
}

/** A pool with SAME or VALID padding over an image of odd extents. */
export function randomPool(random: Random): Omit<OperatorCase, 'edge'> {
  const [n = 1, h = 1, w = 1, c = 1]: Shape = [
    random.integer(1, 2),
    random.integer(1, 9),
    random.integer(1, 9),
    random.integer(1, 5),
  ];
  const same = random.integer(0, 1) === 0;
  const kernelH = random.integer(1, same ? 11 : h);
  const kernelW = random.integer(1, same ? 11 : w);
  const strideH = random.integer(1, 3);
  const strideW = random.integer(1, 3);
  const [padTop, padBottom] = same ? samePadding(h, kernelH, strideH, 1) : [0, 0];
  const [padLeft, padRight] = same ? samePadding(w, kernelW, strideW, 1) : [0, 0];
  const pads = { padTop, padBottom, padLeft, padRight };
  const activation = randomActivation(random);
  return {
    inputs: [{ shape: [n, h, w, c], quant: randomQuant(random) }],
    attrs: { kernelH, kernelW, strideH, strideW, ...pads, activation },
  };
}

/** Weights and bias for `channels` outputs along `axis`: int8 with extremes, one scale or many. */
export function randomWeights(
  random: Random,
  shape: Shape,
  axis: number,
): readonly [weights: OperandCase, bias: OperandCase | null] {
  const channels = shape[axis] ?? 1;
  const count = shape.reduce((product, extent) => product * extent, 1);
  const scales = Array.from({ length: channels }, () => random.integer(1, 400) / 10000);
  const quant = random.pick([perTensorQuant(0.01, 0), perChannelQuant(scales, axis)]);
  const data = random.int32(channels, -30000, 30000);
  const bias = { shape: [channels], quant: perTensorQuant(0.0001, 0), data };
  return [{ shape, quant, data: random.int8(count) }, random.integer(0, 3) === 0 ? null : bias];
}

/**
 * Attributes and quantization of operators that accumulate; results may or may not saturate. Not all
 * kernels apply to layers of the rounding 'float'.
 */
export function randomAccumulation(
  random: Random,
  roundings: readonly Rounding[] = ['double', 'single'],
) {
  const zeroPoint = () => random.pick([-128, 127, 0, random.integer(-128, 127)]);
  return {
    input: perTensorQuant(0.02, zeroPoint()),
    output: perTensorQuant(0.002 * 2 ** random.integer(0, 11), zeroPoint()),
    attrs: {
      activation: randomActivation(random),
      rounding: random.pick(roundings),
      zeroPointFolded: random.integer(0, 3) === 0,
    },
  };
}

/** A scale of which float32 makes halves that go to even, up and down in turn: no line has those. */
export function tyingScale(random: Random): number {
  return (2 * random.integer(0, 4) + 1) / (2 * random.integer(5, random.pick([40, 600])));
}

/**
 * Any window over an image, padded on any side, that leaves at least one output.
 * @param input [n, h, w, c]
 */
export function randomWindow(random: Random, [, h = 1, w = 1]: Shape) {
  const axis = (extent: number) => {
    const [kernel, stride] = [random.integer(1, 4), random.integer(1, 3)];
    const dilation = random.pick([1, 1, 2, 3]);
    const before = random.integer(0, 3);
    const needed = (kernel - 1) * dilation + 1 - extent - before;
    return { kernel, stride, dilation, before, after: Math.max(needed, random.integer(0, 4)) };
  };
  const [y, x] = [axis(h), axis(w)];
  return {
    kernelH: y.kernel,
    kernelW: x.kernel,
    attrs: {
      ...{ strideH: y.stride, strideW: x.stride, dilationH: y.dilation, dilationW: x.dilation },
      ...{ padTop: y.before, padBottom: y.after, padLeft: x.before, padRight: x.after },
    },
  };
}
