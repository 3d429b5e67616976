/** Golden cases of types other than int8 (golden-cases.ts): mostly int16 with int8 weights. */
import {
  type Attrs,
  type DType,
  elementCount,
  type Quant,
  type Shape,
  type TensorData,
} from '../../src/compiler/ir/graph.js';
import type { GoldenCase, GoldenOperand } from './golden-cases.js';
import { perChannelQuant, perTensorQuant as q, Random } from './module.js';

function operand(
  random: Random,
  shape: Shape,
  quant: Quant | null,
  dtype: DType = 'int16',
): GoldenOperand {
  return { shape, quant, dtype, values: random.elements(dtype, elementCount(shape)) };
}

function constant(shape: Shape, quant: Quant | null, values: TensorData): GoldenOperand {
  return { shape, quant, values, constant: true };
}

/** One input of 64 elements, from a type to another. */
function unary(
  edge: string,
  [from, input]: readonly [DType, Quant | null],
  [to, output]: readonly [DType, Quant | null],
  attrs: Attrs = {},
): GoldenCase {
  const random = new Random(edge.length);
  return {
    edge,
    inputs: [operand(random, [1, 64], input, from)],
    ...{ attrs, quant: output, dtype: to },
  };
}

function binary(edge: string, quants: readonly Quant[], attrs: Attrs, b: Shape = [2, 24]) {
  const random = new Random(edge.length);
  const [ofA = q(1, 0), ofB = ofA, output = ofA] = quants;
  return {
    edge,
    inputs: [operand(random, [2, 24], ofA), operand(random, b, ofB)],
    ...{ attrs, quant: output, dtype: 'int16' as const },
  };
}

const none = { activation: 'none' };
const leak = (alpha: number) => ({ alpha: Math.fround(alpha), algorithm: 'magnitude' });
const scalar = { algorithm: 'scalar' };
const fixed = { algorithm: 'fixed' };

function rows(edge: string, shape: Shape, scale: number, beta: number): GoldenCase {
  const input = operand(new Random(edge.length), shape, q(scale, 0));
  const attrs = { beta: Math.fround(beta), ...fixed };
  return { edge, inputs: [input], attrs, quant: q(2 ** -15, 0), dtype: 'int16' };
}

function averaged(
  edge: string,
  shape: Shape,
  axes: readonly number[],
  input: Quant,
  quant: Quant,
): GoldenCase {
  const attrs = { axes, keepDims: true, algorithm: 'general' };
  const inputs = [operand(new Random(edge.length), shape, input)];
  return { edge, inputs, attrs, quant, dtype: 'int16' };
}

/** Desktop TFLite computes it otherwise. */
const ofTflm = (given: GoldenCase): GoldenCase => ({ ...given, onlyTflm: true });

function pooled(edge: string, attrs: Attrs): GoldenCase {
  const random = new Random(edge.length);
  return {
    edge,
    inputs: [operand(random, [1, 6, 6, 3], q(0.01, 0))],
    attrs: { activation: 'none', ...attrs },
    ...{ quant: q(0.01, 0), dtype: 'int16' },
  };
}
const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
const window = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, ...pads, activation: 'none' };
const rounding = { rounding: 'double' };

interface Layer {
  readonly edge: string;
  readonly input: Shape;
  readonly weights: Shape;
  /** Axis of the weights with the output channels. */
  readonly axis: number;
  readonly attrs: Attrs;
  readonly bias: 'int64' | 'int32' | 'none';
  /** Of the output; default: what makes outputs as large as inputs. */
  readonly scale?: number;
  /** All weights and inputs have the largest magnitude. */
  readonly extreme?: boolean;
  readonly perTensor?: boolean;
  readonly onlyTflm?: boolean;
}

/** int16 by int8, scales for each channel. */
function layer(given: Layer): GoldenCase {
  const { edge, input, weights, axis, attrs, bias, extreme = false, perTensor = false } = given;
  const random = new Random(edge.length);
  const channels = weights[axis] as number;
  const depth = elementCount(weights) / channels;
  const scales = Array.from({ length: channels }, () => random.integer(5, 30) / 1000);
  const x = operand(random, input, q(2 ** -12, 0));
  const w = random.int8(elementCount(weights), -127, 127);
  const b = random.int32(channels, -(2 ** 24), 2 ** 24);
  const quant = perTensor ? q(0.01, 0) : perChannelQuant(scales, axis);
  const biases = {
    int64: () => [
      constant(
        [channels],
        null,
        BigInt64Array.from(b, (value) => BigInt(value) * 9n),
      ),
    ],
    int32: () => [constant([channels], null, b)],
    none: () => [null],
  }[bias]();
  return {
    edge,
    inputs: [
      extreme ? { ...x, values: new Int16Array(x.values.length).fill(-32768) } : x,
      constant(weights, quant, extreme ? w.map(() => -127) : w),
      ...biases,
    ],
    attrs,
    onlyTflm: given.onlyTflm === true,
    quant: q(given.scale ?? 2 ** -12 * Math.sqrt(depth), 0),
    dtype: 'int16',
  };
}

const pool3x3Same = {
  ...{ kernelH: 3, kernelW: 3, strideH: 1, strideW: 1, activation: 'relu' },
  ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
};
const conv = { axis: 0, bias: 'int64', attrs: { ...window, ...rounding } } as const;
const same = { ...window, ...rounding, padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const depthwise = { axis: 3, bias: 'int64' } as const;
const dense = {
  axis: 0,
  bias: 'int64',
  attrs: { ...none, keepDims: false, rounding: 'double' },
} as const;

export const wideCases: Readonly<Record<string, readonly GoldenCase[]>> = {
  add: [
    binary('int16: equal scales', [q(0.01, 0)], none),
    binary('int16: three scales, relu', [q(0.01, 0), q(0.037, 0), q(0.02, 0)], {
      activation: 'relu',
    }),
    binary('int16: one operand repeats', [q(0.01, 0), q(0.002, 0), q(0.03, 0)], none, [1, 24]),
  ],
  sub: [
    binary('int16: equal scales', [q(0.01, 0)], { ...none }),
    binary('int16: three scales', [q(0.01, 0), q(0.037, 0), q(0.02, 0)], {
      ...none,
    }),
  ],
  mul: [
    binary('int16: three scales', [q(2 ** -15, 0), q(0.0003, 0), q(0.00002, 0)], none),
    binary(
      'int16: one operand repeats, relu',
      [q(0.001, 0), q(0.0003, 0), q(0.01, 0)],
      {
        activation: 'relu',
      },
      [1, 24],
    ),
  ],
  conv2d: [
    layer({
      ...conv,
      edge: 'int16: 3x3 SAME',
      input: [1, 5, 4, 3],
      weights: [5, 3, 3, 3],
      attrs: same,
    }),
    layer({
      ...conv,
      edge: 'int16: stride 2, one channel',
      input: [1, 7, 1, 8],
      weights: [1, 4, 1, 8],
      attrs: { ...conv.attrs, strideH: 2 },
    }),
    layer({
      ...conv,
      edge: 'int16: sums beyond 32 bits',
      input: [1, 1, 1, 600],
      weights: [4, 1, 1, 600],
      extreme: true,
      scale: 0.01,
    }),
    layer({
      ...conv,
      edge: 'int16: an int32 bias',
      input: [1, 3, 3, 4],
      weights: [6, 1, 1, 4],
      bias: 'int32',
      onlyTflm: true,
    }),
    layer({
      ...conv,
      edge: 'int16: no bias',
      input: [1, 3, 3, 4],
      weights: [6, 1, 1, 4],
      bias: 'none',
    }),
    layer({
      ...conv,
      edge: 'int16: dilation',
      input: [1, 6, 6, 2],
      weights: [4, 3, 2, 2],
      attrs: { ...conv.attrs, dilationH: 2, dilationW: 3 },
    }),
    layer({
      ...conv,
      edge: 'int16: two groups',
      input: [1, 4, 4, 4],
      weights: [6, 3, 3, 2],
      attrs: same,
    }),
  ],
  depthwise_conv2d: [
    layer({
      ...depthwise,
      edge: 'int16: 3x3 SAME',
      input: [1, 5, 4, 6],
      weights: [1, 3, 3, 6],
      attrs: { ...same, depthMultiplier: 1 },
    }),
    layer({
      ...depthwise,
      edge: 'int16: two outputs each, no bias',
      input: [1, 5, 4, 3],
      weights: [1, 2, 3, 6],
      bias: 'none',
      attrs: { ...window, ...rounding, depthMultiplier: 2 },
    }),
  ],
  fully_connected: [
    layer({
      ...dense,
      edge: 'int16: one scale',
      input: [2, 20],
      weights: [7, 20],
      perTensor: true,
    }),
    layer({ ...dense, edge: 'int16: a scale for each channel', input: [1, 33], weights: [5, 33] }),
    layer({
      ...dense,
      edge: 'int16: an int32 bias',
      input: [1, 16],
      weights: [4, 16],
      bias: 'int32',
    }),
    layer({
      ...dense,
      edge: 'int16: sums beyond 32 bits',
      input: [1, 700],
      weights: [3, 700],
      extreme: true,
      scale: 0.01,
    }),
  ],
  leaky_relu: [
    unary('int16: alpha below 1', ['int16', q(0.01, 0)], ['int16', q(0.01, 0)], leak(0.3)),
    unary('int16: another scale', ['int16', q(0.01, 0)], ['int16', q(0.007, 0)], leak(0.1)),
  ],
  quantize: [
    unary('int16 to int8', ['int16', q(0.001, 0)], ['int8', q(0.25, -7)], scalar),
    unary('int8 to int16', ['int8', q(0.2, 5)], ['int16', q(0.001, 0)], scalar),
    unary('int8 to int32', ['int8', q(0.2, 5)], ['int32', q(0.0001, 0)], scalar),
    unary('int16 to int16', ['int16', q(0.001, 0)], ['int16', q(0.0017, 0)], scalar),
    unary('int16 to int32', ['int16', q(0.001, 0)], ['int32', q(0.00001, 0)], scalar),
    unary('int32 to int8', ['int32', q(0.00001, 0)], ['int8', q(100, 3)], scalar),
    unary('int32 to int16', ['int32', q(0.00001, 0)], ['int16', q(0.7, 0)], scalar),
    unary('int8 to uint8, a shift of 128', ['int8', q(0.2, 5)], ['uint8', q(0.2, 133)], scalar),
    unary('int8 to uint8', ['int8', q(0.2, 5)], ['uint8', q(0.3, 7)], scalar),
    unary('uint8 to int8', ['uint8', q(0.2, 50)], ['int8', q(0.31, -9)], scalar),
  ],
  logistic: [
    ofTflm(
      unary('int16: a scale of 2^-12', ['int16', q(2 ** -12, 0)], ['int16', q(2 ** -15, 0)], fixed),
    ),
    unary('int16: a fine scale', ['int16', q(0.00011, 0)], ['int16', q(2 ** -15, 0)], fixed),
    unary('int16: a coarse scale', ['int16', q(0.0031, 0)], ['int16', q(2 ** -15, 0)], fixed),
  ],
  tanh: [
    ofTflm(
      unary('int16: a scale of 2^-12', ['int16', q(2 ** -12, 0)], ['int16', q(2 ** -15, 0)], fixed),
    ),
    ofTflm(
      unary('int16: a scale of 2^-11', ['int16', q(2 ** -11, 0)], ['int16', q(2 ** -15, 0)], fixed),
    ),
    unary('int16: a fine scale', ['int16', q(0.00011, 0)], ['int16', q(2 ** -15, 0)], fixed),
  ],
  max_pool2d: [
    pooled('int16: 2x2, stride 2', { kernelH: 2, kernelW: 2, strideH: 2, strideW: 2, ...pads }),
    pooled('int16: 3x3 SAME, relu', pool3x3Same),
  ],
  average_pool2d: [
    pooled('int16: 2x2, stride 2', { kernelH: 2, kernelW: 2, strideH: 2, strideW: 2, ...pads }),
    pooled('int16: 3x3 SAME, relu', pool3x3Same),
  ],
  softmax: [
    rows('int16: 10 classes', [3, 10], 2 ** -12, 1),
    rows('int16: far apart', [2, 40], 0.001, 1),
    rows('int16: beta', [2, 7], 0.0004, 0.5),
  ],
  mean: [
    averaged('int16: height and width', [1, 4, 5, 3], [1, 2], q(0.01, 0), q(0.004, 0)),
    averaged('int16: the last', [2, 3, 7], [2], q(0.01, 0), q(0.013, 0)),
  ],
  dequantize: [
    unary('int8', ['int8', q(0.2, 5)], ['float32', null]),
    unary('uint8', ['uint8', q(0.0137, 77)], ['float32', null]),
    unary('int16', ['int16', q(0.00031, 0)], ['float32', null]),
  ].map(ofTflm),
};
