/**
 * TFLite's builtin operators and their operators in the IR: one row each, from which files are read
 * and written: the operator of the IR, the number of its options among those of the file, and the
 * versions that are written. A row without versions is only read: another one writes its nodes.
 */
import { flag, int32, numbers, scalar } from '../flatbuffer.js';
import {
  batchDims,
  count,
  depthMultiplier,
  expandedAxis,
  firstOf,
  mirrorMode,
  neverTrue,
  newShape,
  numberAt,
  pads,
  padValue,
  permutation,
  plainLstm,
  pooled,
  reduced,
  resized,
  rowsChosen,
  searched,
  sizes,
  splitCount,
  squeezeDims,
  sum,
  toOutputShape,
  unshuffled,
  withoutActivation,
} from './parts.js';
import {
  channelRounding,
  convolutionRounding,
  denseRounding,
  meanAlgorithm,
  ofMatrices,
  ofVectors,
  rootAlgorithm,
  shortProducts,
} from './rounding.js';
import {
  activation,
  axis,
  axisAt,
  integerAt,
  integersAt,
  options,
  pairs,
  part,
  type Row,
  row,
} from './rows.js';
import { reversed, sliced, stridedSlice } from './slices.js';
import { transposedVolume, transposedWindow, volume, window } from './windows.js';

/** Two operands that broadcast. */
const binary = { operands: [0, 1] };
/** Two operands, to which the IR could fuse an activation and TFLite cannot. */
const unfused = { ...binary, fixed: { activation: 'none' } };
/** Input, weights, and a bias that may be absent. */
const layer = { operands: [0, 1, 2], optional: [2] };
/** The same behind the output's shape. */
const transposedLayer = { operands: [2, 1, 3], optional: [3] };

const curve = { tflm: { algorithm: 'fixed' }, tflite: { algorithm: 'float' } };
/** In which precision scales are divided. */
const ratios = { tflm: {}, tflite: { ratios: 'single' } };
/** Of int8 SOFTMAX and LOG_SOFTMAX. */
const exponentials = { tflm: { algorithm: 'fixed' }, tflite: { algorithm: 'table' } };

const table: Readonly<Record<string, Row>> = {
  ABS: row('abs', 78, [2, 3], [], { rounding: ratios }),
  ADD: row('add', 11, [2, 3], sum, binary),
  ADD_N: row('add_n', 82, [1], [], { operands: 'all' }),
  ARG_MAX: row('arg_extreme', 40, [2], [searched], { fixed: { function: 'max' } }),
  ARG_MIN: row('arg_extreme', 57, [2], [searched], { fixed: { function: 'min' } }),
  AVERAGE_POOL_2D: row('average_pool2d', 5, [2, 3], pooled),
  BATCH_MATMUL: row(
    'batch_matmul',
    101,
    [2, 3],
    [options({ transposeA: flag(0), transposeB: flag(1) })],
    binary,
  ),
  BATCH_TO_SPACE_ND: row(
    'batch_to_space_nd',
    24,
    [2, 4],
    [integersAt(1, 'block'), integersAt(2, 'crops', pairs)],
  ),
  BROADCAST_TO: row('broadcast_to', 104, [2, 3], [integersAt(1, 'shape')]),
  BUCKETIZE: row('bucketize', 115, [1], [options({ boundaries: numbers(0, 'float32') })]),
  CAST: row('cast', 37, [1]),
  CEIL: row('real_function', 0, [1], [], { fixed: { function: 'ceil' } }),
  CONCATENATION: row('concatenation', 10, [2, 3], [axis(0), activation(1)], {
    operands: 'all',
  }),
  CONV_2D: row('conv2d', 1, [3, 4], [window(4), activation(3), convolutionRounding], {
    ...layer,
    ...ofMatrices,
  }),
  CONV_3D: row('conv3d', 106, [1], [volume], layer),
  CONV_3D_TRANSPOSE: row('conv3d_transpose', 106, [1], [transposedVolume], transposedLayer),
  COS: row('real_function', 84, [1], [], { fixed: { function: 'cos' } }),
  CUMSUM: row(
    'cumsum',
    102,
    [1],
    [axisAt(1, 0), options({ exclusive: flag(0), reverse: flag(1) })],
  ),
  DEPTH_TO_SPACE: row('depth_to_space', 94, [1], [options({ block: int32(0) })]),
  DEPTHWISE_CONV_2D: row(
    'depthwise_conv2d',
    2,
    [3, 5],
    [window(5), activation(4), depthMultiplier, channelRounding(3)],
    { ...layer, ...ofVectors },
  ),
  DEQUANTIZE: row('dequantize', 0, [2]),
  DIV: row('div', 29, [2], [activation(0)], binary),
  DYNAMIC_UPDATE_SLICE: row('dynamic_update_slice', 117, [1], [], { operands: [0, 1, 2] }),
  ELU: row('elu', 0, [1], [], {
    rounding: { tflm: { algorithm: 'difference' }, tflite: { algorithm: 'expm1' } },
  }),
  EMBEDDING_LOOKUP: row('gather', 0, [], [], {
    computed: { input: 0, op: 'take' },
    operands: [1, 0],
    fixed: { axis: 0, batchDims: 0 },
  }),
  EQUAL: row('compare', 53, [2], [], { ...binary, fixed: { relation: 'equal' } }),
  EXP: row('exp', 33, [2, 2]),
  EXPAND_DIMS: row('expand_dims', 52, [1, 1], [toOutputShape, expandedAxis]),
  FILL: row('broadcast_to', 68, [], [integersAt(0, 'shape')], { operands: [1] }),
  FLOOR: row('real_function', 0, [1], [], { fixed: { function: 'floor' } }),
  FLOOR_DIV: row('floor_div', 65, [2], [], unfused),
  FLOOR_MOD: row('floor_mod', 72, [1], [], unfused),
  FULLY_CONNECTED: row(
    'fully_connected',
    8,
    [4, 7],
    [unshuffled, activation(0), options({ keepDims: flag(2) }), denseRounding],
    { ...layer, ...ofMatrices },
  ),
  GATHER: row('gather', 23, [2, 4], [axis(0), batchDims], {
    computed: { input: 1, op: 'take' },
    ...binary,
  }),
  GATHER_ND: row('gather_nd', 83, [3, 3], [], { computed: { input: 1, op: 'take_nd' }, ...binary }),
  GELU: row('gelu', 116, [2], [options({ approximate: flag(0) })]),
  GREATER: row('compare', 44, [2], [neverTrue], { ...binary, fixed: { relation: 'greater' } }),
  GREATER_EQUAL: row('compare', 45, [2], [], { ...binary, fixed: { relation: 'greater_equal' } }),
  HARD_SWISH: row('hard_swish', 91, [1]),
  L2_NORMALIZATION: row('l2_normalization', 12, [2], [withoutActivation]),
  L2_POOL_2D: row('l2_pool2d', 5, [1], pooled),
  LEAKY_RELU: row('leaky_relu', 75, [2, 2], [options({ alpha: scalar(0, 'float32') })], {
    rounding: { tflm: { algorithm: 'magnitude' }, tflite: { algorithm: 'signed' } },
  }),
  LESS: row('compare', 41, [2], [], { ...binary, fixed: { relation: 'less' } }),
  LESS_EQUAL: row('compare', 46, [2], [], { ...binary, fixed: { relation: 'less_equal' } }),
  LOG: row('log', 0, [2, 2]),
  LOG_SOFTMAX: row('log_softmax', 36, [2], [], { rounding: exponentials }),
  LOGICAL_AND: row('logical', 62, [1], [], { ...binary, fixed: { function: 'and' } }),
  LOGICAL_NOT: row('logical_not', 63, [1]),
  LOGICAL_OR: row('logical', 60, [1], [], { ...binary, fixed: { function: 'or' } }),
  LOGISTIC: row('logistic', 0, [2, 3], [], { rounding: curve }),
  MAX_POOL_2D: row('max_pool2d', 5, [2, 3], pooled),
  MAXIMUM: row('maximum', 39, [2, 4], [], unfused),
  MEAN: row('mean', 27, [2, 3], [...reduced, meanAlgorithm], {
    rounding: { tflm: { algorithm: 'general' }, tflite: { algorithm: 'general' } },
    roundsByShape: true,
  }),
  MINIMUM: row('minimum', 39, [2, 4], [], unfused),
  MIRROR_PAD: row('mirror_pad', 77, [2, 3], [integersAt(1, 'pads', pairs, 'padding'), mirrorMode]),
  MUL: row('mul', 21, [2, 4], [activation(0), shortProducts], { ...binary, rounding: ratios }),
  NEG: row('neg', 42, [1]),
  NOT_EQUAL: row('compare', 54, [2], [], { ...binary, fixed: { relation: 'not_equal' } }),
  ONE_HOT: row(
    'one_hot',
    61,
    [1],
    [
      axis(0, 1),
      integerAt(1, 'depth'),
      numberAt(2, 'on', 'value at the index'),
      numberAt(3, 'off', 'value elsewhere'),
    ],
  ),
  PACK: row('pack', 59, [2, 3], [count('inputs'), axis(1, 1)], { operands: 'all' }),
  PAD: row('pad', 22, [2, 3], [pads], { when: ({ value }) => value === undefined }),
  PADV2: row('pad', 43, [2, 3], [pads, padValue]),
  POW: row('pow', 56, [1], [], unfused),
  PRELU: row('prelu', 0, [1], [], { ...unfused, rounding: ratios }),
  QUANTIZE: row('quantize', 89, [2, 2], [], {
    rounding: { tflm: { algorithm: 'scalar' }, tflite: { algorithm: 'vector' } },
  }),
  REDUCE_ALL: row('reduce_all', 27, [1], reduced),
  REDUCE_ANY: row('reduce_any', 27, [1], reduced),
  REDUCE_MAX: row('reduce_max', 27, [2, 3], reduced),
  REDUCE_MIN: row('reduce_min', 27, [2, 3], reduced),
  REDUCE_PROD: row('reduce_prod', 27, [1], reduced),
  RELU: row('relu', 0, [2, 3], [], { rounding: ratios }),
  RELU6: row('relu6', 0, [2, 3], [], {
    rounding: { tflm: { algorithm: 'clamp' }, tflite: { algorithm: 'rescale', ratios: 'single' } },
  }),
  RELU_0_TO_1: row('relu_0_to_1', 0, [1], [], { rounding: ratios }),
  RELU_N1_TO_1: row('relu_n1_to_1', 0, [1], [], { rounding: ratios }),
  RESHAPE: row('reshape', 17, [1, 1], [toOutputShape, newShape]),
  RESIZE_BILINEAR: row('resize_bilinear', 15, [3, 4], resized(2)),
  RESIZE_NEAREST_NEIGHBOR: row('resize_nearest_neighbor', 74, [2, 4], resized(0)),
  REVERSE_SEQUENCE: row(
    'reverse_sequence',
    87,
    [1],
    [options({ sequence: int32(0), batch: int32(1) })],
    binary,
  ),
  REVERSE_V2: row('strided_slice', 81, [], reversed),
  ROUND: row('real_function', 0, [1], [], { fixed: { function: 'round' } }),
  RSQRT: row('rsqrt', 0, [2, 3], [rootAlgorithm]),
  SELECT: row('select', 47, [1], [rowsChosen], {
    operands: [0, 1, 2],
    when: ({ rows }) => rows === true,
  }),
  SELECT_V2: row('select', 98, [1], [], { operands: [0, 1, 2] }),
  SIN: row('real_function', 0, [1], [], { fixed: { function: 'sin' } }),
  SLICE: row('strided_slice', 48, [], sliced),
  SOFTMAX: row('softmax', 9, [2, 3], [options({ beta: scalar(0, 'float32') })], {
    rounding: exponentials,
  }),
  SPACE_TO_BATCH_ND: row(
    'space_to_batch_nd',
    25,
    [2, 4],
    [integersAt(1, 'block'), integersAt(2, 'pads', pairs, 'padding')],
  ),
  SPACE_TO_DEPTH: row('space_to_depth', 19, [2], [options({ block: int32(0) })]),
  SPLIT: row('split', 35, [2, 4], [axisAt(0, 1, firstOf), splitCount], {
    operands: [1],
    when: ({ sizes }) => sizes === undefined,
  }),
  SPLIT_V: row('split', 79, [2, 2], [axisAt(2, 0, firstOf), splitCount, sizes]),
  SQRT: row('sqrt', 0, [2]),
  SQUARE: row('real_function', 66, [1], [], { fixed: { function: 'square' } }),
  SQUARED_DIFFERENCE: row('squared_difference', 76, [2], [], unfused),
  SQUEEZE: row('squeeze', 30, [1, 1], [toOutputShape, squeezeDims]),
  STRIDED_SLICE: row('strided_slice', 32, [2, 4], stridedSlice),
  SUB: row('sub', 28, [2, 5], sum, binary),
  SUM: row('reduce_sum', 27, [2], reduced, { rounding: curve }),
  SVDF: row(
    'svdf',
    6,
    [],
    [options({ rank: int32(0) }), part({ fields: { activation: scalar(1, 'int8') } })],
    {
      operands: [0, 1, 2, 3],
      optional: [3],
      states: [4, 'place'],
    },
  ),
  TANH: row('tanh', 0, [2, 3], [], { rounding: curve }),
  TILE: row('tile', 51, [2, 3], [integersAt(1, 'multiples')]),
  TOPK_V2: row('topk', 34, [2], [integerAt(1, 'k', 'number of elements')]),
  TRANSPOSE: row('transpose', 26, [2, 5], [permutation]),
  TRANSPOSE_CONV: row(
    'transpose_conv',
    49,
    [3],
    [transposedWindow, activation(3), channelRounding(0)],
    { ...transposedLayer, ...ofVectors },
  ),
  UNIDIRECTIONAL_SEQUENCE_LSTM: row(
    'lstm',
    71,
    [],
    [plainLstm, options({ timeMajor: flag(3), cellClip: scalar(1, 'float32') })],
    { operands: [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15], states: [18, 19] },
  ),
  UNPACK: row('unpack', 64, [2, 4], [count('outputs'), axis(1)]),
};

/** By the operator's name in the file. */
export const rows: ReadonlyMap<string, Row> = new Map(Object.entries(table));
