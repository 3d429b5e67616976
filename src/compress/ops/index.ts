/** The traces of all operators, by their names in src/compiler/ops. */

import type { Node } from '../../compiler/ir/graph.js';
import { InternalError } from '../../errors.js';
import { conv2d } from './conv2d.js';
import { depthwiseConv2d } from './depthwise_conv2d.js';
import { addN, batchMatmul, same, scalarTraces, select } from './elementwise.js';
import { fullyConnected } from './fully_connected.js';
import {
  argExtreme,
  concatenation,
  cumsum,
  l2Normalization,
  logSoftmax,
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
  untraced,
} from './movement.js';
import { averagePool2d, l2Pool2d, maxPool2d } from './pools.js';
import type { Trace } from './trace.js';
import { transposeConv } from './transpose_conv.js';

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own attributes.
type AnyTrace = Trace<any>;

const traces: ReadonlyMap<string, AnyTrace> = new Map(
  Object.entries<AnyTrace>({
    ...scalarTraces,
    add_n: addN,
    arg_extreme: argExtreme,
    average_pool2d: averagePool2d,
    batch_matmul: batchMatmul,
    batch_to_space_nd: moved,
    bucketize: untraced,
    cast: same,
    concatenation,
    conv2d,
    conv3d: untraced,
    conv3d_transpose: untraced,
    cumsum,
    depth_to_space: moved,
    depthwise_conv2d: depthwiseConv2d,
    dequantize: same,
    dynamic_update_slice: untraced,
    expand_dims: sameElements,
    fully_connected: fullyConnected,
    gather: moved,
    gather_nd: moved,
    l2_normalization: l2Normalization,
    l2_pool2d: l2Pool2d,
    log_softmax: logSoftmax,
    max_pool2d: maxPool2d,
    mean,
    mirror_pad: moved,
    one_hot: untraced,
    pack: moved,
    pad,
    quantize: same,
    reduce_all: untraced,
    reduce_any: untraced,
    reduce_max: reduceMax,
    reduce_min: reduceMin,
    reduce_prod: untraced,
    reduce_sum: reduceSum,
    reshape: sameElements,
    resize_bilinear: resizeBilinear,
    resize_nearest_neighbor: resizeNearestNeighbor,
    reverse_sequence: untraced,
    select,
    softmax,
    space_to_batch_nd: moved,
    space_to_depth: moved,
    split,
    squeeze: sameElements,
    strided_slice: stridedSlice,
    take: untraced,
    take_nd: untraced,
    tile: moved,
    topk: untraced,
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
