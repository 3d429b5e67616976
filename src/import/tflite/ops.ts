/** TFLite's builtin operators and their operators in the IR: one row each. */
import type { Attrs } from '../../ir/graph.js';
import { roundingBefore } from '../../ops/arithmetic/quant.js';
import { requireShort } from '../../ops/shape/window.js';
import { resolveStridedSlice } from '../../ops/strided_slice.js';
import { reversed, sliced } from './moves.js';
import {
  type AnyRow,
  activationOf,
  axisOf,
  type ForeignOperator,
  integerOf,
  integers,
  numberOf,
  padsOf,
  rankOf,
  row,
  shapeOf,
  unsupported,
  type WindowOptions,
} from './rows.js';
import {
  argOptions,
  arithmeticOptions,
  batchMatmulOptions,
  bucketizeOptions,
  concatenationOptions,
  conv2dOptions,
  conv3dOptions,
  cumsumOptions,
  depthToSpaceOptions,
  depthwiseConv2dOptions,
  fullyConnectedOptions,
  gatherOptions,
  geluOptions,
  l2NormOptions,
  leakyReluOptions,
  lstmOptions,
  mirrorPadOptions,
  noOptions,
  oneHotOptions,
  packOptions,
  pool2dOptions,
  reducerOptions,
  reshapeOptions,
  resizeBilinearOptions,
  resizeOptions,
  reverseSequenceOptions,
  softmaxOptions,
  splitOptions,
  squeezeOptions,
  stridedSliceOptions,
  sumOptions,
  svdfOptions,
  transposeConvOptions,
} from './schema.js';
import { transposedVolumeAttrs, volumeAttrs } from './volumes.js';

const none = () => ({});

/** Of the variants of an LSTM, TFLM computes the plain one: 20 inputs, or 24 with absent norms. */
const lstmAttrs = ({ options, inputs, where }: ForeignOperator<LstmOptions>) => {
  const extra = [9, 10, 11, 16, 17, 20, 21, 22, 23].find((i) => inputs[i] != null);
  if (extra !== undefined || options.activation !== 4) {
    const what =
      extra === undefined ? 'has no tanh as its activation' : `has an input ${extra}: a variant`;
    const hint = 'use a plain LSTM: tanh, no peepholes, projection or normalization';
    throw unsupported(where, what, hint);
  }
  return { timeMajor: options.timeMajor, cellClip: options.cellClip };
};

interface LstmOptions {
  readonly activation: number;
  readonly cellClip: number;
  readonly timeMajor: boolean;
}

/** Elementwise arithmetic of two operands that broadcast. */
const arithmetic = {
  options: arithmeticOptions,
  operands: [0, 1],
  attrs: (foreign: ForeignOperator<{ readonly activation: number }>) => ({
    activation: activationOf(foreign),
  }),
};

/** SELECT does not broadcast: a condition of one dimension chooses rows, which SELECT_V2 cannot say. */
const rowsOf = (foreign: ForeignOperator<unknown>): Attrs => {
  const [condition = [], x = []] = foreign.inputs.map((tensor) => tensor?.shape);
  if (condition.join() === x.join() || condition.length === 0) return {};
  if (condition.length === 1 && condition[0] === x[0]) return { rows: true };
  const message = `its condition of [${condition}] fits neither [${x}] nor its rows`;
  throw unsupported(foreign.where, message, 'use tf.where, whose condition may have any shape');
};

/** ARG_MAX and ARG_MIN: the dimension. */
const argExtreme = (name: 'max' | 'min') => ({
  op: 'arg_extreme',
  options: argOptions,
  attrs: (foreign: ForeignOperator<unknown>) => {
    const [axis = 0, ...others] = integers(foreign, 1, 'axis');
    if (others.length > 0) {
      const hint = 'search one dimension after the other, or reshape them to one';
      throw unsupported(foreign.where, `has ${others.length + 1} axes, must have one`, hint);
    }
    return { axis: axisOf(foreign, axis, rankOf(foreign, 0)), function: name };
  },
});

/** The reduced dimensions, ascending and distinct. */
const reduction = (foreign: ForeignOperator<{ readonly keepDims: boolean }>) => {
  const rank = rankOf(foreign, 0);
  const axes = integers(foreign, 1, 'axes').map((axis) => axisOf(foreign, axis, rank));
  return {
    axes: [...new Set(axes)].sort((a, b) => a - b),
    keepDims: foreign.options.keepDims,
  };
};

/** MAXIMUM and MINIMUM. */
const extremes = {
  optionsType: 39,
  options: noOptions,
  operands: [0, 1],
  attrs: () => ({ activation: 'none' }),
};

const corners = ({
  options: { alignCorners, halfPixelCenters },
}: ForeignOperator<{ readonly alignCorners: boolean; readonly halfPixelCenters: boolean }>) => ({
  alignCorners,
  halfPixelCenters,
});

/** RESHAPE and similar operators: the converter has resolved the shape of the output. */
const toOutputShape = (foreign: ForeignOperator<unknown>) => ({
  shape: foreign.outputs[0]?.shape ?? [],
});

const pool = {
  optionsType: 5,
  options: pool2dOptions,
  attrs: (foreign: ForeignOperator<PoolOptions>) => {
    const { kernelH, kernelW, strideH, strideW } = foreign.options;
    const window = { ...foreign.options, dilationH: 1, dilationW: 1 };
    const pads = padsOf(foreign.where, shapeOf(foreign, 0, 4), kernelH, kernelW, window);
    return { kernelH, kernelW, strideH, strideW, ...pads, activation: activationOf(foreign) };
  },
};

interface PoolOptions {
  readonly padding: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly kernelH: number;
  readonly kernelW: number;
  readonly activation: number;
}

/** [before, after] of every dimension, flat. */
const pads = (foreign: ForeignOperator<unknown>) => {
  const amounts = integers(foreign, 1, 'padding');
  if (amounts.some((amount) => amount < 0)) {
    throw unsupported(foreign.where, `has the negative padding [${amounts}]`, 'pad by 0 or more');
  }
  return { pads: amounts };
};

/** Window and activation of a convolution: axes 1 and 2 of the weights are height and width. */
const convolution = (foreign: ForeignOperator<WindowOptions & Activated>) => {
  const { strideH, strideW, dilationH, dilationW } = foreign.options;
  const [, kernelH = 0, kernelW = 0] = shapeOf(foreign, 1, 4);
  const input = shapeOf(foreign, 0, 4);
  requireShort(foreign.where, { strideH, strideW });
  return {
    strideH,
    strideW,
    dilationH,
    dilationW,
    ...padsOf(foreign.where, input, kernelH, kernelW, foreign.options),
    activation: activationOf(foreign),
  };
};

/** The padding is that of the convolution which takes the output to the input. */
const transposed = (
  foreign: ForeignOperator<Omit<WindowOptions, 'dilationH' | 'dilationW'> & Activated>,
) => {
  const { strideH, strideW } = foreign.options;
  const [channels = 0, kernelH = 0, kernelW = 0] = shapeOf(foreign, 1, 4);
  const window = { ...foreign.options, dilationH: 1, dilationW: 1 };
  // TFLM does not read input 0, which holds the output's shape.
  const output = foreign.outputs[0]?.shape ?? [];
  const { padTop, padLeft } = padsOf(foreign.where, output, kernelH, kernelW, window);
  const size = output.slice(1, 3);
  const rounding = vectorRounding(foreign, channels);
  requireShort(foreign.where, { strideH, strideW });
  return { strideH, strideW, padTop, padLeft, size, activation: activationOf(foreign), rounding };
};

interface Activated {
  readonly activation: number;
}

const upwardOf = (foreign: ForeignOperator<Activated>) =>
  roundingBefore(activationOf(foreign), 'upward');

/** Of products of matrices (ruy): of int8, vector instructions round halves up. */
const matrixRounding = (foreign: ForeignOperator<Activated>) => {
  if (foreign.rounding !== 'tflite') return 'double';
  return foreign.hasVectors && isInt8(foreign) ? upwardOf(foreign) : 'single';
};

/** optimized_ops::Quantize: vectors of 8 channels shift with vrshlq, the channels left do not. */
const vectorRounding = (foreign: ForeignOperator<Activated>, channels: number) => {
  if (foreign.rounding !== 'tflite' || !isInt8(foreign) || channels < 8) return 'double';
  if (foreign.isDelegated) return 'upward';
  const rounding = upwardOf(foreign);
  if (rounding === 'double' || channels % 8 === 0) return rounding;
  const message = `rounds halves of some of its ${channels} channels upward in desktop TFLite`;
  throw unsupported(foreign.where, message, 'compile it with --rounding tflm');
};

/** int16 whose sums have 64 bits. */
const hasWideSums = ({ inputs }: Pick<ForeignOperator<object>, 'inputs'>) =>
  inputs[0]?.dtype === 'int16' && inputs[2]?.dtype !== 'int32';

const isInt8 = ({ outputs }: Pick<ForeignOperator<object>, 'outputs'>) =>
  outputs[0]?.dtype === 'int8';

/** Of layers whose int8 is rounded by `matrixRounding` or `vectorRounding`. */
const ofMatrices = {
  rounding: { tflm: { rounding: 'double' }, tflite: { rounding: 'single' } },
  roundsByShape: true,
};
const ofVectors = {
  rounding: { tflm: { rounding: 'double' }, tflite: { rounding: 'double' } },
  roundsByShape: true,
};

const curve = { tflm: { algorithm: 'fixed' }, tflite: { algorithm: 'float' } };
/** Of int8 SOFTMAX and LOG_SOFTMAX. */
const exponentials = { tflm: { algorithm: 'fixed' }, tflite: { algorithm: 'table' } };

const table: Readonly<Record<string, AnyRow>> = {
  ABS: row({ op: 'abs', optionsType: 78, options: noOptions, attrs: none }),
  ADD: row({ op: 'add', optionsType: 11, ...arithmetic, options: sumOptions }),
  ADD_N: row({
    op: 'add_n',
    optionsType: 82,
    options: noOptions,
    operands: 'all',
    attrs: none,
  }),
  ARG_MAX: row({ optionsType: 40, ...argExtreme('max') }),
  ARG_MIN: row({ optionsType: 57, ...argExtreme('min') }),
  AVERAGE_POOL_2D: row({ op: 'average_pool2d', ...pool }),
  BATCH_MATMUL: row({
    op: 'batch_matmul',
    optionsType: 101,
    options: batchMatmulOptions,
    operands: [0, 1],
    attrs: ({ options: { adjX, adjY } }) => ({ transposeA: adjX, transposeB: adjY }),
  }),
  BATCH_TO_SPACE_ND: row({
    op: 'batch_to_space_nd',
    optionsType: 24,
    options: noOptions,
    attrs: (foreign) => ({
      block: integers(foreign, 1, 'block'),
      crops: integers(foreign, 2, 'crops'),
    }),
  }),
  BROADCAST_TO: row({
    op: 'broadcast_to',
    optionsType: 104,
    options: noOptions,
    attrs: (foreign) => ({ shape: integers(foreign, 1, 'shape') }),
  }),
  BUCKETIZE: row({
    op: 'bucketize',
    optionsType: 115,
    options: bucketizeOptions,
    attrs: ({ options: { boundaries } }) => ({ boundaries }),
  }),
  CAST: row({ op: 'cast', optionsType: 37, options: noOptions, attrs: none }),
  CEIL: row({
    op: 'real_function',
    optionsType: 0,
    options: noOptions,
    attrs: () => ({ function: 'ceil' }),
  }),
  CONCATENATION: row({
    op: 'concatenation',
    optionsType: 10,
    options: concatenationOptions,
    operands: 'all',
    attrs: (foreign) => ({
      axis: axisOf(foreign, foreign.options.axis, rankOf(foreign, 0)),
      activation: activationOf(foreign),
    }),
  }),
  CONV_2D: row({
    op: 'conv2d',
    optionsType: 1,
    options: conv2dOptions,
    operands: [0, 1, 2],
    optional: [2],
    ...ofMatrices,
    attrs: (foreign) => {
      const [, , , filterC] = shapeOf(foreign, 1, 4);
      const [, , , channels] = shapeOf(foreign, 0, 4);
      return {
        ...convolution(foreign),
        // Desktop TFLite computes grouped convolutions with its reference kernel.
        rounding: filterC === channels ? matrixRounding(foreign) : 'double',
      };
    },
  }),
  CONV_3D: row({
    op: 'conv3d',
    optionsType: 106,
    options: conv3dOptions,
    operands: [0, 1, 2],
    optional: [2],
    attrs: volumeAttrs,
  }),
  CONV_3D_TRANSPOSE: row({
    op: 'conv3d_transpose',
    optionsType: 106,
    options: conv3dOptions,
    operands: [2, 1, 3],
    optional: [3],
    attrs: transposedVolumeAttrs,
  }),
  COS: row({
    op: 'real_function',
    optionsType: 84,
    options: noOptions,
    attrs: () => ({ function: 'cos' }),
  }),
  CUMSUM: row({
    op: 'cumsum',
    optionsType: 102,
    options: cumsumOptions,
    attrs: (foreign) => {
      const { exclusive, reverse } = foreign.options;
      const axis = axisOf(foreign, integerOf(foreign, 1, 'axis'), rankOf(foreign, 0));
      return { axis, exclusive, reverse };
    },
  }),
  DEPTH_TO_SPACE: row({
    op: 'depth_to_space',
    optionsType: 94,
    options: depthToSpaceOptions,
    attrs: ({ options: { block } }) => ({ block }),
  }),
  DEPTHWISE_CONV_2D: row({
    op: 'depthwise_conv2d',
    optionsType: 2,
    options: depthwiseConv2dOptions,
    operands: [0, 1, 2],
    optional: [2],
    ...ofVectors,
    attrs: (foreign) => {
      const { depthMultiplier } = foreign.options;
      const [, , , outputs = 0] = shapeOf(foreign, 1, 4);
      const [, , , channels = 1] = shapeOf(foreign, 0, 4);
      return {
        ...convolution(foreign),
        // Newer converters leave the field at 0, since the shapes imply it.
        depthMultiplier: depthMultiplier === 0 ? outputs / channels : depthMultiplier,
        rounding: vectorRounding(foreign, outputs),
      };
    },
  }),
  DIV: row({ op: 'div', optionsType: 29, ...arithmetic }),
  DYNAMIC_UPDATE_SLICE: row({
    op: 'dynamic_update_slice',
    optionsType: 117,
    options: noOptions,
    operands: [0, 1, 2],
    attrs: none,
  }),
  ELU: row({
    op: 'elu',
    optionsType: 0,
    options: noOptions,
    attrs: none,
    rounding: { tflm: { algorithm: 'difference' }, tflite: { algorithm: 'expm1' } },
  }),
  EQUAL: row({
    op: 'compare',
    optionsType: 53,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ relation: 'equal' }),
  }),
  EXP: row({ op: 'exp', optionsType: 33, options: noOptions, attrs: none }),
  DEQUANTIZE: row({ op: 'dequantize', optionsType: 0, options: noOptions, attrs: none }),
  EMBEDDING_LOOKUP: row({
    op: 'gather',
    computed: { input: 0, op: 'take' },
    optionsType: 0,
    options: noOptions,
    operands: [1, 0],
    attrs: () => ({ axis: 0, batchDims: 0 }),
  }),
  EXPAND_DIMS: row({
    op: 'expand_dims',
    optionsType: 52,
    options: noOptions,
    attrs: toOutputShape,
  }),
  FILL: row({
    op: 'broadcast_to',
    optionsType: 68,
    options: noOptions,
    operands: [1],
    attrs: (foreign) => ({ shape: integers(foreign, 0, 'shape') }),
  }),
  FLOOR_DIV: row({
    op: 'floor_div',
    optionsType: 65,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ activation: 'none' }),
  }),
  FLOOR_MOD: row({
    op: 'floor_mod',
    optionsType: 72,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ activation: 'none' }),
  }),
  FLOOR: row({
    op: 'real_function',
    optionsType: 0,
    options: noOptions,
    attrs: () => ({ function: 'floor' }),
  }),
  FULLY_CONNECTED: row({
    op: 'fully_connected',
    optionsType: 8,
    options: fullyConnectedOptions,
    operands: [0, 1, 2],
    optional: [2],
    ...ofMatrices,
    attrs: (foreign) => {
      if (foreign.options.weightsFormat !== 0) {
        const hint = 'convert without shuffled weights';
        throw unsupported(foreign.where, 'its weights are shuffled', hint);
      }
      return {
        activation: activationOf(foreign),
        keepDims: foreign.options.keepNumDims,
        rounding: matrixRounding(foreign),
        ...(foreign.rounding === 'tflite' && hasWideSums(foreign) ? { wideScale: 'double' } : {}),
      };
    },
  }),
  GATHER: row({
    op: 'gather',
    computed: { input: 1, op: 'take' },
    optionsType: 23,
    options: gatherOptions,
    operands: [0, 1],
    attrs: (foreign) => {
      const { axis, batchDims } = foreign.options;
      return {
        axis: axisOf(foreign, axis, rankOf(foreign, 0)),
        batchDims: batchDims < 0 ? batchDims + rankOf(foreign, 1) : batchDims,
      };
    },
  }),
  GATHER_ND: row({
    op: 'gather_nd',
    computed: { input: 1, op: 'take_nd' },
    optionsType: 83,
    options: noOptions,
    operands: [0, 1],
    attrs: none,
  }),
  GELU: row({
    op: 'gelu',
    optionsType: 116,
    options: geluOptions,
    attrs: ({ options: { approximate } }) => ({ approximate }),
  }),
  GREATER: row({
    op: 'compare',
    optionsType: 44,
    options: noOptions,
    operands: [0, 1],
    attrs({ rounding, inputs, where }) {
      if (rounding === 'tflite' || inputs[0]?.dtype !== 'int16') return { relation: 'greater' };
      const message = 'of int16 is never true in tflite-micro, whatever the operands';
      throw unsupported(where, message, 'exchange the operands and use LESS');
    },
  }),
  GREATER_EQUAL: row({
    op: 'compare',
    optionsType: 45,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ relation: 'greater_equal' }),
  }),
  HARD_SWISH: row({ op: 'hard_swish', optionsType: 91, options: noOptions, attrs: none }),
  L2_NORMALIZATION: row({
    op: 'l2_normalization',
    optionsType: 12,
    options: l2NormOptions,
    attrs: (foreign) => {
      if (activationOf(foreign) === 'none') return {};
      const hint = 'put the activation behind it, as an operator of its own';
      throw unsupported(foreign.where, `has a fused "${activationOf(foreign)}"`, hint);
    },
  }),
  L2_POOL_2D: row({ op: 'l2_pool2d', ...pool }),
  LEAKY_RELU: row({
    op: 'leaky_relu',
    optionsType: 75,
    options: leakyReluOptions,
    attrs: (foreign) => ({ alpha: foreign.options.alpha }),
    rounding: { tflm: { algorithm: 'magnitude' }, tflite: { algorithm: 'signed' } },
  }),
  LESS: row({
    op: 'compare',
    optionsType: 41,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ relation: 'less' }),
  }),
  LESS_EQUAL: row({
    op: 'compare',
    optionsType: 46,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ relation: 'less_equal' }),
  }),
  LOG: row({ op: 'log', optionsType: 0, options: noOptions, attrs: none }),
  LOGICAL_AND: row({
    op: 'logical',
    optionsType: 62,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ function: 'and' }),
  }),
  LOGICAL_NOT: row({ op: 'logical_not', optionsType: 63, options: noOptions, attrs: none }),
  LOGICAL_OR: row({
    op: 'logical',
    optionsType: 60,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ function: 'or' }),
  }),
  LOGISTIC: row({
    op: 'logistic',
    optionsType: 0,
    options: noOptions,
    attrs: none,
    rounding: curve,
  }),
  LOG_SOFTMAX: row({
    op: 'log_softmax',
    optionsType: 36,
    options: noOptions,
    attrs: none,
    rounding: exponentials,
  }),
  MAXIMUM: row({ op: 'maximum', ...extremes }),
  MAX_POOL_2D: row({ op: 'max_pool2d', ...pool }),
  MINIMUM: row({ op: 'minimum', ...extremes }),
  MEAN: row({
    op: 'mean',
    optionsType: 27,
    options: reducerOptions,
    rounding: { tflm: { algorithm: 'general' }, tflite: { algorithm: 'general' } },
    roundsByShape: true,
    attrs: (foreign) => {
      // Desktop TFLite compares the axes as stored, and has a kernel for these two alone.
      const stored = integers(foreign, 1, 'axes').join();
      const spatial =
        rankOf(foreign, 0) === 4 && foreign.options.keepDims && ['1,2', '2,1'].includes(stored);
      return {
        ...reduction(foreign),
        algorithm: foreign.rounding === 'tflite' && spatial ? 'spatial' : 'general',
      };
    },
  }),
  MIRROR_PAD: row({
    op: 'mirror_pad',
    optionsType: 77,
    options: mirrorPadOptions,
    attrs: (foreign) => ({
      pads: integers(foreign, 1, 'padding'),
      mode: foreign.options.mode === 0 ? 'reflect' : 'symmetric',
    }),
  }),
  MUL: row({ op: 'mul', optionsType: 21, ...arithmetic }),
  NEG: row({ op: 'neg', optionsType: 42, options: noOptions, attrs: none }),
  NOT_EQUAL: row({
    op: 'compare',
    optionsType: 54,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ relation: 'not_equal' }),
  }),
  ONE_HOT: row({
    op: 'one_hot',
    optionsType: 61,
    options: oneHotOptions,
    attrs: (foreign) => ({
      axis: axisOf(foreign, foreign.options.axis, rankOf(foreign, 0) + 1),
      depth: integerOf(foreign, 1, 'depth'),
      on: numberOf(foreign, 2, 'value at the index'),
      off: numberOf(foreign, 3, 'value elsewhere'),
    }),
  }),
  PACK: row({
    op: 'pack',
    optionsType: 59,
    options: packOptions,
    operands: 'all',
    attrs: (foreign) => ({ axis: axisOf(foreign, foreign.options.axis, rankOf(foreign, 0) + 1) }),
  }),
  PAD: row({ op: 'pad', optionsType: 22, options: noOptions, attrs: pads }),
  PADV2: row({
    op: 'pad',
    optionsType: 43,
    options: noOptions,
    attrs: (foreign) => {
      const absent = foreign.inputs[2] === undefined || foreign.inputs[2] === null;
      const [value = 0] = absent ? [] : integers(foreign, 2, 'value');
      return absent ? pads(foreign) : { ...pads(foreign), value };
    },
  }),
  POW: row({
    op: 'pow',
    optionsType: 56,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ activation: 'none' }),
  }),
  PRELU: row({
    op: 'prelu',
    optionsType: 0,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ activation: 'none' }),
  }),
  QUANTIZE: row({
    op: 'quantize',
    optionsType: 89,
    options: noOptions,
    attrs: none,
    rounding: { tflm: { algorithm: 'scalar' }, tflite: { algorithm: 'vector' } },
  }),
  REDUCE_ALL: row({ op: 'reduce_all', optionsType: 27, options: reducerOptions, attrs: reduction }),
  REDUCE_ANY: row({ op: 'reduce_any', optionsType: 27, options: reducerOptions, attrs: reduction }),
  REDUCE_MAX: row({ op: 'reduce_max', optionsType: 27, options: reducerOptions, attrs: reduction }),
  REDUCE_MIN: row({ op: 'reduce_min', optionsType: 27, options: reducerOptions, attrs: reduction }),
  REDUCE_PROD: row({
    op: 'reduce_prod',
    optionsType: 27,
    options: reducerOptions,
    attrs: reduction,
  }),
  RELU: row({ op: 'relu', optionsType: 0, options: noOptions, attrs: none }),
  RELU6: row({
    op: 'relu6',
    optionsType: 0,
    options: noOptions,
    attrs: none,
    rounding: { tflm: { algorithm: 'clamp' }, tflite: { algorithm: 'rescale' } },
  }),
  RELU_0_TO_1: row({ op: 'relu_0_to_1', optionsType: 0, options: noOptions, attrs: none }),
  RELU_N1_TO_1: row({ op: 'relu_n1_to_1', optionsType: 0, options: noOptions, attrs: none }),
  RESHAPE: row({ op: 'reshape', optionsType: 17, options: reshapeOptions, attrs: toOutputShape }),
  RESIZE_BILINEAR: row({
    op: 'resize_bilinear',
    optionsType: 15,
    options: resizeBilinearOptions,
    attrs: corners,
  }),
  RESIZE_NEAREST_NEIGHBOR: row({
    op: 'resize_nearest_neighbor',
    optionsType: 74,
    options: resizeOptions,
    attrs: corners,
  }),
  ROUND: row({
    op: 'real_function',
    optionsType: 0,
    options: noOptions,
    attrs: () => ({ function: 'round' }),
  }),
  RSQRT: row({
    op: 'rsqrt',
    optionsType: 0,
    options: noOptions,
    attrs({ rounding, inputs }) {
      return inputs[0]?.dtype === 'int16' && rounding !== 'tflm' ? { algorithm: 'table' } : {};
    },
  }),
  REVERSE_SEQUENCE: row({
    op: 'reverse_sequence',
    optionsType: 87,
    options: reverseSequenceOptions,
    operands: [0, 1],
    attrs: ({ options: { sequence, batch } }) => ({ sequence, batch }),
  }),
  REVERSE_V2: row({
    op: 'strided_slice',
    optionsType: 81,
    options: noOptions,
    attrs: reversed,
  }),
  SELECT: row({
    op: 'select',
    optionsType: 47,
    options: noOptions,
    operands: [0, 1, 2],
    attrs: rowsOf,
  }),
  SELECT_V2: row({
    op: 'select',
    optionsType: 98,
    options: noOptions,
    operands: [0, 1, 2],
    attrs: none,
  }),
  SIN: row({
    op: 'real_function',
    optionsType: 0,
    options: noOptions,
    attrs: () => ({ function: 'sin' }),
  }),
  SLICE: row({ op: 'strided_slice', optionsType: 48, options: noOptions, attrs: sliced }),
  SOFTMAX: row({
    op: 'softmax',
    optionsType: 9,
    options: softmaxOptions,
    rounding: exponentials,
    attrs: (foreign) => ({ beta: foreign.options.beta }),
  }),
  SPACE_TO_BATCH_ND: row({
    op: 'space_to_batch_nd',
    optionsType: 25,
    options: noOptions,
    attrs: (foreign) => ({
      block: integers(foreign, 1, 'block'),
      pads: integers(foreign, 2, 'padding'),
    }),
  }),
  SPACE_TO_DEPTH: row({
    op: 'space_to_depth',
    optionsType: 19,
    options: depthToSpaceOptions,
    attrs: ({ options: { block } }) => ({ block }),
  }),
  SPLIT: row({
    op: 'split',
    optionsType: 35,
    options: splitOptions,
    operands: [1],
    attrs: (foreign) => {
      const [axis = 0] = integers(foreign, 0, 'axis');
      return { axis: axisOf(foreign, axis, rankOf(foreign, 1)), count: foreign.options.numSplits };
    },
  }),
  SPLIT_V: row({
    op: 'split',
    optionsType: 79,
    options: splitOptions,
    attrs: (foreign) => {
      const [axis = 0] = integers(foreign, 2, 'axis');
      const rank = rankOf(foreign, 0);
      const extent = foreign.inputs[0]?.shape[axisOf(foreign, axis, rank)] ?? 0;
      const stated = integers(foreign, 1, 'sizes');
      // A size of -1 takes the rest of the extent.
      const rest = stated.reduce((left, size) => left - Math.max(size, 0), extent);
      const all = stated.map((size) => (size === -1 ? rest : size));
      // A part without elements has no output in the graph.
      const sizes = all.filter((size) => size !== 0);
      return { axis: axisOf(foreign, axis, rank), count: sizes.length, sizes };
    },
  }),
  SQRT: row({ op: 'sqrt', optionsType: 0, options: noOptions, attrs: none }),
  SQUARE: row({
    op: 'real_function',
    optionsType: 66,
    options: noOptions,
    attrs: () => ({ function: 'square' }),
  }),
  SQUARED_DIFFERENCE: row({
    op: 'squared_difference',
    optionsType: 76,
    options: noOptions,
    operands: [0, 1],
    attrs: () => ({ activation: 'none' }),
  }),
  SQUEEZE: row({ op: 'squeeze', optionsType: 30, options: squeezeOptions, attrs: toOutputShape }),
  STRIDED_SLICE: row({
    op: 'strided_slice',
    optionsType: 32,
    options: stridedSliceOptions,
    attrs: (foreign) => {
      const spec = {
        ...foreign.options,
        begin: integers(foreign, 1, 'begin'),
        end: integers(foreign, 2, 'end'),
        strides: integers(foreign, 3, 'strides'),
      };
      return { ...resolveStridedSlice(foreign.inputs[0]?.shape ?? [], spec, foreign.where) };
    },
  }),
  SUB: row({
    op: 'sub',
    optionsType: 28,
    ...arithmetic,
    options: sumOptions,
    rounding: { tflm: { ratios: 'single' }, tflite: { ratios: 'double' } },
  }),
  SUM: row({
    op: 'reduce_sum',
    optionsType: 27,
    options: reducerOptions,
    attrs: reduction,
    rounding: curve,
  }),
  SVDF: row({
    op: 'svdf',
    optionsType: 6,
    options: svdfOptions,
    operands: [0, 1, 2, 3],
    optional: [3],
    states: [4, 'place'],
    attrs: ({ options: { rank } }) => ({ rank }),
  }),
  UNIDIRECTIONAL_SEQUENCE_LSTM: row({
    op: 'lstm',
    optionsType: 71,
    options: lstmOptions,
    operands: [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15],
    states: [18, 19],
    attrs: lstmAttrs,
  }),
  TANH: row({ op: 'tanh', optionsType: 0, options: noOptions, attrs: none, rounding: curve }),
  TILE: row({
    op: 'tile',
    optionsType: 51,
    options: noOptions,
    attrs: (foreign) => ({ multiples: integers(foreign, 1, 'multiples') }),
  }),
  TOPK_V2: row({
    op: 'topk',
    optionsType: 34,
    options: noOptions,
    attrs: (foreign) => ({ k: integerOf(foreign, 1, 'number of elements') }),
  }),
  TRANSPOSE: row({
    op: 'transpose',
    optionsType: 26,
    options: noOptions,
    attrs: (foreign) => {
      const rank = rankOf(foreign, 0);
      return {
        perm: integers(foreign, 1, 'permutation').map((axis) => axisOf(foreign, axis, rank)),
      };
    },
  }),
  TRANSPOSE_CONV: row({
    op: 'transpose_conv',
    optionsType: 49,
    options: transposeConvOptions,
    operands: [2, 1, 3],
    optional: [3],
    ...ofVectors,
    attrs: transposed,
  }),
  UNPACK: row({
    op: 'unpack',
    optionsType: 64,
    options: packOptions,
    attrs: (foreign) => ({ axis: axisOf(foreign, foreign.options.axis, rankOf(foreign, 0)) }),
  }),
};

/** By the operator's name in the file. */
export const rows: ReadonlyMap<string, AnyRow> = new Map(Object.entries(table));
