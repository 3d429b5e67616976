/** The list of operators, one line each. */
import { InternalError } from '../../errors.js';
import type { Node } from '../ir/graph.js';
import type { OpDef, OpTable } from '../ir/op.js';
import { abs } from './abs.js';
import { add } from './add.js';
import { addN } from './add_n.js';
import { argExtreme } from './arg_extreme.js';
import { assign } from './assign.js';
import { averagePool2d } from './average_pool2d.js';
import { batchMatmul } from './batch_matmul.js';
import { batchToSpaceNd } from './batch_to_space_nd.js';
import { broadcastTo } from './broadcast_to.js';
import { bucketize } from './bucketize.js';
import { cast } from './cast.js';
import { compare } from './compare.js';
import { concatenation } from './concatenation.js';
import { conv2d } from './conv2d.js';
import { conv3d } from './conv3d.js';
import { conv3dTranspose } from './conv3d_transpose.js';
import { cumsum } from './cumsum.js';
import { depthToSpace } from './depth_to_space.js';
import { depthwiseConv2d } from './depthwise_conv2d.js';
import { dequantize } from './dequantize.js';
import { div } from './div.js';
import { dynamicUpdateSlice } from './dynamic_update_slice.js';
import { elu } from './elu.js';
import { expandDims } from './expand_dims.js';
import { fullyConnected } from './fully_connected.js';
import { gather } from './gather.js';
import { gatherNd } from './gather_nd.js';
import { hardSwish } from './hard_swish.js';
import { branch } from './if.js';
import { interleave } from './interleave.js';
import { l2Normalization } from './l2_normalization.js';
import { l2Pool2d } from './l2_pool2d.js';
import { leakyRelu } from './leaky_relu.js';
import { log } from './log.js';
import { logSoftmax } from './log_softmax.js';
import { logistic } from './logistic.js';
import { lstm } from './lstm.js';
import { maxPool2d } from './max_pool2d.js';
import { mean } from './mean.js';
import { mirrorPad } from './mirror_pad.js';
import { mul } from './mul.js';
import { neg } from './neg.js';
import { oneHot } from './one_hot.js';
import { pack } from './pack.js';
import { pad } from './pad.js';
import { prelu } from './prelu.js';
import { push } from './push.js';
import { quantize } from './quantize.js';
import { reduceAll } from './reduce_all.js';
import { reduceAny } from './reduce_any.js';
import { reduceMax } from './reduce_max.js';
import { reduceMin } from './reduce_min.js';
import { reduceProd } from './reduce_prod.js';
import { reduceSum } from './reduce_sum.js';
import { relu6 } from './relu6.js';
import { reshape } from './reshape.js';
import { resizeBilinear } from './resize_bilinear.js';
import { resizeNearestNeighbor } from './resize_nearest_neighbor.js';
import { reverseSequence } from './reverse_sequence.js';
import { rsqrt } from './rsqrt.js';
import { scalarOperators } from './scalar.js';
import { select } from './select.js';
import { softmax } from './softmax.js';
import { spaceToBatchNd } from './space_to_batch_nd.js';
import { spaceToDepth } from './space_to_depth.js';
import { split } from './split.js';
import { sqrt } from './sqrt.js';
import { squaredDifference } from './squared_difference.js';
import { squeeze } from './squeeze.js';
import { stridedSlice } from './strided_slice.js';
import { sub } from './sub.js';
import { svdf } from './svdf.js';
import { take } from './take.js';
import { takeNd } from './take_nd.js';
import { tanh } from './tanh.js';
import { tile } from './tile.js';
import { topk } from './topk.js';
import { transpose } from './transpose.js';
import { transposeConv } from './transpose_conv.js';
import { unpack } from './unpack.js';
import { loop } from './while.js';

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own attributes.
const all: readonly OpDef<any>[] = [
  ...scalarOperators,
  abs,
  add,
  assign,
  addN,
  argExtreme,
  cast,
  compare,
  select,
  averagePool2d,
  batchMatmul,
  batchToSpaceNd,
  concatenation,
  conv2d,
  conv3d,
  conv3dTranspose,
  cumsum,
  depthToSpace,
  depthwiseConv2d,
  dequantize,
  div,
  dynamicUpdateSlice,
  elu,
  expandDims,
  fullyConnected,
  gather,
  gatherNd,
  hardSwish,
  branch,
  interleave,
  l2Normalization,
  l2Pool2d,
  loop,
  leakyRelu,
  log,
  logSoftmax,
  logistic,
  lstm,
  maxPool2d,
  mean,
  mirrorPad,
  mul,
  neg,
  oneHot,
  pack,
  pad,
  push,
  prelu,
  quantize,
  reduceAny,
  reduceAll,
  reduceMax,
  reduceMin,
  reduceProd,
  reduceSum,
  relu6,
  reshape,
  resizeBilinear,
  resizeNearestNeighbor,
  reverseSequence,
  rsqrt,
  softmax,
  spaceToBatchNd,
  spaceToDepth,
  split,
  sqrt,
  squaredDifference,
  squeeze,
  stridedSlice,
  sub,
  svdf,
  take,
  takeNd,
  tanh,
  tile,
  topk,
  transpose,
  transposeConv,
  broadcastTo,
  bucketize,
  unpack,
];

export const operators: OpTable = new Map(all.map((op) => [op.name, op]));

/** The definition of a node's operator. */
export function opOf(node: Pick<Node<object>, 'op'>): OpDef {
  const op = operators.get(node.op);
  if (op === undefined) throw new InternalError('ops', `no operator "${node.op}"`);
  return op;
}

/** Whether the operator's kernel is a list of copies: all integers stay as they are. */
export function isMoving(node: Pick<Node<object>, 'op'>): boolean {
  return 'moves' in opOf(node);
}
