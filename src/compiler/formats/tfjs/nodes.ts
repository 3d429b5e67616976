/** The nodes that layers and operators of TensorFlow are made of, with their weights laid out anew. */
import { BonsaiError } from '../../../errors.js';
import { elementCount, type Shape, type TensorId } from '../../ir/graph.js';
import { type Pads, requireShort, samePadding } from '../../ops/shape/window.js';
import { type Build, channelsOf, transposed } from './build.js';
import { convertAgain, unsupported } from './fields.js';
import type { Weight } from './read.js';

export type Pair = readonly [height: number, width: number];

export interface WindowOptions {
  /** [[top, bottom], [left, right]] where the padding is explicit. */
  readonly padding: 'same' | 'valid' | readonly [Pair, Pair];
  readonly strides: Pair;
  readonly dilations?: Pair;
}

const noPads: Pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

function windowOf(build: Build, x: TensorId, [kernelH, kernelW]: Pair, options: WindowOptions) {
  const { padding, strides, dilations = [1, 1] } = options;
  const [, height = 0, width = 0] = imageShape(build, x);
  const [strideH, strideW] = strides;
  const [dilationH, dilationW] = dilations;
  const least = Math.min(...strides, ...dilations, kernelH, kernelW);
  if (!(least >= 1)) {
    const message = `has the window ${kernelH}×${kernelW}, strides ${strides}, dilations ${dilations}`;
    throw unsupported(build.where, message, 'each must be at least 1');
  }
  const sides = (): Pads => {
    if (padding === 'valid') return noPads;
    const [rows, columns] =
      padding === 'same'
        ? [
            samePadding(height, kernelH, strideH, dilationH),
            samePadding(width, kernelW, strideW, dilationW),
          ]
        : padding;
    const [padTop, padBottom] = rows;
    const [padLeft, padRight] = columns;
    return { padTop, padBottom, padLeft, padRight };
  };
  const pads = sides();
  requireShort(build.where, { dilationH, dilationW, ...pads });
  return { strideH, strideW, dilationH, dilationW, ...pads };
}

/** @throws BonsaiError 'bad-shape' unless `x` is [batch, height, width, channels] */
export function imageShape(build: Build, x: TensorId): Shape {
  const shape = build.shape(x);
  if (shape.length === 4) return shape;
  const message = `its input has the shape [${shape.join(', ')}], must have 4 dimensions`;
  throw new BonsaiError('bad-shape', build.where, message, convertAgain);
}

/** The values of a weight of this rank. @throws BonsaiError */
export function floats(build: Build, weight: Weight, rank: number): Float32Array {
  if (weight.shape.length !== rank) {
    const message = `its weight "${weight.name}" has the shape [${weight.shape.join(', ')}], must have ${rank} dimensions`;
    throw new BonsaiError('bad-shape', build.where, message, convertAgain);
  }
  if (weight.data instanceof Float32Array) return weight.data;
  const message = `its weight "${weight.name}" holds integers`;
  throw new BonsaiError('unsupported-type', build.where, message, convertAgain);
}

export function biasOf(build: Build, bias: Weight | null): TensorId | null {
  if (bias === null) return null;
  return build.constant(bias.name, bias.shape, floats(build, bias, 1));
}

/** @param kernel [height, width, inputs, outputs] */
export function convolution(
  build: Build,
  x: TensorId,
  kernel: Weight,
  bias: Weight | null,
  options: WindowOptions,
): TensorId {
  const values = floats(build, kernel, 4);
  const [h = 0, w = 0, inC = 0, outC = 0] = kernel.shape;
  const attrs = { ...windowOf(build, x, [h, w], options), activation: 'none' };
  const filters = transposed(values, kernel.shape, [3, 0, 1, 2]);
  const weights = build.constant(kernel.name, [outC, h, w, inC], filters);
  return build.node('conv2d', [x, weights, biasOf(build, bias)], attrs);
}

/** @param kernel [height, width, channels, multiplier] */
export function depthwise(
  build: Build,
  x: TensorId,
  kernel: Weight,
  bias: Weight | null,
  options: WindowOptions,
): TensorId {
  const values = floats(build, kernel, 4);
  const [h = 0, w = 0, channels = 0, depthMultiplier = 0] = kernel.shape;
  const window = windowOf(build, x, [h, w], options);
  const attrs = { ...window, depthMultiplier, activation: 'none' };
  // Channel c of the input makes the outputs c · multiplier …, as the IR has them.
  const weights = build.constant(kernel.name, [1, h, w, channels * depthMultiplier], values);
  return build.node('depthwise_conv2d', [x, weights, biasOf(build, bias)], attrs);
}

/** @param kernel [inputs, outputs], or [outputs, inputs] where `isTransposed` */
export function dense(
  build: Build,
  x: TensorId,
  kernel: Weight,
  bias: Weight | null,
  isTransposed = false,
): TensorId {
  const values = floats(build, kernel, 2);
  const shape = isTransposed ? kernel.shape : [...kernel.shape].reverse();
  const rows = isTransposed ? values : transposed(values, kernel.shape, [1, 0]);
  const weights = build.constant(kernel.name, shape, rows);
  const input = build.shape(x);
  if (channelsOf(input) !== shape[1]) {
    const message = `its input [${input.join(', ')}] does not fit weights for ${shape[1]} elements`;
    throw new BonsaiError('bad-shape', build.where, message, convertAgain);
  }
  const attrs = { activation: 'none', keepDims: input.length !== 2 };
  return build.node('fully_connected', [x, weights, biasOf(build, bias)], attrs);
}

export function pool(
  build: Build,
  kind: 'average_pool2d' | 'max_pool2d',
  x: TensorId,
  [kernelH, kernelW]: Pair,
  options: WindowOptions,
): TensorId {
  const { strideH, strideW, padTop, padBottom, padLeft, padRight } = windowOf(
    build,
    x,
    [kernelH, kernelW],
    options,
  );
  const window = { kernelH, kernelW, strideH, strideW };
  const pads = { padTop, padBottom, padLeft, padRight };
  return build.node(kind, [x], { ...window, ...pads, activation: 'none' });
}

export function reshape(build: Build, x: TensorId, shape: Shape): TensorId {
  if (String(build.shape(x)) === String(shape)) return x;
  return build.node('reshape', [x], { shape });
}

/**
 * A shape of the same elements.
 *
 * @param wanted with −1 for at most one extent that follows from the others
 */
export function resolvedShape(build: Build, x: TensorId, wanted: Shape): Shape {
  const count = elementCount(build.shape(x));
  const known = elementCount(wanted.filter((extent) => extent !== -1));
  const shape = wanted.map((extent) => (extent === -1 ? count / known : extent));
  const isOne = wanted.filter((extent) => extent === -1).length <= 1;
  if (isOne && elementCount(shape) === count && shape.every(Number.isInteger)) return shape;
  const message = `cannot become [${wanted.join(', ')}]: its input is [${build.shape(x).join(', ')}]`;
  throw new BonsaiError('bad-shape', build.where, message, convertAgain);
}

/** x · scale + shift, each a value for every channel; later folded into the layer before. */
export function affine(
  build: Build,
  x: TensorId,
  scale: Float32Array,
  shift: Float32Array,
): TensorId {
  const factor = build.constant('scale', [scale.length], scale);
  const term = build.constant('shift', [shift.length], shift);
  const scaled = build.node('mul', [x, factor], { activation: 'none' });
  return build.node('add', [scaled, term], { activation: 'none' });
}

/** Normalization with the statistics of training (Ioffe and Szegedy, 2015). */
export function batchNorm(
  build: Build,
  x: TensorId,
  statistics: Readonly<Record<'gamma' | 'beta' | 'mean' | 'variance', Weight | null>>,
  epsilon: number,
): TensorId {
  const channels = channelsOf(build.shape(x));
  const read = (weight: Weight | null, otherwise: number) => {
    if (weight === null) return new Float32Array(channels).fill(otherwise);
    const values = floats(build, weight, 1);
    if (values.length === channels) return values;
    const message = `its weight "${weight.name}" has ${values.length} values for ${channels} channels`;
    throw new BonsaiError('bad-shape', build.where, message, convertAgain);
  };
  const gamma = read(statistics.gamma, 1);
  const beta = read(statistics.beta, 0);
  const mean = read(statistics.mean, 0);
  const variance = read(statistics.variance, 1);
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] ?? 1) + epsilon));
  const shift = Float32Array.from(beta, (b, c) => b - (mean[c] ?? 0) * (scale[c] ?? 1));
  return affine(build, x, Float32Array.from(scale), shift);
}

/** The names of activations in layers and in fused operators, in lower case. */
export function activation(build: Build, name: string, x: TensorId): TensorId {
  switch (name) {
    case 'linear':
      return x;
    case 'relu':
    case 'relu6':
    case 'tanh':
      return build.node(name, [x], {});
    case 'sigmoid':
      return build.node('logistic', [x], {});
    case 'swish':
    case 'silu': {
      const gate = build.node('logistic', [x], {});
      return build.node('mul', [x, gate], { activation: 'none' });
    }
    case 'softmax':
      return build.node('softmax', [x], { beta: 1 });
    default: {
      const hint = 'use linear, relu, relu6, sigmoid, tanh, swish or softmax';
      throw unsupported(build.where, `has the activation ${name}, which is not supported`, hint);
    }
  }
}

/** The mean over height and width, or over steps. */
export function mean(
  build: Build,
  x: TensorId,
  axes: readonly number[],
  keepDims: boolean,
): TensorId {
  return build.node('mean', [x], { axes, keepDims });
}
