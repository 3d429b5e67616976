/** The operators of frozen TensorFlow graphs: one row each. */
import { BonsaiError } from '../../../errors.js';
import type { Shape, TensorId } from '../../ir/graph.js';
import { type Build, channelsOf } from './build.js';
import { convertAgain, shown, unsupported } from './fields.js';
import type { GraphNode, NodeAttrs } from './graph-def.js';
import {
  activation,
  affine,
  batchNorm,
  convolution,
  dense,
  depthwise,
  imageShape,
  mean,
  type Pair,
  pool,
  reshape,
  resolvedShape,
  type WindowOptions,
} from './nodes.js';
import type { Weight } from './read.js';

/** What a node computes: a tensor of the graph, or a constant that is known now. */
export type Value =
  | { readonly kind: 'computed'; readonly id: TensorId }
  | { readonly kind: 'constant'; readonly weight: Weight };

/** A node with its inputs. */
export interface Operation {
  readonly build: Build;
  readonly node: GraphNode;
  readonly attrs: NodeAttrs;
  readonly count: number;
  /** Input `i` as a tensor of the graph. */
  tensor(i: number): TensorId;
  /** Input `i`, which must be a constant. @throws BonsaiError 'unsupported-attribute' */
  constant(i: number): Weight;
  value(i: number): Value;
}

type Op = (operation: Operation) => Value;

const computed = (id: TensorId): Value => ({ kind: 'computed', id });
const on =
  (make: (operation: Operation) => TensorId): Op =>
  (operation) =>
    computed(make(operation));

function channelsLast({ build, attrs }: Operation): void {
  const format = attrs.text('data_format', 'NHWC');
  if (format === 'NHWC') return;
  throw unsupported(build.where, `has the data format ${shown(format)}`, 'use NHWC');
}

/** Height and width of a list of four. */
function spatial({ build, attrs }: Operation, name: string): Pair {
  const list = attrs.has(name) ? attrs.integers(name) : [1, 1, 1, 1];
  const [batch, height, width, channels] = list;
  if (list.length === 4 && batch === 1 && channels === 1) return [height ?? 1, width ?? 1];
  const hint = 'it must be [1, height, width, 1]';
  throw unsupported(build.where, `has ${name} ${shown(list)}`, hint);
}

function windowOf(operation: Operation): WindowOptions {
  const { build, attrs } = operation;
  channelsLast(operation);
  const name = attrs.text('padding', 'VALID');
  const strides = spatial(operation, 'strides');
  const dilations = spatial(operation, 'dilations');
  if (name === 'EXPLICIT') {
    const [, , top, bottom, left, right] = attrs.integers('explicit_paddings');
    const padding: readonly [Pair, Pair] = [
      [top ?? 0, bottom ?? 0],
      [left ?? 0, right ?? 0],
    ];
    if (padding.flat().every((side) => side >= 0)) return { padding, strides, dilations };
  }
  const padding = name.toLowerCase();
  if (padding === 'same' || padding === 'valid') return { padding, strides, dilations };
  throw unsupported(build.where, `has the padding ${shown(name)}`, 'use SAME or VALID');
}

/** Bias, normalization and activation that the converter has fused into a node. */
function fused(operation: Operation, first: number, sum: (bias: Weight | null) => TensorId) {
  const { build, attrs, constant } = operation;
  const names = attrs.texts('fused_ops');
  const [head] = names;
  const hasBias = head === 'BiasAdd';
  let x = sum(hasBias ? constant(first) : null);
  const rest = hasBias ? names.slice(1) : names;
  for (const name of rest) {
    if (name === 'FusedBatchNorm') {
      const [gamma, beta, average, variance] = [0, 1, 2, 3].map((i) => constant(first + i));
      const statistics = { gamma, beta, mean: average, variance } as Record<string, Weight>;
      x = batchNorm(build, x, statistics as never, attrs.number('epsilon', 1e-3));
    } else if (name === 'LeakyRelu') {
      x = build.node('leaky_relu', [x], { alpha: attrs.number('leakyrelu_alpha', 0.2) });
    } else {
      x = activation(build, name.toLowerCase(), x);
    }
  }
  return x;
}

const conv2d = on((operation) => {
  const { build, tensor, constant } = operation;
  const window = windowOf(operation);
  return fused(operation, 2, (bias) => convolution(build, tensor(0), constant(1), bias, window));
});

const depthwiseConv2d = on((operation) => {
  const { build, tensor, constant } = operation;
  const window = windowOf(operation);
  return fused(operation, 2, (bias) => depthwise(build, tensor(0), constant(1), bias, window));
});

const matMul = on((operation) => {
  const { build, attrs, tensor, constant } = operation;
  if (attrs.boolean('transpose_a', false)) {
    throw unsupported(build.where, 'transposes its input', 'use a Dense layer');
  }
  const isTransposed = attrs.boolean('transpose_b', false);
  return fused(operation, 2, (bias) => dense(build, tensor(0), constant(1), bias, isTransposed));
});

const poolOf = (kind: 'average_pool2d' | 'max_pool2d') =>
  on((operation) => {
    const size = spatial(operation, 'ksize');
    return pool(operation.build, kind, operation.tensor(0), size, windowOf(operation));
  });

const normalization = on((operation) => {
  const { build, attrs, tensor, constant } = operation;
  channelsLast(operation);
  if (attrs.boolean('is_training', false)) {
    const hint = 'save the model for inference, and convert it again';
    throw unsupported(build.where, 'normalizes by the statistics of its batch', hint);
  }
  const statistics = {
    gamma: constant(1),
    beta: constant(2),
    mean: constant(3),
    variance: constant(4),
  };
  return batchNorm(build, tensor(0), statistics, attrs.number('epsilon', 1e-4));
});

const named = (name: string) => on(({ build, tensor }) => activation(build, name, tensor(0)));

const arithmetic = (op: 'add' | 'mul' | 'sub') =>
  on(({ build, tensor }) => build.node(op, [tensor(0), tensor(1)], { activation: 'none' }));

/** A quotient by constants is a product with their reciprocals. */
const division = on(({ build, tensor, constant }) => {
  const { name, shape, data } = constant(1);
  const inverse = build.constant(
    name,
    shape,
    Float32Array.from(data, (value) => 1 / value),
  );
  return build.node('mul', [tensor(0), inverse], { activation: 'none' });
});

/** A bias of a node that was no convolution. */
const biasAdd = on((operation) => {
  const { build, tensor, constant } = operation;
  channelsLast(operation);
  const { name, shape, data } = constant(1);
  const term = build.constant(name, shape, Float32Array.from(data));
  return build.node('add', [tensor(0), term], { activation: 'none' });
});

/** The integers of input `i`: a shape, axes, sides. */
function integers({ build, constant }: Operation, i: number): readonly number[] {
  const { data } = constant(i);
  const numbers = Array.from(data);
  if (numbers.every((value) => Number.isInteger(value))) return numbers;
  throw unsupported(build.where, `its input ${i} holds ${shown(numbers)}`, convertAgain);
}

function axesOf(operation: Operation, axes: readonly number[]): readonly number[] {
  const { build, tensor } = operation;
  const { length } = build.shape(tensor(0));
  const counted = axes.map((axis) => (axis < 0 ? axis + length : axis));
  if (counted.every((axis) => axis >= 0 && axis < length)) {
    return [...new Set(counted)].sort((a, b) => a - b);
  }
  const message = `axes [${axes}] are outside its ${length} dimensions`;
  throw new BonsaiError('bad-shape', build.where, message, convertAgain);
}

const averaged = on((operation) => {
  const { build, attrs, tensor } = operation;
  const axes = axesOf(operation, integers(operation, 1));
  return mean(build, tensor(0), axes, attrs.boolean('keep_dims', false));
});

/** A maximum over height and width. */
const largest = on((operation) => {
  const { build, attrs, tensor } = operation;
  const axes = axesOf(operation, integers(operation, 1));
  const [batch = 1, height = 1, width = 1, channels = 1] = imageShape(build, tensor(0));
  if (String(axes) !== '1,2') {
    throw unsupported(build.where, `takes the maximum over [${axes}]`, 'use height and width');
  }
  const whole = { padding: 'valid', strides: [1, 1] } as const;
  const most = pool(build, 'max_pool2d', tensor(0), [height, width], whole);
  const isKept = attrs.boolean('keep_dims', false);
  return isKept ? most : reshape(build, most, [batch, channels]);
});

const padded = on((operation) => {
  const { build, count, tensor, constant } = operation;
  const pads = integers(operation, 1);
  const rank = build.shape(tensor(0)).length;
  const value = count > 2 ? (constant(2).data[0] ?? 0) : 0;
  if (pads.length !== 2 * rank || pads.some((side) => side < 0) || value !== 0) {
    const message = `pads [${pads}] with ${value}`;
    throw unsupported(build.where, message, 'pad with zeros, two sides for each dimension');
  }
  return build.node('pad', [tensor(0)], { pads });
});

const concatenated = on((operation) => {
  const { build, count, tensor } = operation;
  const [axis = 0] = axesOf(operation, integers(operation, count - 1).slice(0, 1));
  const inputs = Array.from({ length: count - 1 }, (_, i) => tensor(i));
  return build.node('concatenation', inputs, { axis, activation: 'none' });
});

const reshaped = on((operation) => {
  const { build, tensor } = operation;
  const shape = resolvedShape(build, tensor(0), integers(operation, 1));
  return reshape(build, tensor(0), shape);
});

const squeezed = on((operation) => {
  const { build, attrs, tensor } = operation;
  const shape = build.shape(tensor(0));
  const given = attrs.integers('squeeze_dims');
  const dims = axesOf(operation, given.length > 0 ? given : attrs.integers('axis'));
  const gone = (extent: number, d: number) =>
    extent === 1 && (dims.length === 0 || dims.includes(d));
  if (dims.some((d) => shape[d] !== 1)) {
    throw unsupported(build.where, `removes [${dims}] of [${shape}]`, convertAgain);
  }
  return reshape(
    build,
    tensor(0),
    shape.filter((extent, d) => !gone(extent, d)),
  );
});

const expanded = on((operation) => {
  const { build, tensor } = operation;
  const shape = build.shape(tensor(0));
  const [axis = 0] = integers(operation, 1);
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  if (at < 0 || at > shape.length) {
    throw new BonsaiError('bad-shape', build.where, `has the axis ${axis}`, convertAgain);
  }
  return reshape(build, tensor(0), [...shape.slice(0, at), 1, ...shape.slice(at)]);
});

const transposed = on((operation) => {
  const { build, tensor } = operation;
  const rank = build.shape(tensor(0)).length;
  const perm = integers(operation, 1).map((axis) => (axis < 0 ? axis + rank : axis));
  if (
    String([...perm].sort((a, b) => a - b)) !== String(perm.map((_, d) => d)) ||
    perm.length !== rank
  ) {
    throw unsupported(build.where, `has the permutation [${perm}]`, convertAgain);
  }
  return build.node('transpose', [tensor(0)], { perm });
});

const resized = on((operation) => {
  const { build, attrs, tensor } = operation;
  const [height = 0, width = 0] = integers(operation, 1);
  const [batch = 1, , , channels = 1] = imageShape(build, tensor(0));
  const how = {
    alignCorners: attrs.boolean('align_corners', false),
    halfPixelCenters: attrs.boolean('half_pixel_centers', false),
  };
  const shape = [batch, height, width, channels];
  if (!shape.every((extent) => Number.isInteger(extent) && extent > 0)) {
    throw unsupported(build.where, `resizes to [${shape}]`, convertAgain);
  }
  return build.node('resize_nearest_neighbor', [tensor(0)], how, shape);
});

const integersOf = (name: string, values: readonly number[], shape: Shape): Value => ({
  kind: 'constant',
  weight: { name, shape, data: Int32Array.from(values) },
});

/** Arithmetic on shapes, which are known: Shape, a slice of it, and the vector put together again. */
const shapeOf: Op = ({ build, node, tensor }) => {
  const shape = build.shape(tensor(0));
  return integersOf(node.name, shape, [shape.length]);
};

const slice: Op = (operation) => {
  const { build, node, attrs } = operation;
  const [given, [begin = 0], [end = 0], [stride = 1]] = [0, 1, 2, 3].map((i) =>
    integers(operation, i),
  ) as [readonly number[], readonly number[], readonly number[], readonly number[]];
  const isOne = attrs.number('shrink_axis_mask', 0) === 1;
  if (stride !== 1 || attrs.number('new_axis_mask', 0) !== 0) {
    throw unsupported(build.where, `slices by ${stride}`, convertAgain);
  }
  const from = attrs.number('begin_mask', 0) === 1 ? 0 : begin;
  const to = attrs.number('end_mask', 0) === 1 ? given.length : end;
  const taken = isOne
    ? given.slice(from, from === -1 ? undefined : from + 1)
    : given.slice(from, to);
  return integersOf(node.name, taken, isOne ? [] : [taken.length]);
};

const packed: Op = (operation) => {
  const { node, count } = operation;
  const values = Array.from({ length: count }, (_, i) => integers(operation, i)[0] ?? 0);
  return integersOf(node.name, values, [count]);
};

const same: Op = ({ value }) => value(0);

const leakyRelu = on(({ build, attrs, tensor }) =>
  build.node('leaky_relu', [tensor(0)], { alpha: attrs.number('alpha', 0.2) }),
);

/** 1 − x and similar need no other form; −x is a product. */
const negated = on(({ build, tensor }) => {
  const channels = channelsOf(build.shape(tensor(0)));
  const all = (value: number) => new Float32Array(channels).fill(value);
  return affine(build, tensor(0), all(-1), all(0));
});

/** By the operator's name in the graph. Const, Placeholder and NoOp are no operators. */
export const ops: ReadonlyMap<string, Op> = new Map<string, Op>([
  ['Add', arithmetic('add')],
  ['AddV2', arithmetic('add')],
  ['AvgPool', poolOf('average_pool2d')],
  ['BiasAdd', biasAdd],
  ['ConcatV2', concatenated],
  ['Conv2D', conv2d],
  ['DepthwiseConv2dNative', depthwiseConv2d],
  ['ExpandDims', expanded],
  ['FusedBatchNorm', normalization],
  ['FusedBatchNormV2', normalization],
  ['FusedBatchNormV3', normalization],
  ['FusedDepthwiseConv2dNative', depthwiseConv2d],
  ['Identity', same],
  ['LeakyRelu', leakyRelu],
  ['MatMul', matMul],
  ['Max', largest],
  ['MaxPool', poolOf('max_pool2d')],
  ['Mean', averaged],
  ['Mul', arithmetic('mul')],
  ['Neg', negated],
  ['Pack', packed],
  ['Pad', padded],
  ['PadV2', padded],
  ['RealDiv', division],
  ['Relu', named('relu')],
  ['Relu6', named('relu6')],
  ['Reshape', reshaped],
  ['ResizeNearestNeighbor', resized],
  ['Shape', shapeOf],
  ['Sigmoid', named('sigmoid')],
  ['Softmax', named('softmax')],
  ['Squeeze', squeezed],
  ['StopGradient', same],
  ['StridedSlice', slice],
  ['Sub', arithmetic('sub')],
  ['Tanh', named('tanh')],
  ['Transpose', transposed],
  ['_FusedConv2D', conv2d],
  ['_FusedMatMul', matMul],
]);
