/** Random small graphs of all operators, with one function per operator that adds a node. */
import fc from 'fast-check';
import {
  elementCount,
  type Module,
  type Quant,
  type Shape,
  type TensorId,
} from '../../src/compiler/ir/graph.js';
import { samePadding } from '../../src/compiler/ops/shape/window.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from './module.js';

interface Growth {
  readonly b: GraphBuilder;
  readonly random: Random;
  /** The newest tensor, an input of the node. */
  readonly x: TensorId;
  readonly shape: Shape;
  /** Tensors of the same shape, `x` among them. */
  readonly peers: readonly TensorId[];
}

/** Adds a node (or a reshape and a node) and returns its output. */
type Grow = (growth: Growth) => TensorId;

const maxElements = 400;

function quant(random: Random): Quant {
  return perTensorQuant(2 ** (random.integer(-60, 10) / 10), random.integer(-128, 127));
}

/** `x` as [1, h, w, c]. */
function image({ b, x, shape }: Growth): TensorId {
  if (shape.length === 4) return x;
  const c = shape.at(-1) ?? 1;
  return b.node('reshape', [x], { shape: [1, 1, elementCount(shape) / c, c] });
}

/** The sum of `x` and a peer as float32; of two tensors it is no function of one element. */
const real = ({ b, random, x, peers }: Growth): TensorId => {
  const options = { dtype: 'float32', quant: null } as const;
  const [a, other] = [x, random.pick(peers)].map((id) => b.node('dequantize', [id], {}, options));
  return b.node('add', [a as TensorId, other as TensorId], { activation: 'none' });
};

/** How elements of `x` compare with those of a peer, or with a constant. */
const truth = ({ b, random, x, peers }: Growth): TensorId => {
  const quant = perTensorQuant(0.01, 3);
  const same = b.node('quantize', [x], { algorithm: 'scalar' }, { quant });
  const relations = ['equal', 'not_equal', 'less', 'less_equal', 'greater', 'greater_equal'];
  const peer = random.pick(peers);
  const other =
    peer === x
      ? b.constant(random.int8(1), [1], quant)
      : b.node('quantize', [peer], { algorithm: 'scalar' }, { quant });
  const operands = [same, other];
  const attrs = { relation: random.pick(relations) };
  return b.node('compare', operands, attrs, { dtype: 'bool', quant: null });
};

/** A bool or an index as float32. */
const fromTruth = ({ b }: Growth, x: TensorId): TensorId =>
  b.node('cast', [x], {}, { dtype: 'float32', quant: null });

/** The greatest element of `x` as an index below `extent`. */
const indexBelow = ({ b, x, shape }: Growth, extent: number): TensorId => {
  const whole = { dtype: 'int32', quant: null } as const;
  const attrs = { axes: shape.map((_, d) => d), keepDims: true };
  const found = b.node('cast', [b.node('reduce_max', [x], attrs)], {}, whole);
  const [first, last] = [0, extent - 1].map((end) => b.constant(Int32Array.of(end)));
  const least = b.node('maximum', [found, first as TensorId], none);
  return b.node('reshape', [b.node('minimum', [least, last as TensorId], none)], { shape: [1] });
};

const realPair =
  (op: string): Grow =>
  (growth) => {
    const { b, random, shape } = growth;
    const channels = { length: shape.at(-1) ?? 1 };
    const y = b.constant(Float32Array.from(channels, () => random.integer(1, 9) / 4));
    return quantized(growth, b.node(op, [real(growth), y], { activation: 'none' }));
  };

/** Float32 as [1, d, h, w, c]. */
const volume = (growth: Growth): TensorId => {
  const x = image({ ...growth, x: real(growth) });
  return growth.b.node('expand_dims', [x], { shape: [1, ...growth.b.shape(x)] });
};

/** Filters of a layer of float32. */
const realFilters = ({ b, random }: Growth, shape: Shape): TensorId =>
  b.constant(random.elements('float32', elementCount(shape)), shape, null);

/** A float32 tensor as int8. */
const quantized = ({ b, random }: Growth, x: TensorId): TensorId =>
  b.node('quantize', [x], { algorithm: 'scalar' }, { dtype: 'int8', quant: quant(random) });

const activation = (random: Random) =>
  random.pick(['none', 'none', 'relu', 'relu6', 'relu_n1_to_1']);

/**
 * A window that fits an input of `shape`; pads are smaller than the dilated kernel where possible.
 */
function windowOf(random: Random, [, h = 1, w = 1]: Shape, dilations: boolean) {
  const axis = (extent: number) => {
    const kernel = random.integer(1, 3);
    const dilation = dilations && random.integer(0, 3) === 0 ? 2 : 1;
    const span = (kernel - 1) * dilation + 1;
    const before = random.integer(0, span - 1);
    const least = Math.max(0, span - extent - before);
    return { kernel, dilation, before, after: Math.max(least, random.integer(0, span - 1)) };
  };
  const [y, x] = [axis(h), axis(w)];
  const strides = { strideH: random.integer(1, 2), strideW: random.integer(1, 2) };
  return {
    kernel: [y.kernel, x.kernel] as const,
    attrs: {
      ...strides,
      ...(dilations ? { dilationH: y.dilation, dilationW: x.dilation } : {}),
      padTop: y.before,
      padBottom: y.after,
      padLeft: x.before,
      padRight: x.after,
      activation: activation(random),
    },
  };
}

/** Weights, then bias or null. `axis` of `shape` holds the output channels. */
function weights({ b, random }: Growth, shape: Shape, axis: number): (TensorId | null)[] {
  const channels = shape[axis] ?? 1;
  const scales = Array.from({ length: channels }, () => 2 ** (random.integer(-90, -40) / 10));
  const quant = random.integer(0, 2) > 0 ? perChannelQuant(scales, axis) : perTensorQuant(0.02, 0);
  const data = random.int8(elementCount(shape), -127, 127);
  // XNNPACK refuses biases without a scale, whatever it is.
  const data32 = random.int32(channels, -9999, 9999);
  const bias = b.constant(data32, [channels], perTensorQuant(0.001, 0));
  return [b.constant(data, shape, quant), random.integer(0, 3) > 0 ? bias : null];
}

const accumulation = (random: Random) => ({ rounding: random.pick(['double', 'single']) });

const none = { activation: 'none' };

function binary(op: string, attrs: (random: Random) => object = () => ({})): Grow {
  return ({ b, random, x, shape, peers }) => {
    const last = shape.at(-1) ?? 1;
    const other = random.pick([
      () => random.pick(peers),
      () => b.constant(random.int8(last), [last], quant(random)),
      () => b.constant(random.int8(1), [1], quant(random)),
    ])();
    const operands = random.integer(0, 1) === 0 ? [x, other] : [other, x];
    // Similar scales, as in every model from a converter.
    const { scales } = b.quant(x);
    const output = perTensorQuant((scales[0] ?? 1) * 1.5, random.integer(-128, 127));
    const all = { activation: activation(random), ...attrs(random) };
    return b.node(op, operands, all, { quant: output });
  };
}

function pool(op: string): Grow {
  return (growth) => {
    const { b, random } = growth;
    const x = image(growth);
    const { kernel, attrs } = windowOf(random, b.shape(x), false);
    return b.node(op, [x], { kernelH: kernel[0], kernelW: kernel[1], ...attrs });
  };
}

function elementwise(op: string, attrs: (random: Random) => object, output?: Quant): Grow {
  return ({ b, random, x }) => {
    const [scale = 1] = b.quant(x).scales;
    const own = perTensorQuant(
      scale * 2 ** (random.integer(-10, 10) / 10),
      random.integer(-128, 127),
    );
    return b.node(op, [x], { ...attrs(random) }, { quant: output ?? own });
  };
}

/**
 * Of relu(x) and one step of its scale: the function has no value below 0, and at 0 integers have
 * another than the trace.
 */
function ofPositive(op: string): Grow {
  return ({ b, random, x }) => {
    const [scale = 1] = b.quant(x).scales;
    const own = { quant: perTensorQuant(scale, -128) };
    const step = b.constant(Int8Array.of(1), [1], perTensorQuant(scale, 0));
    const y = b.node('add', [b.node('relu', [x], {}, own), step], { activation: 'none' }, own);
    return b.node(op, [y], {}, { quant: quant(random) });
  };
}

/** The precision of ratios of scales; absent: double. */
const ratios = (random: Random) => random.pick([{}, { ratios: 'single' }]);

const sigmoid = (random: Random) => ({ algorithm: random.pick(['fixed', 'float']) });

/** Operands of one scale, since integers are compared. */
function comparison(op: string): Grow {
  return ({ b, random, x, shape, peers }) => {
    const quant = JSON.stringify(b.quant(x));
    const last = shape.at(-1) ?? 1;
    const other = random.pick([
      () => random.pick(peers.filter((id) => JSON.stringify(b.quant(id)) === quant)),
      () => b.constant(random.int8(last), [last], b.quant(x)),
    ])();
    return b.node(op, [x, other], { activation: 'none' });
  };
}

function reduction(op: string): Grow {
  return ({ b, random, x, shape }) =>
    b.node(op, [x], { axes: [random.integer(0, shape.length - 1)], keepDims: true });
}

/** Operators by name, but for `indexed` and `stateful`; a test compares the names with `operators`. */
export const growths: Readonly<Record<string, Grow>> = {
  abs: elementwise('abs', ratios),
  add: binary('add'),
  arg_extreme: (growth) => {
    const { b, random, x, shape } = growth;
    const attrs = {
      axis: random.integer(0, shape.length - 1),
      function: random.pick(['max', 'min']),
    };
    if (shape.length < 2) return x;
    const index = b.node('arg_extreme', [x], attrs, { dtype: 'int32', quant: null });
    return quantized(growth, fromTruth(growth, index));
  },
  average_pool2d: pool('average_pool2d'),
  batch_matmul: ({ b, random, x, shape }) => {
    const matrix = shape.length === 1 ? b.node('reshape', [x], { shape: [1, ...shape] }) : x;
    const [transposeA, transposeB] = [random.integer(0, 1) === 1, random.integer(0, 1) === 1];
    const depth = b.shape(matrix).at(transposeA ? -2 : -1) ?? 1;
    const columns = random.integer(1, 6);
    const dims = transposeB ? [columns, depth] : [depth, columns];
    const own = perTensorQuant(0.02, random.integer(-20, 20));
    const weights = b.constant(random.int8(depth * columns), dims, own);
    // By itself, where that has the shape for it.
    const square = b.shape(matrix).at(-1) === b.shape(matrix).at(-2);
    const other = square && random.integer(0, 1) === 1 ? matrix : weights;
    return b.node(
      'batch_matmul',
      [matrix, other],
      { transposeA, transposeB },
      { quant: quant(random) },
    );
  },
  // Runtimes take three or four dimensions.
  batch_to_space_nd: ({ b, random, x, shape }) => {
    if (shape.length !== 3 && shape.length !== 4) return x;
    const [batches = 1, h = 1] = shape;
    const size = batches % 2 === 0 ? 2 : 1;
    const crop = Math.min(random.integer(0, 1), h * size - 1);
    const rank = shape.length - 2;
    const [block, crops] = [[size, 1].slice(0, rank), [crop, 0, 0, 0].slice(0, 2 * rank)];
    return b.node('batch_to_space_nd', [x], { block, crops });
  },
  broadcast_to: ({ b, random, x, shape }) => {
    const repeated = shape.map((extent) => (extent === 1 ? random.integer(1, 3) : extent));
    return b.node('broadcast_to', [x], {
      shape: [...(random.pick([[], [2]]) as number[]), ...repeated].slice(-6),
    });
  },
  concatenation: ({ b, random, x, shape, peers }) => {
    const quant = JSON.stringify(b.quant(x));
    const same = peers.filter((id) => JSON.stringify(b.quant(id)) === quant);
    const inputs = Array.from({ length: random.integer(0, 2) }, () => random.pick(same));
    const axis = random.integer(0, shape.length - 1);
    return b.node('concatenation', [x, ...inputs], { axis, activation: 'none' });
  },
  conv2d: (growth) => {
    const { b, random } = growth;
    const x = image(growth);
    const [, , , c = 1] = b.shape(x);
    const { kernel, attrs } = windowOf(random, b.shape(x), true);
    const operands = weights(growth, [random.integer(1, 6), ...kernel, c], 0);
    const all = { ...attrs, ...accumulation(random) };
    return b.node('conv2d', [x, ...operands], all, { quant: quant(random) });
  },
  cumsum: ({ b, random, x, shape }) => {
    const axis = random.integer(0, shape.length - 1);
    const [exclusive, reverse] = [random.integer(0, 1) === 0, random.integer(0, 1) === 0];
    // From the zero point 0 on sums of int8 are those of real numbers; twice the scale holds all.
    const near = { quant: perTensorQuant(2.02 * (b.quant(x).scales[0] ?? 1), 0) };
    const even = b.node('quantize', [x], { algorithm: 'scalar' }, near);
    const own = { quant: perTensorQuant((near.quant.scales[0] ?? 1) * (shape[axis] ?? 1), 0) };
    return b.node('cumsum', [even], { axis, exclusive, reverse }, own);
  },
  depth_to_space: (growth) => {
    const { b } = growth;
    const x = image(growth);
    const [, , , c = 1] = b.shape(x);
    return b.node('depth_to_space', [x], { block: c % 4 === 0 ? 2 : 1 });
  },
  depthwise_conv2d: (growth) => {
    const { b, random } = growth;
    const x = image(growth);
    const [, , , c = 1] = b.shape(x);
    const depthMultiplier = random.pick([1, 1, 1, 2, 3]);
    const { kernel, attrs } = windowOf(random, b.shape(x), true);
    const operands = weights(growth, [1, ...kernel, c * depthMultiplier], 3);
    const all = { ...attrs, ...accumulation(random), depthMultiplier };
    return b.node('depthwise_conv2d', [x, ...operands], all, { quant: quant(random) });
  },
  div: ({ b, random, x, peers }) => {
    const { scales } = b.quant(x);
    const own = { quant: perTensorQuant(scales[0] ?? 1, -128) };
    const step = b.constant(Int8Array.of(1), [1], perTensorQuant(scales[0] ?? 1, 0));
    const positive = b.node('relu', [random.pick(peers)], {}, own);
    const divisor = b.node('add', [positive, step], { activation: 'none' }, own);
    return b.node(
      'div',
      [x, divisor],
      { activation: activation(random) },
      { quant: quant(random) },
    );
  },
  elu: elementwise('elu', (random) => ({ algorithm: random.pick(['difference', 'expm1']) })),
  exp: elementwise('exp', () => ({})),
  expand_dims: ({ b, random, x, shape }) => {
    const axis = random.integer(0, shape.length);
    const expanded = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
    return b.node('expand_dims', [x], { shape: shape.length < 5 ? expanded : shape });
  },
  fully_connected: (growth) => {
    const { b, random, x, shape } = growth;
    const depth = shape.at(-1) ?? 1;
    const operands = weights(growth, [random.integer(1, 9), depth], 0);
    const keepDims = random.integer(0, 1) === 0;
    const all = { activation: activation(random), ...accumulation(random), keepDims };
    return b.node('fully_connected', [x, ...operands], all, { quant: quant(random) });
  },
  gelu: elementwise('gelu', (random) => ({ approximate: random.integer(0, 1) === 0 })),
  hard_swish: elementwise('hard_swish', () => ({})),
  l2_normalization: ({ b, x }) =>
    b.node('l2_normalization', [x], {}, { quant: perTensorQuant(1 / 128, 0) }),
  l2_pool2d: (growth) => {
    const { b, random } = growth;
    const x = image({ ...growth, x: real(growth) });
    const { kernel, attrs } = windowOf(random, b.shape(x), false);
    const window = { kernelH: kernel[0], kernelW: kernel[1], ...attrs };
    return quantized(growth, b.node('l2_pool2d', [x], window));
  },
  leaky_relu: elementwise('leaky_relu', (random) => ({
    alpha: random.integer(1, 99) / 100,
    algorithm: random.pick(['magnitude', 'signed']),
  })),
  log: ofPositive('log'),
  log_softmax: ({ b, random, x }) => {
    const attrs = { algorithm: random.pick(['fixed', 'table']) };
    return b.node('log_softmax', [x], attrs, { quant: perTensorQuant(1 / 16, 127) });
  },
  logistic: elementwise('logistic', sigmoid, perTensorQuant(1 / 256, -128)),
  max_pool2d: pool('max_pool2d'),
  mean: ({ b, random, x, shape }) => {
    const rows = shape.length === 4 && random.integer(0, 1) === 0;
    const axes = rows ? [1, 2] : [random.integer(0, shape.length - 1)];
    // The result must keep a dimension.
    const keepDims = axes.length === shape.length || random.integer(0, 1) === 0;
    const algorithm = rows && keepDims ? random.pick(['general', 'spatial']) : 'general';
    return b.node('mean', [x], { axes, keepDims, algorithm });
  },
  mul: binary('mul', ratios),
  neg: ({ b, x }) => {
    // Within ±126, since −128 has no negative in 8 bits.
    const own = { quant: perTensorQuant(b.quant(x).scales[0] ?? 1, 0) };
    const half = b.constant(Int8Array.of(63), [1], perTensorQuant(1 / 128, 0));
    return b.node('neg', [b.node('mul', [x, half], { activation: 'none' }, own)], {}, own);
  },
  maximum: comparison('maximum'),
  minimum: comparison('minimum'),
  mirror_pad: ({ b, random, x, shape }) => {
    const mode = random.pick(['reflect', 'symmetric']);
    const most = (extent: number) => Math.min(2, mode === 'reflect' ? extent - 1 : extent);
    const pads = shape.flatMap((extent) => [0, 1].map(() => random.integer(0, most(extent))));
    return b.node('mirror_pad', [x], { pads, mode });
  },
  pack: ({ b, random, x, shape, peers }) => {
    const quant = JSON.stringify(b.quant(x));
    const same = peers.filter((id) => JSON.stringify(b.quant(id)) === quant);
    if (shape.length > 4) return x;
    return b.node('pack', [x, random.pick(same)], { axis: random.integer(0, shape.length) });
  },
  pad: ({ b, random, x, shape }) => {
    const pads = shape.flatMap(() => [random.integer(0, 1), random.integer(0, 1)]);
    const value = random.integer(0, 1) === 0 ? {} : { value: random.integer(-128, 127) };
    return b.node('pad', [x], { pads, ...value });
  },
  add_n: ({ b, x }) => b.node('add_n', [x, x, x]),
  cast: (growth) => quantized(growth, fromTruth(growth, truth(growth))),
  compare: (growth) => quantized(growth, fromTruth(growth, truth(growth))),
  floor_div: realPair('floor_div'),
  floor_mod: realPair('floor_mod'),
  pow: realPair('pow'),
  logical: (growth) => {
    const operands = [truth(growth), truth(growth)];
    const attrs = { function: growth.random.pick(['and', 'or']) };
    return quantized(growth, fromTruth(growth, growth.b.node('logical', operands, attrs)));
  },
  logical_not: (growth) => {
    const not = growth.b.node('logical_not', [truth(growth)]);
    return quantized(growth, fromTruth(growth, not));
  },
  select: (growth) => {
    const { b, random, x, shape } = growth;
    const options = { dtype: 'int8', quant: b.quant(x) } as const;
    const y = b.constant(random.int8(1), [1], b.quant(x));
    const condition = shape.length < 7 ? truth(growth) : null;
    return condition === null ? x : b.node('select', [condition, x, y], {}, options);
  },
  dequantize: (growth) => quantized(growth, real(growth)),
  real_function: (growth) => {
    const names = ['ceil', 'cos', 'floor', 'round', 'sin', 'square'];
    const attrs = { function: growth.random.pick(names) };
    return quantized(growth, growth.b.node('real_function', [real(growth)], attrs));
  },
  prelu: ({ b, random, x, shape }) => {
    const last = shape.at(-1) ?? 1;
    const slopes = b.constant(
      random.int8(last),
      [last],
      perTensorQuant(1 / 128, random.integer(-9, 9)),
    );
    const output = perTensorQuant((b.quant(x).scales[0] ?? 1) * 1.25, random.integer(-128, 127));
    return b.node('prelu', [x, slopes], { activation: 'none' }, { quant: output });
  },
  quantize: elementwise('quantize', (random) => ({ algorithm: random.pick(['scalar', 'vector']) })),
  reduce_max: reduction('reduce_max'),
  reduce_min: reduction('reduce_min'),
  reduce_sum: (growth) => {
    const { b, random, x, shape } = growth;
    const attrs = { axes: [random.integer(0, shape.length - 1)], keepDims: true };
    const own = { quant: quant(random) };
    return b.node('reduce_sum', [x], { ...attrs, algorithm: random.pick(['fixed', 'float']) }, own);
  },
  relu: elementwise('relu', ratios),
  relu6: elementwise('relu6', (random) =>
    random.pick([{ algorithm: 'clamp' }, { algorithm: 'rescale', ratios: 'single' }]),
  ),
  relu_0_to_1: elementwise('relu_0_to_1', ratios),
  relu_n1_to_1: elementwise('relu_n1_to_1', ratios),
  reshape: ({ b, random, x, shape }) => {
    const count = elementCount(shape);
    const rows = random.pick([1, 2, 3, 4].filter((divisor) => count % divisor === 0));
    return b.node('reshape', [x], { shape: [rows, count / rows] });
  },
  resize_bilinear: (growth) => {
    const { b, random } = growth;
    const x = image(growth);
    const [n = 1, , , c = 1] = b.shape(x);
    const flags = random.pick([
      { alignCorners: false, halfPixelCenters: false },
      { alignCorners: true, halfPixelCenters: false },
      { alignCorners: false, halfPixelCenters: true },
    ]);
    const shapes = [[n, random.integer(1, 6), random.integer(1, 6), c]];
    return b.node('resize_bilinear', [x], flags, { shapes });
  },
  resize_nearest_neighbor: (growth) => {
    const { b, random } = growth;
    const x = image(growth);
    const [n = 1, , , c = 1] = b.shape(x);
    const mode = random.integer(0, 2);
    const attrs = { alignCorners: mode === 1, halfPixelCenters: mode === 2 };
    const shapes = [[n, random.integer(1, 5), random.integer(1, 5), c]];
    return b.node('resize_nearest_neighbor', [x], attrs, { shapes });
  },
  rsqrt: ofPositive('rsqrt'),
  softmax: ({ b, random, x }) => {
    const attrs = { beta: 1, algorithm: random.pick(['fixed', 'table']) };
    return b.node('softmax', [x], attrs, { quant: perTensorQuant(1 / 256, -128) });
  },
  // Without padding, which the runtimes fill differently.
  space_to_batch_nd: ({ b, x, shape }) => {
    if (shape.length !== 3 && shape.length !== 4) return x;
    const [, h = 1] = shape;
    const block = [h % 2 === 0 ? 2 : 1, 1].slice(0, shape.length - 2);
    return b.node('space_to_batch_nd', [x], { block, pads: block.flatMap(() => [0, 0]) });
  },
  space_to_depth: (growth) => {
    const { b } = growth;
    const x = image(growth);
    const [, h = 1, w = 1] = b.shape(x);
    return b.node('space_to_depth', [x], { block: h % 2 === 0 && w % 2 === 0 ? 2 : 1 });
  },
  split: ({ b, random, x, shape }) => {
    const axis = random.integer(0, shape.length - 1);
    const extent = shape[axis] ?? 1;
    const count = random.pick([1, 2, 3].filter((divisor) => extent % divisor === 0));
    return random.pick(b.nodeAll('split', [x], { axis, count }, { outputs: count }));
  },
  sqrt: ofPositive('sqrt'),
  squared_difference: binary('squared_difference', () => none),
  squeeze: ({ b, x, shape }) => {
    const squeezed = shape.filter((extent) => extent !== 1);
    return b.node('squeeze', [x], { shape: squeezed.length > 0 ? squeezed : [1] });
  },
  strided_slice: ({ b, random, x, shape }) => {
    const counts = shape.map((extent) => random.integer(Math.ceil(extent / 2), extent));
    const begin = shape.map((extent, d) => random.integer(0, extent - (counts[d] ?? 1)));
    const strides = shape.map(() => 1);
    return b.node('strided_slice', [x], { begin, strides, counts, shape: counts });
  },
  sub: binary('sub'),
  tanh: elementwise('tanh', sigmoid, perTensorQuant(1 / 128, 0)),
  tile: ({ b, random, x, shape }) =>
    b.node('tile', [x], { multiples: shape.map(() => random.pick([1, 1, 2])) }),
  transpose: ({ b, random, x, shape }) => {
    const left = shape.map((_, d) => d);
    const perm = shape.map(() => left.splice(random.integer(0, left.length - 1), 1)[0] as number);
    return b.node('transpose', [x], { perm });
  },
  transpose_conv: (growth) => {
    const { b, random } = growth;
    const x = image(growth);
    const [, h = 1, w = 1, c = 1] = b.shape(x);
    const same = random.integer(0, 1) === 0;
    const [rows, columns] = [h, w].map((extent) => {
      const [kernel, stride] = [random.integer(1, 4), random.integer(1, 3)];
      const size = same ? extent * stride : (extent - 1) * stride + kernel;
      const pad = same ? samePadding(size, kernel, stride, 1)[0] : 0;
      return { kernel, stride, size, pad };
    }) as [TransposedAxis, TransposedAxis];
    const operands = weights(growth, [random.integer(1, 5), rows.kernel, columns.kernel, c], 0);
    const attrs = {
      ...{ strideH: rows.stride, strideW: columns.stride, size: [rows.size, columns.size] },
      ...{ padTop: rows.pad, padLeft: columns.pad },
      ...{ activation: activation(random), rounding: 'double' },
    };
    return b.node('transpose_conv', [x, ...operands], attrs, { quant: quant(random) });
  },
  unpack: ({ b, random, x, shape }) => {
    if (shape.length < 2) return x;
    const axis = random.integer(0, shape.length - 1);
    return random.pick(b.nodeAll('unpack', [x], { axis }, { outputs: shape[axis] ?? 1 }));
  },
};

interface TransposedAxis {
  readonly kernel: number;
  readonly stride: number;
  readonly size: number;
  readonly pad: number;
}

/** Operators that a pass makes: no file has them, and they are not trained. */
export const internal: Readonly<Record<string, Grow>> = {
  interleave: (growth) => {
    const { b, random } = growth;
    const x = image(growth);
    const [n = 1, h = 1, w = 1, c = 1] = b.shape(x);
    const crops = [random.integer(0, 1), 0];
    const shape = [n, 2 * h - (crops[0] as number), w, c];
    return b.node('interleave', [x, x], { shape, rows: [1, 1], columns: [1], crops });
  },
};

/** Operators on constant integers, which a float graph does not have: compression refuses them. */
export const indexed: Readonly<Record<string, Grow>> = {
  gather: ({ b, random, x, shape }) => {
    const axis = random.integer(0, shape.length - 1);
    const indices = random.int32(random.integer(1, 4), 0, (shape[axis] ?? 1) - 1);
    return b.node('gather', [x, b.constant(indices)], { axis, batchDims: 0 });
  },
  dynamic_update_slice: ({ b, random, x, shape }) => {
    const part = shape.map((extent) => random.integer(1, extent));
    const update = b.constant(random.int8(elementCount(part)), part, b.quant(x));
    const start = b.constant(random.int32(shape.length, -2, 4));
    return b.node('dynamic_update_slice', [x, update, start]);
  },
  gather_nd: ({ b, random, x, shape }) => {
    const [extent = 1] = shape;
    const indices = random.int32(random.integer(1, 4), 0, extent - 1);
    return b.node('gather_nd', [x, b.constant(indices, [indices.length, 1])]);
  },
  bucketize: (growth) => {
    const whole = { dtype: 'int32', quant: null } as const;
    const { b } = growth;
    const found = b.node('bucketize', [real(growth)], { boundaries: [-2, -0.5, 0, 1] }, whole);
    return quantized(growth, b.node('cast', [found], {}, { dtype: 'float32', quant: null }));
  },
  conv3d: (growth) => {
    const { b, random } = growth;
    const x = volume(growth);
    const [, ...extents] = b.shape(x);
    const axes = extents.slice(0, 3).map((extent) => ({
      ...{ extent, kernel: random.integer(1, Math.min(extent, 2)), stride: random.integer(1, 2) },
    }));
    const filters = [...axes.map(({ kernel }) => kernel), extents[3] ?? 1, random.integer(1, 5)];
    const attrs = {
      ...{ strides: axes.map(({ stride }) => stride), dilations: [1, 1, 1] },
      pads: axes.flatMap(({ extent, kernel, stride }) => samePadding(extent, kernel, stride, 1)),
      activation: activation(random),
    };
    return quantized(growth, b.node('conv3d', [x, realFilters(growth, filters), null], attrs));
  },
  conv3d_transpose: (growth) => {
    const { b, random } = growth;
    const x = volume(growth);
    const [, ...extents] = b.shape(x);
    const [kernel, strides] = [0, 1].map(() => [0, 1, 2].map(() => random.integer(1, 2))) as [
      number[],
      number[],
    ];
    const size = kernel.map((taps, d) => ((extents[d] ?? 1) - 1) * (strides[d] ?? 1) + taps);
    const filters = realFilters(growth, [...kernel, random.integer(1, 3), extents[3] ?? 1]);
    const attrs = { strides, dilations: [1, 1, 1], pads: [0, 0, 0], size };
    const all = { ...attrs, activation: activation(random) };
    return quantized(growth, b.node('conv3d_transpose', [x, filters, null], all));
  },
  one_hot: (growth) => {
    const { b, random, x } = growth;
    const attrs = { axis: random.integer(0, 1), depth: 4, on: 127, off: random.integer(-128, 0) };
    const options = { dtype: 'int8', quant: b.quant(x) } as const;
    return b.node('one_hot', [indexBelow(growth, 5)], attrs, options);
  },
  ...Object.fromEntries(
    ['reduce_all', 'reduce_any'].map((op): [string, Grow] => [
      op,
      (growth) => {
        const attrs = { axes: [growth.random.integer(0, growth.shape.length - 1)], keepDims: true };
        return quantized(growth, fromTruth(growth, growth.b.node(op, [truth(growth)], attrs)));
      },
    ]),
  ),
  reduce_prod: (growth) => {
    const { b, random, shape } = growth;
    const attrs = { axes: [random.integer(0, shape.length - 1)], keepDims: true };
    return quantized(growth, b.node('reduce_prod', [real(growth)], attrs));
  },
  reverse_sequence: (growth) => {
    const { b, random, x, shape } = growth;
    if (shape.length < 2) return x;
    const lengths = b.constant(random.int32(shape[1] ?? 1, 0, shape[0] ?? 1));
    const attrs = { sequence: 0, batch: 1 };
    return quantized(growth, b.node('reverse_sequence', [real(growth), lengths], attrs));
  },
  take_nd: (growth) => {
    const { b, x, shape } = growth;
    const vectors = b.node('reshape', [indexBelow(growth, shape[0] ?? 1)], { shape: [1, 1] });
    return b.node('take_nd', [x, vectors]);
  },
  topk: ({ b, random, x, shape }) =>
    b.node('topk', [x], { k: random.integer(1, shape.at(-1) ?? 1) }, { dtypes: ['int8', 'int32'] }),
  take: (growth) => {
    const { b, random, x, shape } = growth;
    const axis = random.integer(0, shape.length - 1);
    const index = indexBelow(growth, shape[axis] ?? 1);
    return b.node('take', [x, index], { axis, batchDims: 0 });
  },
};

/** Operators that change a state: neither a file of TFLite that bonsaic writes nor training has them. */
export const stateful: Readonly<Record<string, Grow>> = {
  assign: ({ b, random, x, shape }) => {
    const state = b.state(random.int8(elementCount(shape)), shape, b.quant(x));
    // The state is read before its change, after it, or both; a run's outputs are in the arena.
    const reads = random.integer(1, 3);
    const attrs = { shape };
    const before = (reads & 1) !== 0 ? [b.node('reshape', [state], attrs)] : [];
    const next = b.changes(state, b.node('assign', [state, x]));
    const after = (reads & 2) !== 0 ? [b.node('reshape', [next], attrs)] : [];
    const all = [...before, ...after];
    if (all.length === 1) return all[0] as TensorId;
    return b.node('concatenation', all, { axis: shape.length - 1, activation: 'none' });
  },
  lstm: ({ b, random, x, shape }) => {
    const inputs = shape.at(-1) ?? 1;
    const steps = elementCount(shape) / inputs;
    const units = random.integer(1, 4);
    const held = perTensorQuant(1 / 128, random.integer(-9, 9));
    const hidden = b.state(new Int8Array(units), [1, units], held);
    const cell = b.state(new Int16Array(units), [1, units], perTensorQuant(2 ** -12, 0));
    const from = b.node('reshape', [x], { shape: [1, steps, inputs] });
    const weights = (columns: number) => () =>
      b.constant(random.int8(units * columns), [units, columns], perTensorQuant(0.01, 0));
    const operands = [
      ...[hidden, cell, from],
      ...Array.from({ length: 4 }, weights(inputs)),
      ...Array.from({ length: 4 }, weights(units)),
      ...Array.from({ length: 4 }, () => b.constant(random.int32(units, -999, 999))),
    ];
    const attrs = { timeMajor: false, cellClip: random.pick([0, 0.5]) };
    const options = { quant: held, outputs: 3, dtype: 'int8' } as const;
    const [result = 0, ...next] = b.nodeAll('lstm', operands, attrs, options);
    [hidden, cell].forEach((id, i) => {
      b.changes(id, next[i] as TensorId);
    });
    return result;
  },
  push: ({ b, random, x, shape }) => {
    const axis = random.integer(0, shape.length - 1);
    const window = shape.map((extent, d) => extent + (d === axis ? random.integer(0, 3) : 0));
    const state = b.state(random.int8(elementCount(window)), window, b.quant(x));
    const next = b.changes(state, b.node('push', [state, x], { axis }));
    return b.node('reshape', [next], { shape: window });
  },
  svdf: ({ b, random, x, shape }) => {
    const inputs = shape.at(-1) ?? 1;
    const batches = elementCount(shape) / inputs;
    const [units, rank, memory] = [
      random.integer(1, 3),
      random.integer(1, 2),
      random.integer(1, 4),
    ];
    const filters = units * rank;
    const isWide = random.integer(0, 1) === 0;
    const [from, out] = [b.node('reshape', [x], { shape: [batches, inputs] }), quant(random)];
    const type = isWide ? Int16Array : Int8Array;
    const held = perTensorQuant(isWide ? 0.01 : 1, isWide ? 0 : random.integer(-20, 20));
    const state = b.state(new type(batches * filters * memory), [batches, filters * memory], held);
    const place = b.state(Int32Array.of(random.integer(0, memory - 1)), [1], null);
    const times = type.from(random.int8(filters * memory));
    const [result = 0, ...next] = b.nodeAll(
      'svdf',
      [
        ...[state, place, from],
        b.constant(random.int8(filters * inputs), [filters, inputs], perTensorQuant(0.02, 0)),
        b.constant(times, [filters, memory], perTensorQuant(0.01, 0)),
        random.integer(0, 1) === 0 ? null : b.constant(random.int32(units, -999, 999)),
      ],
      { rank },
      { quant: out, outputs: 3, dtype: 'int8' },
    );
    [state, place].forEach((id, i) => {
      b.changes(id, next[i] as TensorId);
    });
    return result;
  },
};

/** A window of one tap, or of 3×3 with a row and a column of padding all around. */
function windowAttrs(side: 1 | 3, activation: string) {
  const pad = (side - 1) / 2;
  return {
    ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
    ...{ padTop: pad, padBottom: pad, padLeft: pad, padRight: pad },
    ...{ activation, rounding: 'double' },
  };
}

interface LayerShape {
  readonly op: 'conv2d' | 'depthwise_conv2d';
  readonly side: 1 | 3;
  /** Output channels; of a depthwise convolution for each input channel. */
  readonly channels: number;
  readonly activation?: string;
  /** Whether the weight of an output channel at a row and a column of the window is zero. */
  readonly isZero?: (channel: number, row: number, column: number) => boolean;
}

/** A convolution of `x`, an image. */
function layer(growth: Growth, x: TensorId, shape: LayerShape, output?: Quant): TensorId {
  const { b, random } = growth;
  const { op, side, channels, activation: fused = 'none', isZero = () => false } = shape;
  const inC = b.shape(x)[3] ?? 1;
  const isDepthwise = op === 'depthwise_conv2d';
  const outC = isDepthwise ? inC * channels : channels;
  const dims = isDepthwise ? [1, side, side, outC] : [outC, side, side, inC];
  const last = dims[3] ?? 1;
  const data = random.int8(elementCount(dims), -127, 127).map((weight, i) => {
    const column = Math.floor(i / last) % side;
    const row = Math.floor(i / last / side) % side;
    const channel = isDepthwise ? i % last : Math.floor(i / last / side / side);
    return isZero(channel, row, column) ? 0 : weight;
  });
  const bias = random.integer(0, 3) > 0 ? b.constant(random.int32(outC, -9999, 9999)) : null;
  const operands = [x, b.constant(data, dims, perTensorQuant(0.02, 0)), bias];
  const attrs = windowAttrs(side, fused);
  const all = isDepthwise ? { ...attrs, depthMultiplier: channels } : attrs;
  return b.node(op, operands, all, { quant: output ?? quant(random) });
}

const convolution = (random: Random) =>
  random.pick(['conv2d', 'depthwise_conv2d'] as const) as LayerShape['op'];

/** The sum of a layer and its input; powers of two as scales have tables more often than others. */
function residual(makeLayer: (growth: Growth, x: TensorId, output: Quant) => TensorId): Grow {
  return (growth) => {
    const { b, random } = growth;
    const near = () => perTensorQuant(random.pick([0.25, 0.5, 1]), random.integer(-20, 20));
    const x = b.node('quantize', [image(growth)], { algorithm: 'scalar' }, { quant: near() });
    const y = makeLayer(growth, x, near());
    const all = { activation: activation(random) };
    return b.node(
      'add',
      random.pick([
        [x, y],
        [y, x],
      ]),
      all,
      { quant: near() },
    );
  };
}

/**
 * What passes fuse, move or remove, by its name: single operators at random hardly ever make it.
 * Roundings are those of one runtime.
 */
export const fusible: Readonly<Record<string, Grow>> = {
  'a convolution and a sum': residual((growth, x, output) => {
    const { b, random } = growth;
    const channels = b.shape(x)[3] ?? 1;
    const fused = activation(random);
    return layer(growth, x, { op: 'conv2d', side: 1, channels, activation: fused }, output);
  }),
  'a dense layer and a sum': (growth) => {
    const { b, random } = growth;
    const sum = residual((_, x, output) => {
      const depth = b.shape(x).at(-1) ?? 1;
      const data = random.int8(depth * depth, -127, 127);
      const operands = [b.constant(data, [depth, depth], perTensorQuant(0.02, 0)), null];
      const all = { activation: activation(random), rounding: 'double', keepDims: true };
      return b.node('fully_connected', [x, ...operands], all, { quant: output });
    });
    return sum(growth);
  },
  'a layer and a clamp': (growth) => {
    const { b, random } = growth;
    const channels = random.integer(1, 3);
    const x = layer(growth, image(growth), { op: convolution(random), side: 1, channels });
    const [op, attrs] = random.pick([
      ['relu', {}],
      ['relu_n1_to_1', {}],
      ['relu6', { algorithm: 'clamp' }],
    ] as const);
    return b.node(op, [x], attrs);
  },
  'a pad and a layer': (growth) => {
    const { b, random } = growth;
    const pads = [0, 0, ...Array.from({ length: 4 }, () => random.integer(0, 2)), 0, 0];
    const x = b.node('pad', [image(growth)], { pads });
    const side = random.pick([1, 3] as const) as 1 | 3;
    return layer(growth, x, { op: convolution(random), side, channels: random.integer(1, 3) });
  },
  'a window with a zero edge': (growth) => {
    const { random } = growth;
    const [row, column] = [random.pick([0, 2]), random.pick([0, 2, 9])];
    const isZero = (_: number, y: number, x: number) => y === row || x === column;
    const shape = { op: 'conv2d', side: 3, channels: random.integer(1, 4), isZero } as const;
    return layer(growth, image(growth), shape);
  },
  'channels that hold one value': (growth) => {
    const { random } = growth;
    const isZero = (channel: number) => channel % 2 === 1;
    const x = layer(growth, image(growth), { op: 'conv2d', side: 1, channels: 6, isZero });
    const side = random.pick([1, 3] as const) as 1 | 3;
    return layer(growth, x, { op: convolution(random), side, channels: 2 });
  },
  'a depthwise layer of one channel': (growth) => {
    const x = layer(growth, image(growth), { op: 'conv2d', side: 1, channels: 1 });
    const channels = growth.random.integer(2, 4);
    return layer(growth, x, { op: 'depthwise_conv2d', side: 3, channels });
  },
  'a dense layer of an image': (growth) => {
    const { b, random, x, shape } = growth;
    const depth = elementCount(shape);
    const flat = b.node('reshape', [x], { shape: [1, depth] });
    const outputs = random.integer(1, 6);
    const data = random.int8(outputs * depth, -127, 127);
    const all = { activation: activation(random), rounding: 'double', keepDims: false };
    const weights = b.constant(data, [outputs, depth], perTensorQuant(0.02, 0));
    return b.node('fully_connected', [flat, weights, null], all, { quant: quant(random) });
  },
  'parts of several sizes': ({ b, random, x, shape }) => {
    const axis = shape.length - 1;
    const extent = shape[axis] ?? 1;
    if (extent === 1) return x;
    const sizes = [1, extent - 1];
    return random.pick(b.nodeAll('split', [x], { axis, count: 2, sizes }, { outputs: 2 }));
  },
};

/** The operators to add in sequence, and the seed of their attributes. */
export interface GraphSeed {
  readonly ops: readonly string[];
  readonly seed: number;
}

/** Chains with cross links; a failing one shrinks to fewer operators. */
export const graphSeeds: fc.Arbitrary<GraphSeed> = fc.record({
  ops: fc.array(fc.constantFrom(...Object.keys({ ...growths, ...indexed })), {
    minLength: 1,
    maxLength: 6,
  }),
  seed: fc.nat(),
});

/** As `graphSeeds`, with states. */
export const statefulSeeds: fc.Arbitrary<GraphSeed> = fc.record({
  ops: fc.array(
    fc.oneof(
      fc.constantFrom(...Object.keys({ ...stateful, ...internal })),
      fc.constantFrom(...Object.keys(growths)),
      fc.constantFrom('a pad and a layer', 'a convolution and a sum', 'a layer and a clamp'),
    ),
    { minLength: 2, maxLength: 6 },
  ),
  seed: fc.nat(),
});

/** As `graphSeeds`, with what passes change. */
export const fusibleSeeds: fc.Arbitrary<GraphSeed> = fc.record({
  ops: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...Object.keys(fusible)) },
      { weight: 1, arbitrary: fc.constantFrom(...Object.keys(growths)) },
    ),
    { minLength: 1, maxLength: 4 },
  ),
  seed: fc.nat(),
});

export function growGraph({ ops, seed }: GraphSeed): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const shape = [1, random.integer(1, 5), random.integer(1, 5), random.integer(1, 6)];
  const made = [b.input(shape, quant(random))];
  for (const op of ops) {
    const x = made.at(-1) as TensorId;
    const shape = b.shape(x);
    // Upsampling and padding could grow the graph without limit.
    if (elementCount(shape) > maxElements) break;
    const peers = made.filter((id) => b.shape(id).join() === shape.join());
    made.push(
      ((growths[op] ?? indexed[op] ?? internal[op] ?? stateful[op] ?? fusible[op]) as Grow)({
        b,
        random,
        x,
        shape,
        peers,
      }),
    );
  }
  const outputs = [made.at(-1) as TensorId];
  return b.module(outputs, 'graph');
}
