/** Operators of the IR as TFLite's builtin operators: the inverse of import/tflite/ops.ts. */
import { tensorTypes } from '../import/tflite/schema.js';
import type { Attrs, Node, NodeView, Shape, TensorId } from '../ir/graph.js';
import { activations } from '../ops/arithmetic/quant.js';
import { samePadding } from '../ops/shape/window.js';
import { inexpressible, paddingOf } from './plain.js';

/** Adds tensors that the file needs and the graph does not have. */
export interface Extras {
  /** An int32 constant: shapes, axes, paddings. */
  constant(values: readonly number[], shape: Shape): TensorId;
  /** A constant with the type and quantization of the node's output. */
  scalar(view: NodeView, value: number): TensorId;
}

export interface WrittenOperator {
  readonly inputs: readonly (TensorId | null)[];
  readonly options: Readonly<Record<string, unknown>>;
}

export interface Writer {
  /** TFLite's name, the key of the importer's row, which has the type of the options. */
  readonly name: string;
  /** The first operator version with int8 kernels. */
  readonly version: number;
  write(view: NodeView, extras: Extras): WrittenOperator;
}

const number = (attrs: Attrs, name: string) => Number(attrs[name] ?? 0);
const list = (attrs: Attrs, name: string) => (attrs[name] ?? []) as readonly number[];
const shapeOf = (view: NodeView, input = 0) => view.inputs[input]?.shape ?? [];
const outputShape = (view: NodeView) => view.outputs[0]?.shape ?? [];

/** An operator with the same inputs; `options` computes its options from the attributes. */
function plain(name: string, version: number, options = (_: NodeView): object => ({})): Writer {
  return {
    name,
    version,
    write: (view) => ({ inputs: view.node.inputs, options: { ...options(view) } }),
  };
}

const fusedActivation = (view: NodeView) => {
  const { activation } = view.attrs;
  const code = activations.indexOf(activation as (typeof activations)[number]);
  if (code < 0) throw inexpressible(view, `a fused "${activation}"`);
  return { activation: code };
};

/** Without the code for scales that are powers of two, as TFLite's converter sets it for int16. */
const sumOptions = (view: NodeView) => {
  const isWide = view.outputs[0]?.dtype === 'int16';
  return { ...fusedActivation(view), ...(isWide ? { powersOfTwo: 0 } : {}) };
};

/** A convolution or pool with SAME or VALID padding. */
function windowed(
  name: string,
  version: number,
  kernelOf: (view: NodeView) => readonly [h: number, w: number],
  options: (view: NodeView) => object,
): Writer {
  return {
    name,
    version,
    write: (view) => {
      const { attrs, node } = view;
      const padding = paddingOf(view, kernelOf(view));
      if (padding === null) throw inexpressible(view, 'padding that is not SAME or VALID');
      return {
        inputs: node.inputs,
        options: {
          padding: padding === 'SAME' ? 0 : 1,
          strideH: attrs.strideH,
          strideW: attrs.strideW,
          ...fusedActivation(view),
          ...options(view),
        },
      };
    },
  };
}

const weightsKernel = (view: NodeView): readonly [number, number] => {
  const [, h = 0, w = 0] = shapeOf(view, 1);
  return [h, w];
};
const poolKernel = ({ attrs }: NodeView): readonly [number, number] => [
  number(attrs, 'kernelH'),
  number(attrs, 'kernelW'),
];
const dilations = ({ attrs: { dilationH, dilationW } }: NodeView) => ({ dilationH, dilationW });
const kernels = ({ attrs: { kernelH, kernelW } }: NodeView) => ({ kernelH, kernelW });

/** An operator with its parameters as constants behind its data inputs. */
function parameterised(
  name: string,
  version: number,
  parameters: (view: NodeView) => readonly (readonly [values: readonly number[], shape: Shape])[],
  options = (_: NodeView): object => ({}),
): Writer {
  return {
    name,
    version,
    write: (view, extras) => ({
      inputs: [
        ...view.node.inputs,
        ...parameters(view).map(([values, shape]) => extras.constant(values, shape)),
      ],
      options: { ...options(view) },
    }),
  };
}

const vector = (values: readonly number[]) => [values, [values.length]] as const;

/** The dimensions of extent 1 that `longer` has and `shorter` lacks. */
function missing(longer: Shape, shorter: Shape): readonly number[] {
  const dims: number[] = [];
  longer.forEach((extent, d) => {
    if (extent !== shorter[d - dims.length]) dims.push(d);
  });
  return dims;
}

/** One entry of begin, end and strides, and the mask in which its bit is set. */
interface SliceEntry {
  readonly begin: number;
  readonly end: number;
  readonly stride: number;
  readonly mask: 'none' | 'end' | 'shrink' | 'new';
}

/** Shrinks dimensions that the output lacks, and inserts those that only the output has. */
function sliceEntries(view: NodeView): readonly SliceEntry[] {
  const [begins, strides, counts] = ['begin', 'strides', 'counts'].map((name) =>
    list(view.attrs, name),
  ) as [number[], number[], number[]];
  const shape = [...outputShape(view)];
  const added = { begin: 0, end: 1, stride: 1, mask: 'new' } as const;
  const entries = counts.flatMap((count, d): SliceEntry[] => {
    const begin = begins[d] ?? 0;
    const stride = strides[d] ?? 1;
    const end = begin + count * stride;
    if (count === 1 && shape[0] !== 1)
      return [{ begin, end: begin + 1, stride: 1, mask: 'shrink' }];
    const before = shape.slice(0, shape.indexOf(count)).map(() => added);
    shape.splice(0, before.length + 1);
    // An end before the first element cannot be stored: −1 would count from the back.
    return [...before, { begin, end, stride, mask: end < 0 ? 'end' : 'none' }];
  });
  return [...entries, ...shape.map(() => added)];
}

const stridedSlice = parameterised(
  'STRIDED_SLICE',
  2,
  (view) => {
    const entries = sliceEntries(view);
    const column = (name: 'begin' | 'end' | 'stride') => vector(entries.map((e) => e[name]));
    return [column('begin'), column('end'), column('stride')];
  },
  (view) => {
    const mask = (kind: SliceEntry['mask']) =>
      sliceEntries(view).reduce((bits, entry, i) => bits | (entry.mask === kind ? 1 << i : 0), 0);
    return { endMask: mask('end'), shrinkAxisMask: mask('shrink'), newAxisMask: mask('new') };
  },
);

/** SPLIT has equal parts and its axis first; SPLIT_V has sizes and its axis last. */
const split: Writer = {
  name: 'SPLIT',
  version: 2,
  write: ({ node, attrs }, extras) => ({
    inputs: [extras.constant([number(attrs, 'axis')], []), ...node.inputs],
    options: { numSplits: attrs.count },
  }),
};

const splitInSizes: Writer = {
  name: 'SPLIT_V',
  version: 2,
  write: ({ node, attrs }, extras) => {
    const sizes = extras.constant(...vector(list(attrs, 'sizes')));
    const axis = extras.constant([number(attrs, 'axis')], []);
    return { inputs: [...node.inputs, sizes, axis], options: { numSplits: attrs.count } };
  },
};

/** [before, after] of several dimensions. */
const pairs = (amounts: readonly number[]) => [amounts, [amounts.length / 2, 2]] as const;
const padAmounts = ({ attrs }: NodeView) => pairs(list(attrs, 'pads'));

/** A reduction over whole dimensions. */
const reduced = (name: string, version: number) =>
  parameterised(
    name,
    version,
    ({ attrs }) => [vector(list(attrs, 'axes'))],
    ({ attrs }) => ({ keepDims: attrs.keepDims }),
  );

/** Its option is the type of its output: int32, in numbers of the schema. */
const argExtreme = (name: string) =>
  parameterised(
    `ARG_${name}`,
    2,
    ({ attrs }) => [vector([number(attrs, 'axis')])],
    () => ({ outputType: tensorTypes.indexOf('int32') }),
  );

/** A change of height and width. */
const resized = (name: string, version: number) =>
  parameterised(
    name,
    version,
    (view) => [vector(outputShape(view).slice(1, 3))],
    ({ attrs: { alignCorners, halfPixelCenters } }) => ({ alignCorners, halfPixelCenters }),
  );

/** CONV_3D and CONV_3D_TRANSPOSE: the window moves over the input, or over the output. */
const volumeOptions = (view: NodeView, transposed: boolean) => {
  const [pads, strides, dilations] = ['pads', 'strides', 'dilations'].map((name) =>
    list(view.attrs, name),
  ) as [number[], number[], number[]];
  const [large, small] = transposed
    ? [outputShape(view), shapeOf(view)]
    : [shapeOf(view), outputShape(view)];
  const kernel = shapeOf(view, 1);
  const same = strides.map((stride, axis) =>
    samePadding(large[axis + 1] ?? 1, kernel[axis] ?? 1, stride, dilations[axis] ?? 1),
  );
  const stated = transposed ? same.map(([before]) => before) : same.flat();
  // Padding before an axis may be 0 both times; then the extents tell.
  const isSame =
    pads.join() === stated.join() &&
    strides.every((stride, axis) => Math.ceil((large[axis + 1] ?? 1) / stride) === small[axis + 1]);
  if (!isSame && pads.some((pad) => pad !== 0)) {
    throw inexpressible(view, 'padding that is not SAME or VALID');
  }
  const [strideD, strideH, strideW] = strides;
  const [dilationD, dilationH, dilationW] = dilations;
  return {
    ...{ padding: isSame ? 0 : 1, strideD, strideH, strideW },
    ...{ dilationD, dilationH, dilationW, ...fusedActivation(view) },
  };
};

const conv3dTranspose: Writer = {
  name: 'CONV_3D_TRANSPOSE',
  version: 1,
  write(view, extras) {
    const [input = null, weights = null, bias = null] = view.node.inputs;
    const size = extras.constant(...vector(outputShape(view)));
    return {
      inputs: [size, weights, input, ...(bias === null ? [] : [bias])],
      options: volumeOptions(view, true),
    };
  },
};

const transposeConv: Writer = {
  name: 'TRANSPOSE_CONV',
  version: 3,
  write: (view, extras) => {
    const [input = null, weights = null, bias = null] = view.node.inputs;
    const { strideH, strideW } = view.attrs;
    const padding = transposedPadding(view);
    if (padding === null) throw inexpressible(view, 'padding that is not SAME or VALID');
    const size = extras.constant(...vector(outputShape(view)));
    return {
      inputs: [size, weights, input, ...(bias === null ? [] : [bias])],
      options: { ...{ padding, strideH, strideW }, ...fusedActivation(view) },
    };
  },
};

/** 0: SAME, 1: VALID. */
function transposedPadding(view: NodeView): 0 | 1 | null {
  const { padTop, padLeft, strideH, strideW } = view.attrs;
  const [, outH = 1, outW = 1] = outputShape(view);
  const [kernelH, kernelW] = weightsKernel(view);
  const [top] = samePadding(outH, kernelH, Number(strideH), 1);
  const [left] = samePadding(outW, kernelW, Number(strideW), 1);
  if (padTop === 0 && padLeft === 0) return 1;
  return padTop === top && padLeft === left ? 0 : null;
}

const padWithValue: Writer = {
  name: 'PADV2',
  version: 2,
  write: (view, extras) => {
    const [input = null] = view.node.inputs;
    const amounts = extras.constant(...padAmounts(view));
    return {
      inputs: [input, amounts, extras.scalar(view, number(view.attrs, 'value'))],
      options: {},
    };
  },
};

const oneHot: Writer = {
  name: 'ONE_HOT',
  version: 1,
  write(view, extras) {
    const [depth, on, off] = ['depth', 'on', 'off'].map((name) => number(view.attrs, name));
    const [indices = null] = view.node.inputs;
    return {
      inputs: [
        indices,
        extras.constant([depth as number], []),
        extras.scalar(view, on as number),
        extras.scalar(view, off as number),
      ],
      options: { axis: view.attrs.axis },
    };
  },
};

/** Where attributes decide which operator it is: the writer that they choose. */
type Writers = Writer | ((attrs: Attrs) => Writer);

const table: Readonly<Record<string, Writers>> = {
  abs: plain('ABS', 2),
  add: plain('ADD', 2, sumOptions),
  add_n: plain('ADD_N', 1),
  arg_extreme: ({ function: name }) => argExtreme(String(name).toUpperCase()),
  average_pool2d: windowed('AVERAGE_POOL_2D', 2, poolKernel, kernels),
  batch_matmul: plain('BATCH_MATMUL', 2, ({ attrs }) => ({
    adjX: attrs.transposeA,
    adjY: attrs.transposeB,
  })),
  batch_to_space_nd: parameterised('BATCH_TO_SPACE_ND', 2, ({ attrs }) => [
    vector(list(attrs, 'block')),
    pairs(list(attrs, 'crops')),
  ]),
  broadcast_to: parameterised('BROADCAST_TO', 2, ({ attrs }) => [vector(list(attrs, 'shape'))]),
  bucketize: plain('BUCKETIZE', 1, ({ attrs: { boundaries } }) => ({ boundaries })),
  cast: plain('CAST', 1),
  compare: ({ relation }) => plain(String(relation).toUpperCase(), 2),
  concatenation: plain('CONCATENATION', 2, (view) => ({
    axis: view.attrs.axis,
    ...fusedActivation(view),
  })),
  conv2d: windowed('CONV_2D', 3, weightsKernel, dilations),
  conv3d: plain('CONV_3D', 1, (view) => volumeOptions(view, false)),
  conv3d_transpose: conv3dTranspose,
  cumsum: parameterised(
    'CUMSUM',
    1,
    ({ attrs }) => [[[number(attrs, 'axis')], []]],
    ({ attrs: { exclusive, reverse } }) => ({ exclusive, reverse }),
  ),
  depth_to_space: plain('DEPTH_TO_SPACE', 1, ({ attrs: { block } }) => ({ block })),
  depthwise_conv2d: windowed('DEPTHWISE_CONV_2D', 3, weightsKernel, (view) => ({
    ...dilations(view),
    depthMultiplier: view.attrs.depthMultiplier,
  })),
  div: plain('DIV', 2, fusedActivation),
  dynamic_update_slice: plain('DYNAMIC_UPDATE_SLICE', 1),
  elu: plain('ELU', 1),
  exp: plain('EXP', 2),
  expand_dims: parameterised('EXPAND_DIMS', 1, (view) => [
    [[missing(outputShape(view), shapeOf(view))[0] ?? 0], []],
  ]),
  floor_div: plain('FLOOR_DIV', 2),
  floor_mod: plain('FLOOR_MOD', 1),
  fully_connected: plain('FULLY_CONNECTED', 4, (view) => ({
    ...fusedActivation(view),
    keepNumDims: view.attrs.keepDims,
  })),
  gather: plain('GATHER', 2, ({ attrs: { axis, batchDims } }) => ({ axis, batchDims })),
  gather_nd: plain('GATHER_ND', 3),
  gelu: plain('GELU', 2, ({ attrs: { approximate } }) => ({ approximate })),
  hard_swish: plain('HARD_SWISH', 1),
  l2_normalization: plain('L2_NORMALIZATION', 2),
  l2_pool2d: windowed('L2_POOL_2D', 1, poolKernel, kernels),
  leaky_relu: plain('LEAKY_RELU', 2, ({ attrs: { alpha } }) => ({ alpha })),
  log: plain('LOG', 2),
  log_softmax: plain('LOG_SOFTMAX', 2),
  logical: ({ function: name }) => plain(`LOGICAL_${String(name).toUpperCase()}`, 1),
  logical_not: plain('LOGICAL_NOT', 1),
  logistic: plain('LOGISTIC', 2),
  max_pool2d: windowed('MAX_POOL_2D', 2, poolKernel, kernels),
  maximum: plain('MAXIMUM', 2),
  minimum: plain('MINIMUM', 2),
  mean: reduced('MEAN', 2),
  mirror_pad: parameterised(
    'MIRROR_PAD',
    2,
    (view) => [padAmounts(view)],
    ({ attrs: { mode } }) => ({ mode: mode === 'reflect' ? 0 : 1 }),
  ),
  mul: plain('MUL', 2, fusedActivation),
  neg: plain('NEG', 1),
  one_hot: oneHot,
  pack: plain('PACK', 2, ({ attrs: { axis }, inputs }) => ({ axis, count: inputs.length })),
  pad: ({ value }) =>
    value === undefined ? parameterised('PAD', 2, (view) => [padAmounts(view)]) : padWithValue,
  dequantize: plain('DEQUANTIZE', 2),
  pow: plain('POW', 1),
  prelu: plain('PRELU', 1),
  quantize: plain('QUANTIZE', 2),
  real_function: ({ function: name }) => plain(String(name).toUpperCase(), 1),
  reduce_all: reduced('REDUCE_ALL', 1),
  reduce_any: reduced('REDUCE_ANY', 1),
  reduce_max: reduced('REDUCE_MAX', 2),
  reduce_min: reduced('REDUCE_MIN', 2),
  reduce_prod: reduced('REDUCE_PROD', 1),
  reduce_sum: reduced('SUM', 2),
  relu: plain('RELU', 2),
  relu6: plain('RELU6', 2),
  relu_0_to_1: plain('RELU_0_TO_1', 1),
  relu_n1_to_1: plain('RELU_N1_TO_1', 1),
  reshape: parameterised(
    'RESHAPE',
    1,
    (view) => [vector(outputShape(view))],
    (view) => ({ newShape: outputShape(view) }),
  ),
  resize_bilinear: resized('RESIZE_BILINEAR', 3),
  resize_nearest_neighbor: resized('RESIZE_NEAREST_NEIGHBOR', 2),
  reverse_sequence: plain('REVERSE_SEQUENCE', 1, ({ attrs: { sequence, batch } }) => ({
    sequence,
    batch,
  })),
  rsqrt: plain('RSQRT', 2),
  select: ({ rows }) => plain(rows === true ? 'SELECT' : 'SELECT_V2', 1),
  softmax: plain('SOFTMAX', 2, ({ attrs: { beta } }) => ({ beta })),
  space_to_batch_nd: parameterised('SPACE_TO_BATCH_ND', 2, ({ attrs }) => [
    vector(list(attrs, 'block')),
    pairs(list(attrs, 'pads')),
  ]),
  space_to_depth: plain('SPACE_TO_DEPTH', 2, ({ attrs: { block } }) => ({ block })),
  split: ({ sizes }) => (sizes === undefined ? split : splitInSizes),
  sqrt: plain('SQRT', 2),
  squared_difference: plain('SQUARED_DIFFERENCE', 2),
  squeeze: plain('SQUEEZE', 1, (view) => ({
    squeezeDims: missing(shapeOf(view), outputShape(view)),
  })),
  strided_slice: stridedSlice,
  sub: plain('SUB', 2, sumOptions),
  take: plain('GATHER', 2, ({ attrs: { axis, batchDims } }) => ({ axis, batchDims })),
  take_nd: plain('GATHER_ND', 3),
  tanh: plain('TANH', 2),
  tile: parameterised('TILE', 2, ({ attrs }) => [vector(list(attrs, 'multiples'))]),
  topk: parameterised('TOPK_V2', 2, ({ attrs }) => [[[number(attrs, 'k')], []]]),
  transpose: parameterised('TRANSPOSE', 2, ({ attrs }) => [vector(list(attrs, 'perm'))]),
  transpose_conv: transposeConv,
  unpack: plain('UNPACK', 2, ({ attrs: { axis }, outputs }) => ({ axis, count: outputs.length })),
};

/** Writers by operator of the IR. */
const writers: ReadonlyMap<string, Writers> = new Map(Object.entries(table));

/**
 * The first operator version with int16 kernels, where TFLite has such kernels
 * (tensorflow/lite/tools/versioning/op_version.cc and the kernels' registrations).
 */
const wideVersions: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ABS: 3,
    ADD: 3,
    AVERAGE_POOL_2D: 3,
    BATCH_MATMUL: 3,
    BATCH_TO_SPACE_ND: 4,
    BROADCAST_TO: 3,
    CONCATENATION: 3,
    CONV_2D: 4,
    DEPTHWISE_CONV_2D: 5,
    EXP: 2,
    EXPAND_DIMS: 1,
    FULLY_CONNECTED: 7,
    GATHER: 4,
    GATHER_ND: 3,
    LEAKY_RELU: 2,
    LOG: 2,
    LOGISTIC: 3,
    MAXIMUM: 4,
    MAX_POOL_2D: 3,
    MEAN: 3,
    MINIMUM: 4,
    MIRROR_PAD: 3,
    MUL: 4,
    PACK: 3,
    PAD: 3,
    PADV2: 3,
    QUANTIZE: 2,
    REDUCE_MAX: 3,
    REDUCE_MIN: 3,
    RELU: 3,
    RELU6: 3,
    RESHAPE: 1,
    RESIZE_BILINEAR: 4,
    RESIZE_NEAREST_NEIGHBOR: 4,
    RSQRT: 3,
    SOFTMAX: 3,
    SPACE_TO_BATCH_ND: 4,
    SPLIT: 4,
    SPLIT_V: 2,
    SQUEEZE: 1,
    STRIDED_SLICE: 4,
    SUB: 5,
    TANH: 3,
    TILE: 3,
    TRANSPOSE: 5,
    UNPACK: 4,
  }),
);

/** Whether TFLite has int16 kernels of a node's operator. */
export function hasWideForm({ op, attrs }: Pick<Node, 'op' | 'attrs'>): boolean {
  return wideVersions.has(writerFor(op, attrs)?.name ?? '');
}

function writerFor(op: string, attrs: Attrs): Writer | undefined {
  const found = writers.get(op);
  return typeof found === 'function' ? found(attrs) : found;
}

/** The writer of a node. @throws BonsaiError for an operator that TFLite lacks */
export function writerOf(view: NodeView): Writer {
  const writer = writerFor(view.node.op, view.attrs);
  if (writer === undefined) throw inexpressible(view, view.node.op);
  const isWide = view.outputs[0]?.dtype === 'int16';
  return isWide ? { ...writer, version: wideVersions.get(writer.name) ?? writer.version } : writer;
}
