/** The kernels of every operator, the most capable first. */
import { InternalError } from '../../errors.js';
import type { Node, NodeView } from '../ir/graph.js';
import { computedTypes, type Facts, type OpDef, typesOf } from '../ir/op.js';
import { addition } from '../ops/add.js';
import { binaryTypes } from '../ops/arithmetic/binary.js';
import type { Elementwise } from '../ops/arithmetic/lookup.js';
import type { Tabulated } from '../ops/arithmetic/tabulated.js';
import { assign } from '../ops/assign.js';
import { batchMatmul } from '../ops/batch_matmul.js';
import { batchToSpaceNd } from '../ops/batch_to_space_nd.js';
import { broadcastTo } from '../ops/broadcast_to.js';
import { concatenation } from '../ops/concatenation.js';
import { type Conv2dAttrs, conv2dDims } from '../ops/conv2d.js';
import { depthToSpace } from '../ops/depth_to_space.js';
import { type DepthwiseConv2dAttrs, depthwiseDims } from '../ops/depthwise_conv2d.js';
import { division } from '../ops/div.js';
import { expandDims } from '../ops/expand_dims.js';
import { type FullyConnectedAttrs, rowCount } from '../ops/fully_connected.js';
import { gather } from '../ops/gather.js';
import { gatherNd } from '../ops/gather_nd.js';
import { opOf } from '../ops/index.js';
import { interleave } from '../ops/interleave.js';
import { mean } from '../ops/mean.js';
import { mirrorPad } from '../ops/mirror_pad.js';
import { multiplication } from '../ops/mul.js';
import { pack } from '../ops/pack.js';
import { pad } from '../ops/pad.js';
import { leak } from '../ops/prelu.js';
import { quantize } from '../ops/quantize.js';
import { productTypes } from '../ops/reduce_prod.js';
import { reduceSum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { resizeNearestNeighbor } from '../ops/resize_nearest_neighbor.js';
import { type RsqrtAttrs, rsqrtLines } from '../ops/rsqrt.js';
import { type ScalarOperator, scalars } from '../ops/scalar.js';
import type { Moving } from '../ops/shape/movement.js';
import type { PoolAttrs } from '../ops/shape/pool.js';
import { spaceToBatchNd } from '../ops/space_to_batch_nd.js';
import { spaceToDepth } from '../ops/space_to_depth.js';
import { split } from '../ops/split.js';
import { difference } from '../ops/squared_difference.js';
import { squeeze } from '../ops/squeeze.js';
import { stridedSlice } from '../ops/strided_slice.js';
import { subtraction } from '../ops/sub.js';
import { tile } from '../ops/tile.js';
import { transpose } from '../ops/transpose.js';
import { unpack } from '../ops/unpack.js';
import { matched } from './calls.js';
import { smladDepthwise, smladDepthwise3x3 } from './dsp/depthwise.js';
import { smladDepthwiseTaps } from './dsp/depthwise-taps.js';
import { smladFewChannels } from './dsp/few.js';
import { smladLstm } from './dsp/lstm.js';
import { smladConvolution, smladRows } from './dsp/multiply.js';
import { wordMaxPool } from './dsp/pool.js';
import { sparseConvolutions, sparseRows } from './dsp/sparse.js';
import { smladDots } from './dsp/wide.js';
import { packedKernel, pairKernel } from './encoding/index.js';
import {
  convolutionOf,
  depthwiseOf,
  fullyConnectedOf,
  isPointwise,
  rowConvolutionOf,
} from './layout/convolution.js';
import { inIntegers } from './layout/float-stage.js';
import { residualVariants } from './layout/residual.js';
import { wideRows } from './layout/wide-rows.js';
import { vectorProduct, vectorSum } from './mve/binary.js';
import { vectorConvolutions, vectorFullyConnected } from './mve/conv2d.js';
import { vectorDepthwise } from './mve/depthwise.js';
import { vectorFilters } from './mve/filters.js';
import { vectorMean } from './mve/mean.js';
import { vectorPixels } from './mve/pixels.js';
import { vectorAveragePool, vectorMaxPool } from './mve/pool.js';
import { gatheredConvolution, gatheredRow } from './mve/sparse.js';
import { wideVectorDepthwise } from './mve/wide-depthwise.js';
import { argExtremeVariant } from './portable/arg_extreme.js';
import { batchMatmulVariant } from './portable/batch_matmul.js';
import { productVariants, sumVariants } from './portable/binary.js';
import { conv2dVariant, pointwiseVariant, transposeConvVariant } from './portable/conv2d.js';
import { copyVariants } from './portable/copy.js';
import { cumsumVariant } from './portable/cumsum.js';
import { curveVariant } from './portable/curve16.js';
import { byFourVariant, depthwiseVariant } from './portable/depthwise_conv2d.js';
import { foldingVariant } from './portable/folding.js';
import { fullyConnectedVariant } from './portable/fully_connected.js';
import { l2NormalizationVariant } from './portable/l2_normalization.js';
import { inverseRootVariant, linesVariant } from './portable/lines.js';
import {
  bucketizeVariant,
  oneHotVariant,
  reverseSequenceVariant,
  topkVariant,
} from './portable/lists.js';
import { lookupVariants } from './portable/lookup.js';
import { lstmVariant, realLstm } from './portable/lstm.js';
import { extremeVariant, sumVariant } from './portable/mean.js';
import { pairVariants } from './portable/pairs.js';
import { addNVariant, castVariant, scalarVariant } from './portable/plain.js';
import { poolVariant } from './portable/pool.js';
import { pushVariant } from './portable/push.js';
import {
  realConvolution,
  realDepthwise,
  realFullyConnected,
  realPool,
  realTransposeConv,
} from './portable/real.js';
import {
  dequantizeVariant,
  quantizeVariant,
  requantizeVariant,
  wideAbs,
  wideLeakyRelu,
  wideRelu,
  wideRelu6,
} from './portable/rescale.js';
import { realResizeBilinear, resizeBilinearVariant } from './portable/resize_bilinear.js';
import { selectVariant } from './portable/select.js';
import { logSoftmaxVariants, softmaxVariants } from './portable/softmax.js';
import { svdfVariant } from './portable/svdf.js';
import { takeNdVariant, takeVariant } from './portable/take.js';
import { updateSliceVariant } from './portable/update_slice.js';
import { conv3dTransposeVariant, conv3dVariant } from './portable/volume.js';
import {
  wideConvolution,
  wideDepthwise,
  wideFullyConnected,
  wideTransposeConv,
} from './portable/wide.js';
import { rv32Convolution } from './rv32/conv2d.js';
import { rv32Depthwise } from './rv32/depthwise.js';
import { rv32FullyConnected } from './rv32/fully-connected.js';
import { rv32Pixels, rv32SparsePixels } from './rv32/pixels.js';
import { rv32Row } from './rv32/row.js';
import { packedAveragePool, reciprocalOfAll } from './swar/average_pool2d.js';
import { lanesKernel } from './swar/conv2d.js';
import { packedMaxPool, wordRowsMaxPool } from './swar/max_pool2d.js';
import { pixelsKernel, sparsePixelsKernel } from './swar/pixels.js';
import { sparseRowKernel } from './swar/sparse-row.js';
import { codedConvolution } from './thumb1/conv2d.js';
import { packedDepthwise } from './thumb1/depthwise.js';
import { pairedDepthwise } from './thumb1/depthwise-pairs.js';
import { windowedDepthwise } from './thumb1/depthwise-windows.js';
import { dotRows } from './thumb1/fully-connected.js';
import { thumb1Planes, thumb1Row } from './thumb1/row.js';
import { byteDots } from './thumb1/wide.js';
import {
  answers,
  type KernelContext,
  type Kernels,
  type KernelVariant,
  type Match,
  type MatchContext,
  type MatchedKernel,
  type VariantTraits,
} from './variant.js';
import { slidingDepthwise } from './xtensa/depthwise.js';

const isOneGroup = (view: NodeView<Conv2dAttrs>) => conv2dDims(view).groups === 1;

/** Each output channel reads the one input channel, as in a depthwise convolution. */
const isOneChannel = (view: NodeView<Conv2dAttrs>) => conv2dDims(view).inC === 1;

const isOneFilter = (view: NodeView<Conv2dAttrs>) =>
  isOneGroup(view) && conv2dDims(view).outC === 1;

const convolutions: Kernels<Conv2dAttrs> = {
  variants: residualVariants([
    ...smladRows(isPointwise, convolutionOf),
    smladConvolution(isOneGroup, convolutionOf),
    smladDepthwise(isOneChannel, convolutionOf),
    smladFewChannels(isOneGroup, rowConvolutionOf),
    ...sparseConvolutions(isOneGroup, convolutionOf),
    ...vectorConvolutions(isOneGroup, convolutionOf),
    vectorPixels(isOneGroup, rowConvolutionOf, { isDepthwise: false }),
    gatheredConvolution(isOneGroup, convolutionOf),
    codedConvolution(isOneGroup, convolutionOf),
    packedDepthwise(isOneChannel, convolutionOf),
    ...pairedDepthwise((view) => isOneChannel(view) || isOneFilter(view), convolutionOf),
    rv32Convolution(isOneGroup, convolutionOf),
    rv32Depthwise(isOneChannel, convolutionOf),
    rv32Row(isOneGroup, convolutionOf),
    thumb1Row(isOneGroup, convolutionOf),
    ...thumb1Planes.map((variant) => variant(isOneGroup, convolutionOf)),
    rv32Pixels(isOneGroup, rowConvolutionOf),
    rv32SparsePixels(isOneGroup, rowConvolutionOf),
    lanesKernel(isOneGroup, rowConvolutionOf),
    pixelsKernel(isOneGroup, rowConvolutionOf),
    sparsePixelsKernel(isOneGroup, rowConvolutionOf),
    pointwiseVariant,
    conv2dVariant,
    inIntegers(packedKernel('packed', isOneGroup, convolutionOf)),
    inIntegers(packedKernel('coded', isOneGroup, convolutionOf)),
    wideRows(smladDots, isOneGroup, convolutionOf),
    wideRows(byteDots, isOneGroup, convolutionOf),
    wideConvolution,
    realConvolution,
  ]),
};

const isOneToOne = ({ attrs }: NodeView<DepthwiseConv2dAttrs>) => attrs.depthMultiplier === 1;

/** All output channels read the same input channel: a plain convolution. */
const isOneInput = (view: NodeView<DepthwiseConv2dAttrs>) => depthwiseDims(view).inC === 1;

const depthwiseConvolutions: Kernels<DepthwiseConv2dAttrs> = {
  variants: residualVariants([
    smladDepthwise(() => true, depthwiseOf),
    smladDepthwise3x3(isOneToOne, depthwiseOf),
    smladDepthwiseTaps(depthwiseOf),
    smladFewChannels(isOneInput, depthwiseOf),
    packedDepthwise(() => true, depthwiseOf),
    codedConvolution(() => true, depthwiseOf),
    rv32Depthwise(() => true, depthwiseOf),
    rv32Row(() => true, depthwiseOf),
    thumb1Row(() => true, depthwiseOf),
    windowedDepthwise(isOneToOne, depthwiseOf),
    ...pairedDepthwise(() => true, depthwiseOf),
    slidingDepthwise(isOneToOne, depthwiseOf),
    vectorDepthwise(depthwiseOf),
    ...vectorConvolutions(isOneInput, depthwiseOf),
    vectorFilters(depthwiseOf),
    vectorPixels(() => true, depthwiseOf, { isDepthwise: true }),
    wideVectorDepthwise(isOneToOne, depthwiseOf),
    byFourVariant,
    depthwiseVariant,
    wideDepthwise,
    realDepthwise,
  ]),
};

const isRow = (view: NodeView<FullyConnectedAttrs>) => rowCount(view) === 1;
const isRows = (view: NodeView<FullyConnectedAttrs>) => rowCount(view) > 1;

const fullyConnectedLayers: Kernels<FullyConnectedAttrs> = {
  variants: residualVariants([
    ...smladRows(() => true, fullyConnectedOf),
    smladConvolution(isRows, fullyConnectedOf),
    smladFewChannels(() => true, fullyConnectedOf),
    ...sparseRows(isRow, fullyConnectedOf),
    ...sparseConvolutions(isRows, fullyConnectedOf),
    ...vectorFullyConnected(fullyConnectedOf),
    gatheredRow(isRow, fullyConnectedOf),
    gatheredConvolution(isRows, fullyConnectedOf),
    ...rv32FullyConnected(isRow, fullyConnectedOf),
    rv32Row(isRow, fullyConnectedOf),
    thumb1Row(isRow, fullyConnectedOf),
    ...thumb1Planes.map((variant) => variant(isRow, fullyConnectedOf)),
    rv32Pixels(isRows, fullyConnectedOf),
    rv32SparsePixels(isRows, fullyConnectedOf),
    dotRows(fullyConnectedOf),
    lanesKernel(() => true, fullyConnectedOf),
    sparseRowKernel(isRow, fullyConnectedOf),
    fullyConnectedVariant,
    inIntegers(packedKernel('packed', () => true, fullyConnectedOf)),
    inIntegers(packedKernel('coded', () => true, fullyConnectedOf)),
    inIntegers(pairKernel(fullyConnectedOf)),
    wideRows(smladDots, () => true, fullyConnectedOf),
    wideRows(byteDots, () => true, fullyConnectedOf),
    wideFullyConnected,
    realFullyConnected,
  ]),
};

const averages = {
  name: 'average_pool2d',
  cycles: 120,
  quick: {
    cycles: 50,
    numbers(view: NodeView<PoolAttrs>) {
      const reciprocal = reciprocalOfAll(view);
      return reciprocal === null ? null : { reciprocal };
    },
  },
};

// biome-ignore lint/suspicious/noExplicitAny: each operator has its own attributes.
type Any = any;

/** Of an operator that is tabulated. */
const tabulatedLines = linesVariant((view) =>
  (opOf(view.node) as OpDef & Tabulated<object>).lines(view),
);
const rsqrtTable = (view: NodeView<RsqrtAttrs>) =>
  view.attrs.algorithm === 'table' ? rsqrtLines(view) : null;

/** The stored integers are compared, without constants. */
const asStored = () => ({ numbers: {} });

/** Kernels of quantized elements, but for look-ups of int8; scalars' of others are derived. */
const quantizedKernels = new Map<string, readonly KernelVariant<Any>[]>(
  Object.entries({
    abs: [wideAbs],
    exp: [tabulatedLines],
    gelu: [tabulatedLines],
    leaky_relu: [wideLeakyRelu],
    log: [tabulatedLines],
    logistic: [curveVariant('unsigned')],
    relu: [wideRelu],
    relu6: [wideRelu6],
    rsqrt: [inverseRootVariant, linesVariant(rsqrtTable)],
    tanh: [curveVariant('signed')],

    add: [...sumVariants(addition, { subtract: false }), vectorSum(addition, { subtract: false })],
    div: pairVariants('portable/div', 'quotient', division),
    maximum: pairVariants('portable/maximum', 'maximum', asStored),
    minimum: pairVariants('portable/minimum', 'minimum', asStored),
    mul: [...productVariants(multiplication), vectorProduct(multiplication)],
    prelu: pairVariants('portable/prelu', 'prelu', leak, binaryTypes),
    squared_difference: pairVariants(
      ...(['portable/squared_difference', 'squared_difference', difference, binaryTypes] as const),
    ),
    sub: [
      ...sumVariants(subtraction, { subtract: true }),
      vectorSum(subtraction, { subtract: true }),
    ],
  }),
);

function scalarKernels(scalar: ScalarOperator): readonly KernelVariant<Any>[] {
  const op = opOf({ op: scalar.name });
  return [
    ...('segments' in op && typesOf(op).includes('int8') ? lookupVariants(op as Elementwise) : []),
    ...(quantizedKernels.get(scalar.name) ?? []),
    scalarVariant(scalar),
  ];
}

const movements: readonly Moving<Any>[] = [
  assign,
  batchToSpaceNd,
  concatenation,
  depthToSpace,
  expandDims,
  gather,
  gatherNd,
  interleave,
  mirrorPad,
  pack,
  pad,
  reshape,
  resizeNearestNeighbor,
  spaceToBatchNd,
  spaceToDepth,
  split,
  squeeze,
  stridedSlice,
  tile,
  transpose,
  broadcastTo,
  unpack,
];

const kernels: ReadonlyMap<string, Kernels<Any>> = new Map<string, Kernels<Any>>([
  [
    'average_pool2d',
    {
      variants: [
        vectorAveragePool(),
        packedAveragePool(),
        poolVariant(averages),
        realPool('average_pool2d', 'mean'),
      ],
    },
  ],
  [batchMatmul.name, { variants: [batchMatmulVariant] }],
  ['conv2d', convolutions],
  ['conv3d', { variants: [conv3dVariant] }],
  ['conv3d_transpose', { variants: [conv3dTransposeVariant] }],
  ['depthwise_conv2d', depthwiseConvolutions],
  ['fully_connected', fullyConnectedLayers],
  ['l2_normalization', { variants: [l2NormalizationVariant] }],
  ['l2_pool2d', { variants: [realPool('l2_pool2d', 'root')] }],
  [
    'max_pool2d',
    {
      variants: [
        vectorMaxPool(),
        wordMaxPool(),
        wordRowsMaxPool(),
        packedMaxPool(),
        poolVariant({ name: 'max_pool2d', cycles: 20 }),
        realPool('max_pool2d', 'maximum'),
      ],
    },
  ],
  [mean.name, { variants: [vectorMean, sumVariant(mean)] }],
  ['svdf', { variants: [svdfVariant] }],
  ['lstm', { variants: [smladLstm, lstmVariant, realLstm] }],
  ['push', { variants: [pushVariant] }],
  ['reduce_max', { variants: [extremeVariant(true)] }],
  [reduceSum.name, { variants: [sumVariant(reduceSum)] }],
  ['reduce_min', { variants: [extremeVariant(false)] }],
  ['resize_bilinear', { variants: [resizeBilinearVariant, realResizeBilinear] }],
  ['log_softmax', { variants: logSoftmaxVariants }],
  ['softmax', { variants: softmaxVariants }],
  ['transpose_conv', { variants: [transposeConvVariant, wideTransposeConv, realTransposeConv] }],
  ['add_n', { variants: [addNVariant] }],
  ['arg_extreme', { variants: [argExtremeVariant] }],
  ['bucketize', { variants: [bucketizeVariant] }],
  ['one_hot', { variants: [oneHotVariant] }],
  ['reduce_all', { variants: [foldingVariant('all', ['bool'])] }],
  ['reduce_any', { variants: [foldingVariant('any', ['bool'])] }],
  ['reduce_prod', { variants: [foldingVariant('product', productTypes)] }],
  ['reverse_sequence', { variants: [reverseSequenceVariant] }],
  ['topk', { variants: [topkVariant] }],
  ['take', { variants: [takeVariant] }],
  ['take_nd', { variants: [takeNdVariant] }],
  ['cumsum', { variants: [cumsumVariant] }],
  ['dynamic_update_slice', { variants: [updateSliceVariant] }],
  // No graph that is planned has a node that owns graphs.
  ['if', { variants: [] }],
  ['while', { variants: [] }],
  ['select', { variants: [selectVariant] }],
  ['dequantize', { variants: [dequantizeVariant] }],
  ['cast', { variants: [castVariant] }],
  ['quantize', { variants: [...lookupVariants(quantize), requantizeVariant, quantizeVariant] }],
  ...[...scalars.values()].map(
    (scalar) => [scalar.name, { variants: scalarKernels(scalar) }] as const,
  ),
  ...movements.map((op) => [op.name, { variants: copyVariants(op) }] as const),
]);

/** The kernels of a node's operator. */
export function kernelsOf(node: Pick<Node<object>, 'op'>): Kernels {
  const found = kernels.get(node.op);
  if (found === undefined) throw new InternalError('kernels', `no kernel of "${node.op}"`);
  return found;
}

/**
 * The kernels that match a node, in the order of its operator's list.
 *
 * @param isWanted selects variants; others are not matched
 */
export function matchesOf(
  view: NodeView,
  context: KernelContext,
  isWanted: (variant: VariantTraits) => boolean,
): readonly Match[] {
  const { asked, kernels } = matchesKnown(view.node, context);
  const used = computedTypes(view);
  return kernelsOf(view.node)
    .variants.filter(isWanted)
    .filter(({ goals }) => goals?.includes(context.optimize) ?? true)
    .filter((variant) => used.every((type) => typesOf(variant).includes(type)))
    .flatMap((variant): Match[] => {
      let kernel = kernels.get(variant);
      if (kernel === undefined) {
        const match = () => variant.match(view, asked);
        kernel = matched(variant.template, context.optimize, match);
        kernels.set(variant, kernel);
      }
      return kernel === null ? [] : [{ variant, kernel }];
    });
}

/** The variants that a node was matched to, for targets that agree on what kernels depend on. */
interface KnownMatches {
  readonly asked: MatchContext;
  readonly kernels: Map<unknown, MatchedKernel | null>;
}

/** By facts, which belong to a graph: the boards of `inspect` and `compare` ask for the same nodes. */
const known = new WeakMap<Facts, WeakMap<Node, Map<string, KnownMatches>>>();

function matchesKnown(node: Node, { facts, target, optimize }: KernelContext): KnownMatches {
  const ofFacts = known.get(facts) ?? new WeakMap<Node, Map<string, KnownMatches>>();
  known.set(facts, ofFacts);
  const ofNode = ofFacts.get(node) ?? new Map<string, KnownMatches>();
  ofFacts.set(node, ofNode);
  const isDual = target.features.has('dual');
  const hasRegions = target.regions !== undefined;
  const key = `${optimize} ${isDual} ${hasRegions}`;
  const found = ofNode.get(key) ?? {
    asked: { facts, optimize, target: { isDual, hasRegions }, shared: answers() },
    kernels: new Map(),
  };
  ofNode.set(key, found);
  return found;
}
