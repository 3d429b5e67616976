/** Random small graphs of all operators, with one function per operator that adds a node. */
import fc from 'fast-check';
import {
  elementCount,
  type Module,
  type Quant,
  type Shape,
  type TensorId,
} from '../../src/ir/graph.js';
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
  const bias = b.constant(random.int32(channels, -9999, 9999));
  return [b.constant(data, shape, quant), random.integer(0, 3) > 0 ? bias : null];
}

const accumulation = (random: Random) => ({ rounding: random.pick(['double', 'single']) });

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

const sigmoid = (random: Random) => ({ algorithm: random.pick(['fixed', 'float']) });

/** Every operator by its name; a test compares the names with `operators`. */
export const growths: Readonly<Record<string, Grow>> = {
  add: binary('add'),
  average_pool2d: pool('average_pool2d'),
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
  hard_swish: elementwise('hard_swish', () => ({})),
  leaky_relu: elementwise('leaky_relu', (random) => ({
    alpha: random.integer(1, 99) / 100,
    algorithm: random.pick(['magnitude', 'signed']),
  })),
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
  mul: binary('mul'),
  pad: ({ b, random, x, shape }) => {
    const pads = shape.flatMap(() => [random.integer(0, 1), random.integer(0, 1)]);
    const value = random.integer(0, 1) === 0 ? {} : { value: random.integer(-128, 127) };
    return b.node('pad', [x], { pads, ...value });
  },
  quantize: elementwise('quantize', (random) => ({ algorithm: random.pick(['scalar', 'vector']) })),
  relu: elementwise('relu', () => ({})),
  relu6: elementwise('relu6', (random) => ({ algorithm: random.pick(['clamp', 'rescale']) })),
  relu_n1_to_1: elementwise('relu_n1_to_1', () => ({})),
  reshape: ({ b, random, x, shape }) => {
    const count = elementCount(shape);
    const rows = random.pick([1, 2, 3, 4].filter((divisor) => count % divisor === 0));
    return b.node('reshape', [x], { shape: [rows, count / rows] });
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
  softmax: ({ b, random, x }) => {
    const attrs = { beta: 1, algorithm: random.pick(['fixed', 'table']) };
    return b.node('softmax', [x], attrs, { quant: perTensorQuant(1 / 256, -128) });
  },
  split: ({ b, random, x, shape }) => {
    const axis = random.integer(0, shape.length - 1);
    const extent = shape[axis] ?? 1;
    const count = random.pick([1, 2, 3].filter((divisor) => extent % divisor === 0));
    return random.pick(b.nodeAll('split', [x], { axis, count }, { outputs: count }));
  },
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
  sub: binary('sub', (random) => ({ ratios: random.pick(['single', 'double']) })),
  tanh: elementwise('tanh', sigmoid, perTensorQuant(1 / 128, 0)),
  transpose: ({ b, random, x, shape }) => {
    const left = shape.map((_, d) => d);
    const perm = shape.map(() => left.splice(random.integer(0, left.length - 1), 1)[0] as number);
    return b.node('transpose', [x], { perm });
  },
};

/** The operators to add in sequence, and the seed of their attributes. */
export interface GraphSeed {
  readonly ops: readonly string[];
  readonly seed: number;
}

/** Chains with cross links; a failing one shrinks to fewer operators. */
export const graphSeeds: fc.Arbitrary<GraphSeed> = fc.record({
  ops: fc.array(fc.constantFrom(...Object.keys(growths)), { minLength: 1, maxLength: 6 }),
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
    made.push((growths[op] as Grow)({ b, random, x, shape, peers }));
  }
  const outputs = [made.at(-1) as TensorId];
  return b.module(outputs, 'graph');
}
