/**
 * The arithmetic of operators that XNNPACK computes in TFLite's default interpreter, where it
 * differs from that of the builtin kernels: attributes that replace theirs under --rounding xnnpack.
 *
 * Sources: the delegate's conditions in tensorflow/lite/delegates/xnnpack/xnnpack_delegate.cc, the
 * arithmetic in XNNPACK's src/microparams-init.c (add, mul, lrelu, cvt, reduce), src/qs8-*,
 * src/operators/reduce-nd.c, src/s8-ibilinear and src/reference. The delegate leaves other operators,
 * types and ratios of scales to the builtin kernels: softmax, average pools, relu and relu6,
 * hard_swish and int16 are among them.
 */
import type { Attrs, Tensor } from '../../ir/graph.js';
import { sameExcess } from '../../ops/shape/window.js';
import { type ForeignOperator, unsupported } from './foreign.js';
import { codes } from './windows.js';

type Foreign = ForeignOperator<unknown>;

const { fround } = Math;

const scaleOf = (tensor: Tensor | null | undefined) => fround(tensor?.quant?.scales[0] ?? 0);

const isWithin = (ratio: number, least: number, most: number) => least <= ratio && ratio <= most;

/** Input 0's scale in units of the output's. */
const ratioOf = ({ inputs, outputs }: Foreign, position = 0) =>
  fround(scaleOf(inputs[position]) / scaleOf(outputs[0]));

/** Below 2^8, as the delegate's conditions say. */
const below256 = 256 - 2 ** -16;

const inFloat32 = { rounding: 'float' };

/** CheckTensorFloat32OrFloat16OrQCInt32Type: biases have scales, along their one dimension. */
const hasScales = (bias: Tensor | null | undefined) =>
  bias?.quant?.zeroPoints.every((zeroPoint) => zeroPoint === 0) ?? false;

/** Of weights of int4 rows that fill their bytes, with a scale for each. */
const dense = ({ inputs: [, weights, bias], isPacked }: Foreign): Attrs => {
  const fits = !isPacked || (weights?.quant?.axis != null && (weights.shape.at(-1) ?? 0) % 2 === 0);
  return fits && (bias == null || hasScales(bias)) ? inFloat32 : {};
};

/** CheckTensorQCInt4…: weights of int4 are taken for inputs of float32 alone. */
const convolution = (foreign: Foreign): Attrs => {
  if (!hasScales(foreign.inputs[2]) || foreign.isPacked) return {};
  requirePadding(foreign);
  return inFloat32;
};

/**
 * Refuses padding that XNNPACK computes without a sign, in src/operators/convolution-nhwc.c: where the windows
 * of SAME leave inputs out along an axis, it pads that axis by 2^31, so that no window is inside and
 * outputs are the biases alone. A window of 1 × 1 has no padding there.
 * @throws BonsaiError 'unsupported-attribute'
 */
function requirePadding({ where, inputs, options }: Foreign): void {
  const window = options as Readonly<Record<string, number>>;
  const [, ...extents] = inputs[0]?.shape ?? [];
  const [, ...kernels] = inputs[1]?.shape ?? [];
  if (window.padding !== codes.SAME || (kernels[0] === 1 && kernels[1] === 1)) return;
  const leavesOut = (['H', 'W'] as const).some((axis, i) => {
    const [extent = 1, kernel = 1] = [extents[i], kernels[i]];
    const [stride = 1, dilation = 1] = [window[`stride${axis}`], window[`dilation${axis}`]];
    return sameExcess(extent, kernel, stride, dilation) < 0;
  });
  if (!leavesOut) return;
  const message =
    'has SAME, and its windows leave inputs out: XNNPACK then reads no input, and its outputs are the biases alone';
  throw unsupported(where, message, 'compile it with --rounding tflm');
}

/** CalculateTransposeConvPaddings: of SAME, windows with gaps between them are left to the builtin kernel. */
const transposed = (foreign: Foreign): Attrs => {
  const { inputs, options } = foreign;
  const { strideH = 1, strideW = 1, padding } = options as Readonly<Record<string, number>>;
  const [, kernelH = 0, kernelW = 0] = inputs[1]?.shape ?? [];
  const hasGaps = padding === codes.SAME && (strideH > kernelH || strideW > kernelW);
  return (inputs[3] == null || hasScales(inputs[3])) && !hasGaps ? inFloat32 : {};
};
const withOffset = { algorithm: 'offsetFloat' };

/** CheckQuantizedBinary…: each operand's ratio to the output's scale is in [2^-10, 2^8). */
const sum = (foreign: Foreign): Attrs =>
  [0, 1].every((position) => isWithin(ratioOf(foreign, position), 2 ** -10, below256))
    ? { ratios: 'shifted' }
    : {};

const conditions: Readonly<Record<string, (foreign: Foreign) => Attrs>> = {
  ADD: sum,
  SUB: sum,
  // src/subgraph/batch-matrix-multiply.c packs input 1 without its zero point.
  BATCH_MATMUL: () => ({ ...inFloat32, ignoresSecondZeroPoint: true }),
  CONV_2D: convolution,
  DEPTHWISE_CONV_2D: convolution,
  ELU: () => withOffset,
  FULLY_CONNECTED: dense,
  LEAKY_RELU(foreign) {
    const { alpha } = foreign.options as { readonly alpha: number };
    const positive = ratioOf(foreign);
    const negative = fround(positive * fround(alpha));
    const fits =
      isWithin(positive, 2 ** -8, 2 ** 7) &&
      isWithin(Math.abs(negative), 2 ** -8, negative < 0 ? 127.998046875 : 2 ** 7);
    return fits ? { algorithm: 'sixteenBits' } : {};
  },
  LOGISTIC: () => withOffset,
  MEAN: () => withOffset,
  MUL({ inputs, outputs }) {
    const product = fround(scaleOf(inputs[0]) * scaleOf(inputs[1]));
    const ratio = fround(product / scaleOf(outputs[0]));
    return isWithin(ratio, 2 ** -16, below256) ? inFloat32 : {};
  },
  QUANTIZE: (foreign) =>
    isWithin(ratioOf(foreign), 2 ** -8, 2 ** 7) ? { algorithm: 'sixteenBits' } : {},
  RESIZE_BILINEAR: () => ({ shareBits: 11 }),
  SUM: () => withOffset,
  TANH: () => withOffset,
  TRANSPOSE_CONV: transposed,
};

const taken = new Map(Object.entries(conditions));

/** Attributes that replace those of the builtin kernels; none for what XNNPACK does not compute. */
export function xnnpackAttrs(name: string, foreign: Foreign): Attrs {
  const tensors = [...foreign.inputs.filter((tensor) => tensor?.data === null), foreign.outputs[0]];
  if (tensors.some((tensor) => tensor?.dtype !== 'int8')) return {};
  return taken.get(name)?.(foreign) ?? {};
}
