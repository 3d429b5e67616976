/** Keras's layers: one row each. Weights are named as tfjs-layers and Keras save them. */
import { BonsaiError } from '../../../errors.js';
import type { TensorId } from '../../ir/graph.js';
import { type Build, channelsOf } from './build.js';
import { convertAgain, type Fields, shown, unsupported } from './fields.js';
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

/** A layer of the file at one of its places in the graph. */
export interface Place {
  readonly build: Build;
  readonly config: Fields;
  readonly inputs: readonly TensorId[];
  /** @throws BonsaiError where the weight is missing */
  weight(name: string): Weight;
}

type Layer = (place: Place) => TensorId;

function only({ inputs, build }: Place): TensorId {
  const [x, ...others] = inputs;
  if (x !== undefined && others.length === 0) return x;
  throw new BonsaiError('bad-graph', build.where, `has ${inputs.length} inputs`, convertAgain);
}

function optional(place: Place, field: string, name: string): Weight | null {
  return place.config.boolean(field, true) ? place.weight(name) : null;
}

function activated(place: Place, x: TensorId): TensorId {
  const name = place.config.text('activation', 'linear').toLowerCase();
  return activation(place.build, name, x);
}

/** Padding, strides and dilations of a window over an image. */
function windowOf({ build, config }: Place, size?: Pair): WindowOptions {
  const padding = config.text('padding', 'valid').toLowerCase();
  if (padding !== 'same' && padding !== 'valid') {
    const hint = "use 'same' or 'valid'";
    throw unsupported(build.where, `has the padding ${shown(padding)}`, hint);
  }
  channelsLast({ build, config });
  const strides = config.raw('strides') === undefined && size ? size : config.pair('strides', 1);
  return { padding, strides, dilations: config.pair('dilation_rate', 1) };
}

function channelsLast({ build, config }: Pick<Place, 'build' | 'config'>): void {
  if (config.text('data_format', 'channels_last') === 'channels_last') return;
  const hint = "build the model with data_format 'channels_last'";
  throw unsupported(build.where, "has the data format 'channels_first'", hint);
}

const conv2d: Layer = (place) => {
  const { build } = place;
  const bias = optional(place, 'use_bias', 'bias');
  const sum = convolution(build, only(place), place.weight('kernel'), bias, windowOf(place));
  return activated(place, sum);
};

const depthwiseConv2d: Layer = (place) => {
  const { build } = place;
  const bias = optional(place, 'use_bias', 'bias');
  const kernel = place.weight('depthwise_kernel');
  return activated(place, depthwise(build, only(place), kernel, bias, windowOf(place)));
};

const separableConv2d: Layer = (place) => {
  const { build } = place;
  const each = place.weight('depthwise_kernel');
  const between = depthwise(build, only(place), each, null, windowOf(place));
  const bias = optional(place, 'use_bias', 'bias');
  const mixed = place.weight('pointwise_kernel');
  const whole = { padding: 'valid', strides: [1, 1] } as const;
  return activated(place, convolution(build, between, mixed, bias, whole));
};

/** [batch, steps, channels] as an image of height 1, and back. */
function overSteps(place: Place, compute: (image: TensorId) => TensorId): TensorId {
  const { build } = place;
  const x = only(place);
  const shape = build.shape(x);
  const [batch = 0, steps = 0, channels = 0] = shape;
  if (shape.length !== 3) {
    const message = `its input has the shape [${shape.join(', ')}], must have 3 dimensions`;
    throw new BonsaiError('bad-shape', build.where, message, convertAgain);
  }
  const made = compute(reshape(build, x, [batch, 1, steps, channels]));
  const [, , madeSteps = 0, madeChannels = 0] = build.shape(made);
  return reshape(build, made, [batch, madeSteps, madeChannels]);
}

/** The first of a value for one axis, which may be a list of one. */
function along({ config }: Place, name: string, otherwise?: number): number {
  const found = config.raw(name);
  return Array.isArray(found) && found.length === 1
    ? config.pair(name)[0]
    : config.number(name, otherwise);
}

const conv1d: Layer = (place) => {
  const { build, config } = place;
  const kernel = place.weight('kernel');
  const [size = 0] = kernel.shape;
  const dilation = along(place, 'dilation_rate', 1);
  const padding = config.text('padding', 'valid').toLowerCase();
  channelsLast(place);
  if (!['same', 'valid', 'causal'].includes(padding)) {
    const hint = "use 'same', 'valid' or 'causal'";
    throw unsupported(build.where, `has the padding ${shown(padding)}`, hint);
  }
  const before = [0, (size - 1) * dilation] as const;
  const options: WindowOptions = {
    padding:
      padding === 'causal'
        ? [
            [0, 0],
            [before[1], 0],
          ]
        : (padding as 'same' | 'valid'),
    strides: [1, along(place, 'strides', 1)],
    dilations: [1, dilation],
  };
  const tall = { ...kernel, shape: [1, ...kernel.shape] };
  const bias = optional(place, 'use_bias', 'bias');
  const sum = overSteps(place, (image) => convolution(build, image, tall, bias, options));
  return activated(place, sum);
};

const pool2d =
  (kind: 'average_pool2d' | 'max_pool2d'): Layer =>
  (place) => {
    const size = place.config.pair('pool_size', 2);
    return pool(place.build, kind, only(place), size, windowOf(place, size));
  };

const pool1d =
  (kind: 'average_pool2d' | 'max_pool2d'): Layer =>
  (place) => {
    const { build, config } = place;
    const size = along(place, 'pool_size', 2);
    const stride = config.raw('strides') === undefined ? size : along(place, 'strides');
    const { padding } = windowOf(place);
    const options: WindowOptions = { padding, strides: [1, stride] };
    return overSteps(place, (image) => pool(build, kind, image, [1, size], options));
  };

/** Means over all axes between the batch and the channels. */
const globalAverage: Layer = (place) => {
  const { build, config } = place;
  channelsLast(place);
  const x = only(place);
  const axes = build.shape(x).flatMap((_, d, { length }) => (d > 0 && d < length - 1 ? [d] : []));
  return mean(build, x, axes, config.boolean('keepdims', false));
};

const globalMax: Layer = (place) => {
  const { build, config } = place;
  channelsLast(place);
  const x = only(place);
  const shape = build.shape(x);
  const [batch = 1, ...rest] = shape;
  const channels = rest.pop() ?? 1;
  const image = reshape(build, x, rest.length === 1 ? [batch, 1, ...rest, channels] : shape);
  const [, height = 1, width = 1] = imageShape(build, image);
  const whole = { padding: 'valid', strides: [1, 1] } as const;
  const most = pool(build, 'max_pool2d', image, [height, width], whole);
  const keeps = config.boolean('keepdims', false);
  return reshape(build, most, [batch, ...(keeps ? rest.map(() => 1) : []), channels]);
};

const flatten: Layer = (place) => {
  const { build } = place;
  channelsLast(place);
  const [batch = 1] = build.shape(only(place));
  return reshape(build, only(place), resolvedShape(build, only(place), [batch, -1]));
};

const reshaped: Layer = (place) => {
  const { build, config } = place;
  const target = config.list('target_shape').map((extent) => extent ?? -1);
  if (!target.every((extent) => Number.isInteger(extent))) {
    throw unsupported(build.where, `has the target ${shown(target)}`, convertAgain);
  }
  const [batch = 1] = build.shape(only(place));
  const shape = resolvedShape(build, only(place), [batch, ...(target as number[])]);
  return reshape(build, only(place), shape);
};

const permute: Layer = (place) => {
  const { build, config } = place;
  const dims = config.list('dims');
  const rank = build.shape(only(place)).length;
  const sorted = [...dims].sort();
  if (dims.length !== rank - 1 || !sorted.every((axis, i) => axis === i + 1)) {
    const message = `has the permutation ${shown(dims)}`;
    throw unsupported(build.where, message, 'permute all axes but the batch');
  }
  return build.node('transpose', [only(place)], { perm: [0, ...(dims as number[])] });
};

const zeroPadding: Layer = (place) => {
  const { build, config } = place;
  channelsLast(place);
  const [rows, columns] = sidesOf(place, 'padding', config.raw('padding') ?? 1);
  imageShape(build, only(place));
  return build.node('pad', [only(place)], { pads: [0, 0, ...rows, ...columns, 0, 0] });
};

const cropping: Layer = (place) => {
  const { build, config } = place;
  channelsLast(place);
  const x = only(place);
  const shape = imageShape(build, x);
  const [rows, columns] = sidesOf(place, 'cropping', config.raw('cropping') ?? 0);
  const begin = [0, rows[0], columns[0], 0];
  const counts = shape.map((extent, d) => {
    const [before, after] = [[0, 0], rows, columns, [0, 0]][d] as Pair;
    return extent - before - after;
  });
  if (counts.some((count) => count < 1)) {
    throw unsupported(build.where, `crops [${shape.join(', ')}] to nothing`, 'crop less');
  }
  return build.node('strided_slice', [x], { begin, counts, strides: [1, 1, 1, 1], shape: counts });
};

/** One number, one for each axis, or one for each side. */
function sidesOf({ build }: Place, name: string, value: unknown): readonly [Pair, Pair] {
  const both = Array.isArray(value) && value.length === 2 ? value : [value, value];
  const sides = both.map((one) => (Array.isArray(one) ? one : [one, one]));
  const isRight = sides.every(
    (pair) => pair.length === 2 && pair.every((side) => Number.isInteger(side) && side >= 0),
  );
  if (isRight) return sides as unknown as readonly [Pair, Pair];
  throw unsupported(build.where, `has the ${name} ${shown(value)}`, 'use integers from 0');
}

const upSampling: Layer = (place) => {
  const { build, config } = place;
  channelsLast(place);
  const method = config.text('interpolation', 'nearest');
  if (method !== 'nearest') {
    throw unsupported(build.where, `has the interpolation ${shown(method)}`, "use 'nearest'");
  }
  const [times, across] = config.pair('size', 2);
  const [batch = 1, height = 0, width = 0, channels = 0] = imageShape(build, only(place));
  const shape = [batch, height * times, width * across, channels];
  const attrs = { alignCorners: false, halfPixelCenters: false };
  return build.node('resize_nearest_neighbor', [only(place)], attrs, shape);
};

const normalization: Layer = (place) => {
  const { build, config } = place;
  const rank = build.shape(only(place)).length;
  const given = config.raw('axis') ?? -1;
  const [axis] = Array.isArray(given) ? (given as unknown[]) : [given];
  if (axis !== -1 && axis !== rank - 1) {
    const hint = 'normalize over the channels, which are the last axis';
    throw unsupported(build.where, `normalizes over axis ${shown(axis)}`, hint);
  }
  const statistics = {
    gamma: optional(place, 'scale', 'gamma'),
    beta: optional(place, 'center', 'beta'),
    mean: place.weight('moving_mean'),
    variance: place.weight('moving_variance'),
  };
  return batchNorm(build, only(place), statistics, config.number('epsilon', 1e-3));
};

const relu: Layer = (place) => {
  const { build, config } = place;
  const most = config.raw('max_value');
  const isPlain = config.number('threshold', 0) === 0 && config.number('negative_slope', 0) === 0;
  if (isPlain && most === undefined) return activation(build, 'relu', only(place));
  if (isPlain && most === 6) return activation(build, 'relu6', only(place));
  const hint = 'use max_value 6 or none, without slope and threshold';
  throw unsupported(build.where, `has max_value ${shown(most)}, a slope or a threshold`, hint);
};

const leakyRelu: Layer = ({ build, config, ...place }) => {
  const alpha = config.number('alpha', config.number('negative_slope', 0.3));
  return build.node('leaky_relu', [only({ build, config, ...place })], { alpha });
};

const softmax: Layer = (place) => {
  const { build, config } = place;
  const axis = config.number('axis', -1);
  const rank = build.shape(only(place)).length;
  if (axis === -1 || axis === rank - 1) return activation(build, 'softmax', only(place));
  throw unsupported(build.where, `has the axis ${axis}`, 'use the last axis');
};

const merge =
  (op: 'add' | 'mul' | 'sub'): Layer =>
  ({ build, inputs }) => {
    const [first, ...others] = inputs;
    if (first === undefined || others.length === 0) {
      throw new BonsaiError('bad-graph', build.where, 'has fewer than 2 inputs', convertAgain);
    }
    return others.reduce((sum, x) => build.node(op, [sum, x], { activation: 'none' }), first);
  };

const concatenate: Layer = ({ build, config, inputs }) => {
  const rank = build.shape(inputs[0] ?? 0).length;
  const axis = config.number('axis', -1);
  const attrs = { axis: axis < 0 ? axis + rank : axis, activation: 'none' };
  if (inputs.length > 0) return build.node('concatenation', inputs, attrs);
  throw new BonsaiError('bad-graph', build.where, 'has no inputs', convertAgain);
};

const rescaling: Layer = (place) => {
  const { build, config } = place;
  const channels = channelsOf(build.shape(only(place)));
  const all = (value: number) => new Float32Array(channels).fill(value);
  const [scale, offset] = [config.number('scale', 1), config.number('offset', 0)];
  return affine(build, only(place), all(scale), all(offset));
};

const nothing: Layer = (place) => only(place);

export const layers: ReadonlyMap<string, Layer> = new Map<string, Layer>([
  ['Activation', (place) => activated(place, only(place))],
  ['ActivityRegularization', nothing],
  ['Add', merge('add')],
  ['AlphaDropout', nothing],
  ['AveragePooling1D', pool1d('average_pool2d')],
  ['AveragePooling2D', pool2d('average_pool2d')],
  ['BatchNormalization', normalization],
  ['Concatenate', concatenate],
  ['Conv1D', conv1d],
  ['Conv2D', conv2d],
  ['Cropping2D', cropping],
  [
    'Dense',
    (place) => {
      const bias = optional(place, 'use_bias', 'bias');
      return activated(place, dense(place.build, only(place), place.weight('kernel'), bias));
    },
  ],
  ['DepthwiseConv2D', depthwiseConv2d],
  ['Dropout', nothing],
  ['Flatten', flatten],
  ['GaussianDropout', nothing],
  ['GaussianNoise', nothing],
  ['GlobalAveragePooling1D', globalAverage],
  ['GlobalAveragePooling2D', globalAverage],
  ['GlobalMaxPooling1D', globalMax],
  ['GlobalMaxPooling2D', globalMax],
  ['LeakyReLU', leakyRelu],
  ['MaxPooling1D', pool1d('max_pool2d')],
  ['MaxPooling2D', pool2d('max_pool2d')],
  ['Multiply', merge('mul')],
  ['Permute', permute],
  ['ReLU', relu],
  ['Rescaling', rescaling],
  ['Reshape', reshaped],
  ['SeparableConv2D', separableConv2d],
  ['Softmax', softmax],
  ['SpatialDropout1D', nothing],
  ['SpatialDropout2D', nothing],
  ['Subtract', merge('sub')],
  ['UpSampling2D', upSampling],
  ['ZeroPadding2D', zeroPadding],
]);

/** 'supported are …', for a message. */
export function supported(names: Iterable<string>): string {
  return `supported are ${[...names].join(', ')}`;
}
