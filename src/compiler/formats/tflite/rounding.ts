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

/** Of products of matrices (ruy), with sums of 32 bits: vector instructions round halves up. */
const matrixRounding = (foreign: ForeignOperator<Activated>) =>
  foreign.hasVectors ? upwardOf(foreign) : 'single';

/** optimized_ops::Quantize: vectors of 8 channels shift with vrshlq, the channels left do not. */
const vectorRounding = (foreign: ForeignOperator<Activated>, channels: number) => {
  if (foreign.rounding !== 'tflite' || !isInt8(foreign) || channels < 8) {
    return { rounding: 'double' };
  }
  const rounding = upwardOf(foreign);
  const isMixed = rounding === 'upward' && !foreign.isDelegated && channels % 8 !== 0;
  return { rounding, ...(isMixed ? { upwardChannels: channels - (channels % 8) } : {}) };
};

const ofActivated = (read: (foreign: ForeignOperator<Activated>) => object) =>
  part({ read: (foreign) => ({ ...read(foreign as unknown as ForeignOperator<Activated>) }) });

/** CONV_2D. Desktop TFLite computes grouped convolutions with its reference kernel. */
export const convolutionRounding = ofActivated((foreign) => {
  const isGrouped = shapeOf(foreign, 1, 4)[3] !== shapeOf(foreign, 0, 4)[3];
  if (foreign.rounding !== 'tflite' || isGrouped) return { rounding: 'double' };
  // Sums of int16 have 64 bits, whose rounding is another.
  return { rounding: isInt8(foreign) ? matrixRounding(foreign) : 'single' };
});

/** FULLY_CONNECTED. Of int16 desktop TFLite has sums of 64 bits where the bias has them, else of 32. */
export const denseRounding = ofActivated((foreign) => {
  const [input, , bias] = foreign.inputs;
  if (foreign.rounding !== 'tflite') return { rounding: 'double' };
  const isInt16 = input?.dtype === 'int16';
  if (isInt16 && bias?.dtype === 'int64') return { rounding: 'single', wideScale: 'double' };
  return {
    rounding: matrixRounding(foreign),
    ...(isInt16 && bias == null ? { biasType: 'int32' } : {}),
  };
});

/** DEPTHWISE_CONV_2D and TRANSPOSE_CONV. @param axis of the weights, along which the outputs are */
export const channelRounding = (axis: 0 | 3) =>
  ofActivated((foreign) => vectorRounding(foreign, shapeOf(foreign, 1, 4)[axis] ?? 0));

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
