/** The layers on which the costs of kernels are measured. */
import type { Attrs, DType, Shape } from '../../compiler/ir/graph.js';
import { scalars } from '../../compiler/ops/scalar.js';

export interface Layer {
  readonly op: string;
  /** Shapes of the inputs. */
  readonly inputs: readonly Shape[];
  readonly weights?: {
    readonly shape: Shape;
    /** The axis of the output channels. */
    readonly axis: number;
    /** Which weights pruning kept; absent: all. */
    readonly pruned?: Pruned;
    /** Bits of a weight; default 8. */
    readonly bits?: number;
  };
  /** Type of the inputs and of the output; default int8. Layers of int16 have no bias. */
  readonly dtype?: DType;
  /** Type of the output, if it differs. */
  readonly outputType?: DType;
  /** Shape of a residual that the layer's kernel adds to the outputs. */
  readonly residual?: Shape;
  /**
   * Output shapes, if they do not follow from the inputs; for several outputs only the number
   * counts.
   */
  readonly outputs?: readonly Shape[];
  readonly attrs: Attrs;
}

export interface Pruned {
  /** A name in pruning.ts. */
  readonly pattern: string;
  /** Share of the weights that are kept, 0 to 1. */
  readonly density: number;
}

const unitStrides = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
const noPads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
const ones = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const relu = { activation: 'relu', rounding: 'double' };
const signed = { activation: 'none' };

export function conv(
  input: Shape,
  outC: number,
  kernel: readonly [number, number],
  change = {},
): Layer {
  const pads = kernel[0] === 1 ? noPads : ones;
  return {
    op: 'conv2d',
    inputs: [input],
    weights: { shape: [outC, ...kernel, input[3] ?? 1], axis: 0 },
    attrs: { ...unitStrides, ...pads, ...relu, ...change },
  };
}

function depthwise(input: Shape, kernel: readonly [number, number], change = {}): Layer {
  const attrs = { ...unitStrides, ...ones, depthMultiplier: 1, ...relu, ...change };
  const channels = (input[3] ?? 1) * attrs.depthMultiplier;
  return {
    op: 'depthwise_conv2d',
    inputs: [input],
    weights: { shape: [1, ...kernel, channels], axis: 3 },
    attrs,
  };
}

/** A depthwise window as large as the image: one output pixel. */
function wholeImage(input: Shape, change = {}): Layer {
  const [, height = 1, width = 1] = input;
  return depthwise(input, [height, width], { ...noPads, ...change });
}

export function dense(inputs: number, outputs: number): Layer {
  const weights = { shape: [outputs, inputs], axis: 0 };
  return { op: 'fully_connected', inputs: [[1, inputs]], weights, attrs: relu };
}

/** The same layer with some weights set to 0. */
export function prune(layer: Layer, pruned: Pruned): Layer {
  const { weights } = layer;
  return weights === undefined ? layer : { ...layer, weights: { ...weights, pruned } };
}

/** The same layer with weights of fewer bits than 8. */
function narrow(layer: Layer, bits: number): Layer {
  const { weights } = layer;
  return weights === undefined ? layer : { ...layer, weights: { ...weights, bits } };
}

function pool(op: string, input: Shape, kernel: number): Layer {
  const slides = { kernelH: kernel, kernelW: kernel, strideH: kernel, strideW: kernel };
  return { op, inputs: [input], attrs: { ...slides, ...noPads, activation: 'none' } };
}

/** The same layer with padding 1. */
function padded(layer: Layer): Layer {
  return { ...layer, attrs: { ...layer.attrs, ...ones } };
}

const wide: Shape = [1, 8, 8, 16];
const deep: Shape = [1, 4, 4, 64];
const odd: Shape = [1, 7, 5, 19];
const shallow: Shape = [1, 12, 12, 3];

const some = { pattern: 'unstructured', density: 0.5 };
const few = { pattern: 'unstructured', density: 0.2 };
const hardlyAny = { pattern: 'unstructured', density: 0.05 };
const blocks = { pattern: 'blocks 1x4', density: 0.3 };
const groups = { pattern: 'n of 8', density: 0.25 };

const binary = (op: string) =>
  [wide, deep, odd].map(
    (shape): Layer => ({ op, inputs: [shape, shape], attrs: { activation: 'none' } }),
  );

const broadcast = (op: string): Layer => ({
  op,
  inputs: [[1, 6, 9, 5], [5]],
  attrs: { activation: 'none' },
});

const repeated: Shape = [1, 6, 9, 5];

/** The same layer over int16. */
const int16 = (layer: Layer): Layer => ({ ...layer, dtype: 'int16' });

const float32 = (op: string, inputs: readonly Shape[], attrs: Attrs = {}): Layer => ({
  ...{ op, inputs, attrs },
  dtype: 'float32',
});

/** They come first: of a template's first layers the size of its code is measured. */
const mostCode: ReadonlySet<string> = new Set(['sin', 'pow']);

/** Operators of float32 elements, with the attributes that choose their functions. */
const realFunctions = [...scalars.values()]
  .filter(({ types }) => types.includes('float32'))
  .flatMap(({ name, isPair, examples, functionOf }) =>
    examples.map((attrs) => ({ op: name, isPair, attrs, ...functionOf(attrs) })),
  )
  .sort((a, b) => Number(mostCode.has(b.term)) - Number(mostCode.has(a.term)));
const layersOf = (pairs: boolean, shapes: readonly Shape[]) =>
  realFunctions
    .filter(({ op, isPair }) => isPair === pairs && op !== 'compare')
    .map(({ op, attrs }) => float32(op, shapes, pairs ? signed : attrs));

/** Functions of one float32, and of two. */
export const realLayers: readonly Layer[] = [
  ...[wide, odd].flatMap((shape) => layersOf(false, [shape])),
  ...[
    [wide, wide],
    [odd, odd],
    [repeated, [5]],
  ].flatMap((shapes) => layersOf(true, shapes)),
  ...[wide, odd].flatMap((shape): Layer[] => [
    { op: 'dequantize', inputs: [shape], attrs: {}, outputType: 'float32' },
    { op: 'quantize', inputs: [shape], attrs: {}, dtype: 'float32', outputType: 'int8' },
    { op: 'compare', inputs: [shape, shape], attrs: { relation: 'less' }, outputType: 'bool' },
    { op: 'logistic', inputs: [shape], attrs: { algorithm: 'fixed' }, dtype: 'int16' },
    { op: 'tanh', inputs: [shape], attrs: { algorithm: 'fixed' }, dtype: 'int16' },
  ]),
];

/** Layers of the operators that the calibration's networks lack: of other types, two elements, products of matrices, reductions. */
export const costLayers: readonly Layer[] = [
  ...realLayers,
  ...[
    ...['maximum', 'minimum', 'prelu', 'squared_difference'].map((op) => [op, {}] as const),
    ['div', { activation: 'none' }] as const,
  ].flatMap(([op, attrs]): Layer[] => [
    ...[wide, odd].map((shape) => ({ op, inputs: [shape, shape], attrs })),
    { op, inputs: [repeated, [5]], attrs },
  ]),
  ...[
    [8, 16, 8],
    [24, 5, 9],
    [3, 40, 12],
  ].map(
    ([rows = 1, depth = 1, columns = 1]): Layer => ({
      op: 'batch_matmul',
      inputs: [
        [1, rows, depth],
        [1, depth, columns],
      ],
      attrs: { transposeA: false, transposeB: false },
    }),
  ),
  ...['reduce_max', 'reduce_min', 'reduce_sum'].flatMap((op): Layer[] =>
    [
      ...[wide, odd].flatMap((shape) => [1, 3].map((axis) => [shape, axis] as const)),
      ...[deep, repeated].map((shape) => [shape, 3] as const),
    ].map(([shape, axis]) => ({
      op,
      inputs: [shape],
      attrs: {
        ...{ axes: axis === 1 ? [1, 2] : [axis], keepDims: false },
        ...(op === 'reduce_sum' ? { algorithm: 'fixed' } : {}),
      },
    })),
  ),
  ...[2, 7, 16].map(
    (c): Layer => ({
      op: 'resize_bilinear',
      inputs: [[1, 6, 5, c]],
      outputs: [[1, 12, 9, c]],
      attrs: { alignCorners: false, halfPixelCenters: c === 7 },
    }),
  ),
];

/** Layers with shapes typical of sensor models. */
export const calibration: readonly Layer[] = [
  ...[wide, deep, odd].flatMap((shape) => [8, 24].map((outC) => conv(shape, outC, [1, 1]))),
  ...[wide, odd, shallow].flatMap((shape) => [8, 20].map((outC) => conv(shape, outC, [3, 3]))),
  conv(shallow, 16, [3, 3], { strideH: 2, strideW: 2 }),
  conv([1, 16, 10, 1], 16, [5, 3], { strideH: 2, strideW: 2 }),
  ...[wide, deep, odd].flatMap((shape) => [
    depthwise(shape, [3, 3]),
    depthwise(shape, [3, 3], { strideH: 2, strideW: 2 }),
  ]),
  depthwise([1, 12, 12, 8], [5, 5]),
  depthwise([1, 15, 13, 8], [5, 5], { strideH: 2, strideW: 2 }),
  depthwise([1, 30, 3, 8], [3, 1]),
  depthwise([1, 3, 24, 8], [1, 9]),
  depthwise([1, 24, 3, 12], [9, 1]),
  depthwise([1, 30, 2, 3], [13, 1]),
  depthwise([1, 9, 6, 3], [4, 4]),
  depthwise([1, 8, 9, 2], [3, 3]),
  depthwise([1, 8, 7, 1], [4, 4]),
  depthwise([1, 2, 24, 8], [1, 5]),
  depthwise([1, 10, 9, 8], [3, 3], { dilationH: 2, dilationW: 2 }),
  ...[2, 3, 4, 8].flatMap((depthMultiplier) => [
    depthwise([1, 8, 7, 4], [3, 3], { depthMultiplier }),
    depthwise([1, 9, 9, 6], [3, 3], { depthMultiplier, strideH: 2, strideW: 2 }),
    depthwise([1, 6, 8, 3], [5, 5], { depthMultiplier }),
  ]),
  depthwise(wide, [3, 3], { depthMultiplier: 2 }),
  depthwise(shallow, [3, 3], { depthMultiplier: 8, strideH: 2, strideW: 2 }),
  depthwise([1, 3, 3, 64], [3, 3]),
  depthwise([1, 40, 32, 4], [3, 3], { strideH: 2, strideW: 2 }),
  depthwise(wide, [3, 3], { strideH: 3, strideW: 3 }),
  depthwise([1, 11, 10, 8], [2, 2], { ...noPads, strideH: 2, strideW: 2 }),
  depthwise(odd, [2, 3], noPads),
  ...[[1, 5, 1, 64] as const, [1, 18, 1, 40] as const, [1, 6, 5, 19] as const].map((input) =>
    wholeImage(input),
  ),
  wholeImage([1, 9, 1, 32], signed),
  ...[0.5, 0.2, 0.08].flatMap((density) =>
    [conv(deep, 24, [1, 1]), conv(wide, 12, [3, 3]), conv(odd, 8, [3, 3])].map((layer) =>
      prune(layer, { pattern: 'unstructured', density }),
    ),
  ),
  // Fewer channels than are computed at once.
  ...[1, 2].map((outC) => conv(deep, outC, [1, 1])),
  ...[1, 3].map((outC) => conv(wide, outC, [3, 3])),
  ...[1, 3].map((outputs) => dense(128, outputs)),
  dense(640, 2),
  dense(640, 16),
  conv(odd, 2, [3, 3]),
  conv(wide, 1, [3, 3], signed),
  conv([1, 20, 4, 2], 1, [9, 1], noPads),
  conv([1, 12, 12, 1], 1, [3, 3]),
  conv([1, 12, 12, 1], 2, [5, 5]),
  conv([1, 40, 30, 1], 4, [3, 3], { strideH: 2, strideW: 2 }),
  conv([1, 17, 16, 1], 8, [7, 5], { strideH: 2, strideW: 2 }),
  conv([1, 3, 40, 1], 4, [1, 9]),
  conv([1, 24, 24, 1], 1, [1, 1], { strideH: 2, strideW: 2 }),
  conv([1, 24, 24, 1], 4, [3, 3], { strideH: 2, strideW: 2 }),
  conv([1, 30, 6, 1], 8, [9, 1], noPads),
  conv([1, 9, 8, 16], 1, [1, 1]),
  depthwise([1, 10, 30, 1], [3, 3], { strideH: 2, strideW: 2 }),
  dense(64, 12),
  dense(128, 64),
  dense(128, 32),
  dense(320, 16),
  dense(19, 40),
  ...[some, few, hardlyAny].map((pruned) => prune(dense(640, 12), pruned)),
  ...[few, hardlyAny].map((pruned) => prune(dense(128, 40), pruned)),
  ...[some, few, hardlyAny].map((pruned) => prune(conv(odd, 20, [3, 3]), pruned)),
  ...[few, groups].map((pruned) => prune(conv(deep, 24, [1, 1]), pruned)),
  ...[some, blocks].map((pruned) => prune(conv(wide, 16, [3, 3]), pruned)),
  prune(dense(128, 40), blocks),
  ...[4, 7].flatMap((bits) => [
    narrow(conv(odd, 56, [1, 1]), bits),
    narrow(conv(wide, 20, [3, 3]), bits),
    narrow(dense(320, 16), bits),
    narrow(prune(conv(deep, 64, [1, 1]), some), bits),
    narrow(prune(dense(128, 40), few), bits),
  ]),
  // So few values that a code is the smallest encoding, with positions of every kind.
  ...[some, few, blocks].flatMap((pruned) => [
    narrow(prune(conv(odd, 20, [3, 3]), pruned), 3),
    narrow(prune(dense(128, 40), pruned), 3),
  ]),
  narrow(prune(dense(320, 16), few), 3),
  ...[5, 6].flatMap((bits) => [narrow(dense(128, 40), bits), narrow(dense(19, 12), bits)]),
  ...[conv(deep, 64, [1, 1]), dense(128, 40)].map((layer) => narrow(prune(layer, groups), 7)),
  conv(deep, 24, [1, 1], signed),
  conv(odd, 20, [3, 3], signed),
  { ...conv(wide, 16, [3, 3]), residual: wide },
  { ...conv(wide, 16, [1, 1], signed), residual: wide },
  { ...conv(deep, 64, [1, 1], signed), residual: deep },
  { ...prune(conv(wide, 16, [3, 3]), few), residual: wide },
  { ...prune(conv(deep, 64, [1, 1]), few), residual: deep },
  ...binary('add'),
  ...binary('mul'),
  ...['add', 'mul'].map(broadcast),
  pool('average_pool2d', wide, 2),
  pool('average_pool2d', deep, 4),
  pool('average_pool2d', odd, 3),
  pool('average_pool2d', [1, 12, 8, 10], 4),
  pool('average_pool2d', [1, 8, 6, 58], 2),
  padded(pool('average_pool2d', wide, 3)),
  padded(pool('average_pool2d', odd, 2)),
  pool('average_pool2d', shallow, 2),
  pool('max_pool2d', shallow, 2),
  pool('max_pool2d', wide, 2),
  pool('max_pool2d', deep, 4),
  pool('max_pool2d', odd, 3),
  pool('max_pool2d', [1, 24, 4, 4], 2),
  pool('max_pool2d', [1, 4, 32, 8], 4),
  pool('max_pool2d', [1, 4, 8, 6], 2),
  padded(pool('max_pool2d', wide, 3)),
  pool('max_pool2d', [1, 12, 12, 8], 6),
  ...[wide, deep, odd].map(
    (shape): Layer => ({ op: 'logistic', inputs: [shape], attrs: { algorithm: 'fixed' } }),
  ),
  ...['fixed', 'table'].flatMap((algorithm) =>
    [12, 40].map(
      (classes): Layer => ({
        op: 'softmax',
        inputs: [[1, classes]],
        attrs: { beta: 1, algorithm },
      }),
    ),
  ),
  ...[
    conv(wide, 8, [1, 1]),
    conv(deep, 24, [1, 1]),
    conv(odd, 20, [1, 1]),
    conv(wide, 12, [3, 3]),
    conv(odd, 8, [3, 3]),
    conv(shallow, 16, [3, 3], { strideH: 2, strideW: 2 }),
    dense(64, 12),
    dense(320, 16),
    dense(19, 40),
    depthwise(wide, [3, 3]),
    depthwise(odd, [3, 3], { strideH: 2, strideW: 2 }),
    depthwise([1, 24, 3, 12], [9, 1]),
  ].map(int16),
];
