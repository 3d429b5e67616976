/** The traces of all operators, by their names in src/ops. */
import { InternalError } from '../../errors.js';
import type { Node } from '../../ir/graph.js';
import { conv2d } from './conv2d.js';
import { depthwiseConv2d } from './depthwise_conv2d.js';
import {
  abs,
  add,
  batchMatmul,
  dequantize,
  div,
  elu,
  exp,
  gelu,
  hardSwish,
  leakyRelu,
  log,
  logistic,
  maximum,
  minimum,
  mul,
  neg,
  prelu,
  quantize,
  relu,
  relu0To1,
  relu6,
  reluN1To1,
  rsqrt,
  sqrt,
  squaredDifference,
  sub,
  tanh,
} from './elementwise.js';
import { fullyConnected } from './fully_connected.js';
import {
  concatenation,
  mean,
  moved,
  pad,
  reduceMax,
  reduceMin,
  reduceSum,
  resizeBilinear,
  resizeNearestNeighbor,
  sameElements,
  softmax,
  split,
  stridedSlice,
  transpose,
} from './movement.js';
import { averagePool2d, maxPool2d } from './pools.js';
import type { Trace } from './trace.js';
import { transposeConv } from './transpose_conv.js';

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own attributes.
type AnyTrace = Trace<any>;

const traces: ReadonlyMap<string, AnyTrace> = new Map(
  Object.entries<AnyTrace>({
    abs,
    add,
    average_pool2d: averagePool2d,
    batch_matmul: batchMatmul,
    batch_to_space_nd: moved,
    concatenation,
    conv2d,
    depth_to_space: moved,
    depthwise_conv2d: depthwiseConv2d,
    dequantize,
    div,
    elu,
    exp,
    expand_dims: sameElements,
    fully_connected: fullyConnected,
    gather: moved,
    gather_nd: moved,
    gelu,
    hard_swish: hardSwish,
    leaky_relu: leakyRelu,
    log,
    logistic,
    max_pool2d: maxPool2d,
    maximum,
    mean,
    minimum,
    mirror_pad: moved,
    mul,
    neg,
    pack: moved,
    pad,
    prelu,
    quantize,
    reduce_max: reduceMax,
    reduce_min: reduceMin,
    reduce_sum: reduceSum,
    relu,
    relu6,
    relu_0_to_1: relu0To1,
    relu_n1_to_1: reluN1To1,
    reshape: sameElements,
    resize_bilinear: resizeBilinear,
    resize_nearest_neighbor: resizeNearestNeighbor,
    rsqrt,
    softmax,
    space_to_batch_nd: moved,
    space_to_depth: moved,
    split,
    sqrt,
    squared_difference: squaredDifference,
    squeeze: sameElements,
    strided_slice: stridedSlice,
    sub,
    tanh,
    tile: moved,
    transpose,
    transpose_conv: transposeConv,
    broadcast_to: moved,
    unpack: moved,
  }),
);

export const tracedOperators: readonly string[] = [...traces.keys()];

export function traceOf({ op }: Pick<Node<object>, 'op'>): Trace {
  const trace = traces.get(op);
  if (trace === undefined) throw new InternalError('compress', `no trace of "${op}"`);
  return trace;
}
