/** Small networks on which passes and planning have an effect. */
import fc from 'fast-check';
import type { Module, Quant, Shape, TensorId } from '../../src/compiler/ir/graph.js';
import { elementCount } from '../../src/compiler/ir/graph.js';
import { GraphBuilder, perTensorQuant, Random } from './module.js';

/** A GraphBuilder with random weights. */
export class NetworkBuilder extends GraphBuilder {
  constructor(readonly random: Random = new Random(1)) {
    super();
  }

  conv2d(input: TensorId, outC: number, options: LayerOptions = {}): TensorId {
    const [, , , inC = 1] = this.shape(input);
    const { kernel = 1 } = options;
    const weights = this.weights([outC, kernel, kernel, inC]);
    const bias = this.bias(outC, options);
    return this.node('conv2d', [input, weights, bias], windowAttrs(options), nodeOptions(options));
  }

  depthwise(input: TensorId, options: LayerOptions = {}): TensorId {
    const [, , , inC = 1] = this.shape(input);
    const { kernel = 3, multiplier = 1 } = options;
    const outC = inC * multiplier;
    const weights = this.weights([1, kernel, kernel, outC]);
    const attrs = { ...windowAttrs(options), depthMultiplier: multiplier };
    const inputs = [input, weights, this.bias(outC, options)];
    return this.node('depthwise_conv2d', inputs, attrs, nodeOptions(options));
  }

  /** A VALID transposed convolution to `size` rows and columns. */
  transposed(input: TensorId, kernel: number, stride: number, size: number): TensorId {
    const [, , , inC = 1] = this.shape(input);
    const inputs = [input, this.weights([3, kernel, kernel, inC]), this.bias(3, {})];
    const window = { strideH: stride, strideW: stride, padTop: 0, padLeft: 0, size: [size, size] };
    return this.node('transpose_conv', inputs, {
      ...{ ...window, activation: 'none', rounding: 'double' },
    });
  }

  dense(input: TensorId, out: number, options: LayerOptions = {}): TensorId {
    const shape = this.shape(input);
    const depth = shape.length === 2 ? (shape[1] ?? 1) : elementCount(shape);
    const inputs = [input, this.weights([out, depth]), this.bias(out, options)];
    const { activation = 'none', keepDims = false } = options;
    const attrs = { activation, rounding: 'double', ...(keepDims ? { keepDims } : {}) };
    return this.node('fully_connected', inputs, attrs, nodeOptions(options));
  }

  reshape(input: TensorId, shape: Shape): TensorId {
    return this.node('reshape', [input], { shape });
  }

  add(a: TensorId, b: TensorId, activation = 'none'): TensorId {
    return this.node('add', [a, b], { activation });
  }

  /** A constant activation of any shape. */
  values(shape: Shape, quant: Quant): TensorId {
    return this.constant(this.random.int8(elementCount(shape)), shape, quant);
  }

  private weights(shape: Shape): TensorId {
    const data = this.random.int8(elementCount(shape), -127, 127);
    return this.constant(data, shape, perTensorQuant(0.02, 0));
  }

  private bias(count: number, { bias = true }: LayerOptions): TensorId | null {
    return bias ? this.constant(this.random.int32(count, -9999, 9999)) : null;
  }
}

export interface LayerOptions {
  /** Side of the square kernel. */
  readonly kernel?: number;
  readonly stride?: number;
  /** Depth multiplier of a depthwise convolution. */
  readonly multiplier?: number;
  /** Padding of all four sides. */
  readonly pad?: number;
  readonly activation?: string;
  readonly bias?: boolean;
  readonly keepDims?: boolean;
  readonly quant?: Quant;
}

function windowAttrs({ stride = 1, pad = 0, activation = 'none' }: LayerOptions) {
  return {
    strideH: stride,
    strideW: stride,
    dilationH: 1,
    dilationW: 1,
    padTop: pad,
    padBottom: pad,
    padLeft: pad,
    padRight: pad,
    activation,
    rounding: 'double',
  };
}

function nodeOptions({ quant }: LayerOptions) {
  return quant === undefined ? {} : { quant };
}

const layers = [
  'conv2d',
  'depthwise',
  'dense',
  'relu',
  'relu6',
  'relu_n1_to_1',
  'rescaled relu',
  'pad',
  'pad of another value',
  'pad of channels',
  'add',
  'add of constants',
  'max_pool2d',
  'average_pool2d',
  'reshape',
  'reshape twice',
  'expand_dims',
  'split',
  'dead branch',
  'second output',
] as const;
export type Layer = (typeof layers)[number];

/** Random networks; a failing one shrinks to fewer layers. */
export const networks: fc.Arbitrary<{ readonly layers: readonly Layer[]; readonly seed: number }> =
  fc.record({
    layers: fc.array(fc.constantFrom(...layers), { minLength: 1, maxLength: 10 }),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  });

export function buildNetwork(layers: readonly Layer[], seed: number): Module {
  const random = new Random(seed);
  const b = new NetworkBuilder(random);
  const quant = () => perTensorQuant(random.integer(2, 60) / 200, random.integer(-128, 127));
  const sides = [random.integer(2, 5), random.integer(2, 5)];
  const history = [b.input([1, ...sides, random.integer(1, 5)], quant())];
  const outputs: TensorId[] = [];
  for (const layer of layers) {
    const x = history.at(-1) as TensorId;
    const y = addLayer(b, x, layer, quant, history, outputs);
    history.push(y);
  }
  return b.module([...new Set([...outputs, history.at(-1) as TensorId])]);
}

function addLayer(
  b: NetworkBuilder,
  x: TensorId,
  layer: Layer,
  quant: () => Quant,
  history: readonly TensorId[],
  outputs: TensorId[],
): TensorId {
  const { random } = b;
  const shape = b.shape(x);
  const count = elementCount(shape);
  const flat = () => (shape.length === 2 ? x : b.reshape(x, [1, count]));
  const image = () => (shape.length === 4 ? x : b.reshape(x, [1, 1, 1, count]));
  const pad = (at: TensorId, attrs: object) => {
    const room = elementCount(b.shape(at)) < 1000;
    return b.node('pad', [at], {
      pads: room ? [0, 0, 1, 0, 2, 1, 0, 0] : new Array(8).fill(0),
      ...attrs,
    });
  };
  const options = () => ({
    kernel: random.integer(1, 3),
    stride: random.integer(1, 2),
    pad: 1,
    activation: random.pick(['none', 'none', 'relu', 'relu6']),
    bias: random.integer(0, 3) > 0,
    quant: quant(),
  });
  const pool = (op: string) => {
    const { kernel, stride, ...rest } = { ...options(), kernel: 2 };
    const sides = { kernelH: kernel, kernelW: kernel };
    const {
      rounding: _,
      dilationH: _h,
      dilationW: _w,
      ...attrs
    } = windowAttrs({ stride, ...rest });
    return b.node(op, [image()], { ...sides, ...attrs });
  };
  switch (layer) {
    case 'conv2d':
      return b.conv2d(image(), random.integer(1, 6), options());
    case 'depthwise':
      return b.depthwise(image(), { ...options(), multiplier: random.pick([1, 1, 2]) });
    case 'dense':
      return b.dense(random.integer(0, 1) === 0 ? x : flat(), random.integer(1, 9), {
        ...options(),
        keepDims: false,
      });
    case 'relu':
    case 'relu6':
    case 'relu_n1_to_1':
      return b.node(layer, [x], {});
    case 'rescaled relu':
      return b.node('relu', [x], {}, { quant: quant() });
    case 'pad':
      return pad(image(), {});
    case 'pad of another value':
      return pad(image(), { value: random.integer(-128, 127) });
    case 'pad of channels':
      return b.node('pad', [image()], { pads: [0, 0, 0, 0, 0, 0, 0, count < 1000 ? 1 : 0] });
    case 'add': {
      const same = history.filter((id) => b.shape(id).join() === shape.join());
      return b.add(x, random.pick(same), random.pick(['none', 'relu']));
    }
    case 'add of constants': {
      const sum = b.add(b.values([1], quant()), b.values([1], quant()));
      return b.add(x, sum);
    }
    case 'max_pool2d':
    case 'average_pool2d':
      return pool(layer);
    case 'reshape':
      return b.reshape(x, [1, 1, count, 1]);
    case 'reshape twice':
      return b.reshape(b.reshape(x, [count]), [1, count]);
    case 'expand_dims':
      return shape.length < 4 ? b.node('expand_dims', [x], { shape: [1, ...shape] }) : x;
    case 'split': {
      const [axis, even] = [shape.length - 1, (shape.at(-1) ?? 1) % 2 === 0];
      return even
        ? (b.nodeAll('split', [x], { axis, count: 2 }, { outputs: 2 })[1] as TensorId)
        : x;
    }
    case 'dead branch':
      b.node('relu', [x], {});
      return x;
    case 'second output':
      outputs.push(x);
      return x;
  }
}
