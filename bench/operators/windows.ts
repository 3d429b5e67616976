/** Layers at random over the whole grid of windows and types that a .tflite can hold. */
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { DType } from '../../src/compiler/ir/dtypes.js';
import {
  elementCount,
  type Module,
  type Shape,
  type TensorData,
  type TensorId,
} from '../../src/compiler/ir/graph.js';
import { dilated, samePadding } from '../../src/compiler/ops/shape/window.js';
import { BonsaiError } from '../../src/errors.js';
import {
  GraphBuilder,
  perChannelQuant,
  perTensorQuant,
  Random,
} from '../../test/support/module.js';

/** A layer as a file, with its inputs. */
export interface FileLayer {
  /** Operator and types. */
  readonly group: string;
  /** What is at random in it. */
  readonly text: string;
  readonly file: Uint8Array;
  readonly inputs: readonly TensorData[];
}

/** A window along one axis of an input of `extent`, without and with SAME. */
interface Axis {
  readonly extent: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
}

/** What all operators draw from. */
class Draw {
  readonly b = new GraphBuilder();
  readonly random: Random;
  readonly dtype: DType;
  readonly weightType: DType;
  readonly isSame: boolean;
  readonly activation: string;
  readonly batches: number;
  readonly y: Axis;
  readonly x: Axis;
  /** The scale of the input. */
  readonly unit: number;
  readonly isPerChannel: boolean;
  readonly hasBias: boolean;

  constructor(seed: number, isDilated: boolean) {
    const random = new Random(seed);
    this.random = random;
    this.dtype = random.integer(0, 5) === 0 ? 'int16' : 'int8';
    this.weightType = this.dtype === 'int8' && random.integer(0, 2) === 0 ? 'int4' : 'int8';
    this.unit = this.dtype === 'int16' ? 2 ** -10 : 2 ** -5;
    this.isSame = random.integer(0, 1) === 0;
    this.activation = random.pick(['none', 'none', 'relu', 'relu6', 'relu_n1_to_1']);
    this.batches = random.pick([1, 1, 1, 2]);
    this.isPerChannel = random.integer(0, 2) > 0;
    this.hasBias = random.integer(0, 3) > 0;
    [this.y, this.x] = [this.axis(isDilated), this.axis(isDilated)];
  }

  private axis(isDilated: boolean): Axis {
    const { random } = this;
    const [kernel, stride] = [random.integer(1, 5), random.integer(1, 4)];
    const dilation = isDilated && random.integer(0, 3) === 0 ? random.integer(2, 3) : 1;
    const least = dilated(kernel, dilation);
    const extent = random.integer(this.isSame ? 1 : least, least + 7);
    return { extent, kernel, stride, dilation };
  }

  zeroPoint(): number {
    const { random } = this;
    return this.dtype === 'int16' ? 0 : random.pick([-128, 0, random.integer(-60, 60)]);
  }

  input(shape: Shape): TensorId {
    return this.b.input(shape, perTensorQuant(this.unit, this.zeroPoint()), 'x', this.dtype);
  }

  output() {
    const scale = this.unit * 2 ** (this.random.integer(-10, 10) / 10);
    return { quant: perTensorQuant(scale, this.zeroPoint()) };
  }

  /** Weights, then a bias or null. Sums of `taps` products fill the outputs. */
  parameters(dims: Shape, axis: number, taps: number): (TensorId | null)[] {
    const { b, random, dtype, unit, isPerChannel } = this;
    const channels = dims[axis] ?? 1;
    const most = this.weightType === 'int4' ? 7 : 127;
    const gain = (dtype === 'int16' ? 2 ** -3 : 1) / (Math.sqrt(taps) * most);
    const scaleOf = () => gain * 2 ** (random.integer(-20, 20) / 10);
    const scales = Array.from({ length: channels }, scaleOf);
    const quant = (by: number, along: number) =>
      isPerChannel
        ? perChannelQuant(
            scales.map((scale) => by * scale),
            along,
          )
        : perTensorQuant(by * (scales[0] ?? 1), 0);
    const data = random.int8(elementCount(dims), -most, most);
    const weights = b.constant(data, dims, quant(1, axis));
    if (!this.hasBias) return [weights, null];
    const numbers = Array.from({ length: channels }, () => random.integer(-2000, 2000));
    const wide = dtype === 'int16';
    const bias = wide ? BigInt64Array.from(numbers.map(BigInt)) : Int32Array.from(numbers);
    return [weights, b.constant(bias, [channels], quant(unit, 0))];
  }

  /** Strides, dilations and padding as attributes. */
  window() {
    const { y, x, isSame } = this;
    const pads = ({ extent, kernel, stride, dilation }: Axis) =>
      isSame ? samePadding(extent, kernel, stride, dilation) : ([0, 0] as const);
    const [[padTop, padBottom], [padLeft, padRight]] = [pads(y), pads(x)];
    const padding = { padTop, padBottom, padLeft, padRight };
    return { strideH: y.stride, strideW: x.stride, ...padding, activation: this.activation };
  }

  dilations() {
    return { dilationH: this.y.dilation, dilationW: this.x.dilation, rounding: 'double' };
  }

  get taps(): number {
    return this.y.kernel * this.x.kernel;
  }
}

const depths = [1, 2, 3, 4, 5, 8, 9, 16];
const image = ({ batches, y, x }: Draw, depth: number) => [batches, y.extent, x.extent, depth];

const makers = {
  conv2d(draw: Draw) {
    const { b, random, y, x, taps } = draw;
    const [groups, depth] = [random.pick([1, 1, 1, 2, 3]), random.pick(depths)];
    const input = draw.input(image(draw, groups * depth));
    const channels = groups * random.integer(1, 5) * random.pick([1, 1, 4]);
    const operands = draw.parameters([channels, y.kernel, x.kernel, depth], 0, taps * depth);
    const attrs = { ...draw.window(), ...draw.dilations() };
    return b.node('conv2d', [input, ...operands], attrs, draw.output());
  },
  depthwise_conv2d(draw: Draw) {
    const { b, random, y, x, taps } = draw;
    const [depth, depthMultiplier] = [random.pick(depths), random.pick([1, 1, 2, 3])];
    const input = draw.input(image(draw, depth));
    const operands = draw.parameters([1, y.kernel, x.kernel, depth * depthMultiplier], 3, taps);
    const attrs = { ...draw.window(), ...draw.dilations(), depthMultiplier };
    return b.node('depthwise_conv2d', [input, ...operands], attrs, draw.output());
  },
  transpose_conv(draw: Draw) {
    const { b, random, y, x, isSame, activation, taps } = draw;
    const depth = random.pick(depths);
    const input = draw.input(image(draw, depth));
    const channels = random.integer(1, 5) * random.pick([1, 1, 4]);
    const operands = draw.parameters([channels, y.kernel, x.kernel, depth], 0, taps * depth);
    const [[outH, padTop], [outW, padLeft]] = [y, x].map(({ extent, kernel, stride }) => {
      if (!isSame) return [(extent - 1) * stride + kernel, 0];
      return [extent * stride, samePadding(extent * stride, kernel, stride, 1)[0]];
    }) as [[number, number], [number, number]];
    const strides = { strideH: y.stride, strideW: x.stride, size: [outH, outW] };
    const attrs = { ...strides, padTop, padLeft, activation, rounding: 'double' };
    return b.node('transpose_conv', [input, ...operands], attrs, draw.output());
  },
  fully_connected(draw: Draw) {
    const { b, random, activation } = draw;
    const depth = random.pick([1, 2, 3, 7, 16, 33, 100, 300]);
    const input = draw.input([random.integer(1, 4), depth]);
    const operands = draw.parameters([random.integer(1, 40), depth], 0, depth);
    const attrs = { activation, rounding: 'double', keepDims: false };
    return b.node('fully_connected', [input, ...operands], attrs, draw.output());
  },
  average_pool2d: (draw: Draw) => pool(draw, 'average_pool2d'),
  max_pool2d: (draw: Draw) => pool(draw, 'max_pool2d'),
  softmax(draw: Draw) {
    const { b, random, dtype } = draw;
    const scale = 2 ** (random.integer(-140, 0) / 10 - (dtype === 'int16' ? 8 : 0));
    const shape = [random.integer(1, 4), random.pick([1, 2, 3, 7, 16, 33, 100])];
    const input = b.input(shape, perTensorQuant(scale, draw.zeroPoint()), 'x', dtype);
    const quant = dtype === 'int16' ? perTensorQuant(1 / 32768, 0) : perTensorQuant(1 / 256, -128);
    const attrs = { beta: random.pick([1, 1, 0.5, 2]), algorithm: 'fixed' };
    return b.node('softmax', [input], attrs, { quant });
  },
} satisfies Readonly<Record<string, (draw: Draw) => TensorId>>;

function pool(draw: Draw, op: string): TensorId {
  const { b, random, y, x } = draw;
  const input = draw.input(image(draw, random.pick(depths)));
  return b.node(op, [input], { kernelH: y.kernel, kernelW: x.kernel, ...draw.window() });
}

export type WindowOp = keyof typeof makers;
export const windowOps = Object.keys(makers) as WindowOp[];

const isDilated = (op: WindowOp) => op === 'conv2d' || op === 'depthwise_conv2d';
const hasWeights = (op: WindowOp) => isDilated(op) || /^(transpose|fully)/.test(op);

/** One layer with weights, scales and zero points at random; null where no file expresses it. */
export function windowLayer(op: WindowOp, seed: number): FileLayer | null {
  const draw = new Draw(seed, isDilated(op));
  const { b, random, dtype, weightType, y, x, isSame, activation } = draw;
  try {
    const output = makers[op](draw);
    const module = b.module([output]);
    const weights = `${weightType}${draw.isPerChannel ? ', scale per channel' : ''}`;
    const group = `${op} ${dtype}${hasWeights(op) ? ` × ${weights}` : ''}`;
    const axes = [y, x].map(
      (axis) =>
        `${axis.extent} by ${axis.kernel} stride ${axis.stride}${axis.dilation > 1 ? ` dilation ${axis.dilation}` : ''}`,
    );
    const inputs = [random.elements(dtype, elementCount(b.shape(0)))];
    const text = `${group} ${seed}: [${b.shape(0)}] ${axes.join(', ')} ${isSame ? 'SAME' : 'VALID'} to [${b.shape(output)}] ${activation}${draw.hasBias ? '' : ', no bias'}`;
    return { group, text, file: writeTflite(withWeights(module, weightType)), inputs };
  } catch (error) {
    if (error instanceof BonsaiError) return null;
    throw error;
  }
}

/** The weights, an int8 constant, as `dtype`. */
function withWeights(module: Module, dtype: DType): Module {
  const graphs = module.graphs.map((graph) => ({
    ...graph,
    tensors: graph.tensors.map((tensor) =>
      tensor.data instanceof Int8Array ? { ...tensor, dtype } : tensor,
    ),
  }));
  return { ...module, graphs };
}
