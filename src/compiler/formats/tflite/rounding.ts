/** The arithmetic in which TFLM and desktop TFLite differ: rules that shapes and types decide. */
import { clamp, roundingBefore } from '../../ops/arithmetic/quant.js';
import {
  activationOf,
  type ForeignOperator,
  integers,
  rankOf,
  shapeOf,
  unsupported,
} from './foreign.js';
import { part } from './rows.js';

interface Activated {
  readonly activation: number;
}

const upwardOf = (foreign: ForeignOperator<Activated>) =>
  roundingBefore(activationOf(foreign), 'upward');

const isInt8 = ({ outputs }: ForeignOperator<Activated>) => outputs[0]?.dtype === 'int8';

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

const ofActivated = (read: (foreign: ForeignOperator<Activated>) => object) =>
  part({ read: (foreign) => ({ ...read(foreign as unknown as ForeignOperator<Activated>) }) });

/** CONV_2D. Desktop TFLite computes grouped convolutions with its reference kernel. */
export const convolutionRounding = ofActivated((foreign) => {
  const isGrouped = shapeOf(foreign, 1, 4)[3] !== shapeOf(foreign, 0, 4)[3];
  return { rounding: isGrouped ? 'double' : matrixRounding(foreign) };
});

/** FULLY_CONNECTED. Of int16 desktop TFLite has sums of 64 bits where the bias has them, else of 32. */
export const denseRounding = ofActivated((foreign) => {
  const [input, , bias] = foreign.inputs;
  const rounding = matrixRounding(foreign);
  if (foreign.rounding !== 'tflite' || input?.dtype !== 'int16') return { rounding };
  if (bias?.dtype === 'int64') return { rounding, wideScale: 'double' };
  if (foreign.hasVectors) {
    const message = 'has sums of int16 in 32 bits: desktop TFLite rounds their halves upward';
    const hint = 'give it a bias of int64, or compile it with --rounding tflm';
    throw unsupported(foreign.where, message, hint);
  }
  return { rounding, ...(bias == null ? { biasType: 'int32' } : {}) };
});

/** DEPTHWISE_CONV_2D and TRANSPOSE_CONV. @param axis of the weights, along which the outputs are */
export const channelRounding = (axis: 0 | 3) =>
  ofActivated((foreign) => ({
    rounding: vectorRounding(foreign, shapeOf(foreign, 1, 4)[axis] ?? 0),
  }));

/**
 * MUL of int8, optimized_ops::MulElementwise: vectors saturate an output to int16 before they add its zero
 * point, which wraps.
 * @throws BonsaiError 'unsupported-attribute' where an output can wrap
 */
export const shortProducts = part({
  read(foreign) {
    const { inputs, outputs, hasVectors, isDelegated, where } = foreign;
    const [a, b, output] = [inputs[0], inputs[1], outputs[0]].map((tensor) => tensor?.quant);
    if (!hasVectors || isDelegated || outputs[0]?.dtype !== 'int8') return {};
    const zeroPointOf = (quant: typeof a) => quant?.zeroPoints[0] ?? 0;
    const scaleOf = (quant: typeof a) => quant?.scales[0] ?? 1;
    const ends = (quant: typeof a) => [-128, 127].map((q) => q - zeroPointOf(quant));
    const ratio = (scaleOf(a) * scaleOf(b)) / scaleOf(output);
    const products = ends(a).flatMap((x) => ends(b).map((y) => x * y * ratio));
    const wraps = (product: number) =>
      Math.abs(clamp(product, -32768, 32767) + zeroPointOf(output)) > 32767;
    if (!products.some(wraps)) return {};
    const message = 'has products so large that desktop TFLite wraps them around';
    throw unsupported(where, message, 'compile it with --rounding tflm');
  },
});

/** MEAN. Desktop TFLite compares the axes as stored, and has a kernel for these two alone. */
export const meanAlgorithm = part({
  read(foreign) {
    const stored = integers(foreign, 1, 'axes').join();
    const isSpatial =
      rankOf(foreign, 0) === 4 &&
      foreign.options.keepDims === true &&
      ['1,2', '2,1'].includes(stored);
    return { algorithm: foreign.rounding === 'tflite' && isSpatial ? 'spatial' : 'general' };
  },
});

/** RSQRT. */
export const rootAlgorithm = part({
  read: ({ rounding, inputs }) =>
    inputs[0]?.dtype === 'int16' && rounding !== 'tflm' ? { algorithm: 'table' } : {},
});

/** Of layers whose int8 is rounded by their shapes. */
export const ofMatrices = {
  rounding: { tflm: { rounding: 'double' }, tflite: { rounding: 'single' } },
  roundsByShape: true,
};
export const ofVectors = {
  rounding: { tflm: { rounding: 'double' }, tflite: { rounding: 'double' } },
  roundsByShape: true,
};
