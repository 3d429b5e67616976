/** Shared by conv2d, depthwise_conv2d and fully_connected: operands, checks, the output stage. */
import { BonsaiError } from '../../../errors.js';
import { rangeOfType } from '../../ir/dtypes.js';
import {
  allocate,
  at,
  type DType,
  elementCount,
  type NodeView,
  type Tensor,
} from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import { inputOf, outputOf, quantizeHint } from '../shape/operands.js';
import { sameBounds } from './bounds.js';
import { floatStage, upwardStage } from './float-stage.js';
import {
  type Activation,
  activationRange,
  clamp,
  fitsReduced,
  floatOfBits,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  multiplyReduced,
  nudgeOfWord,
  perTensor,
  quantizeMultiplier,
  type ReducedMultiplier,
  type Rounding,
  reducedMultiplier,
  roundHalfAwayFromZero,
  roundHalfToEven,
} from './quant.js';
import { checkReal } from './real.js';
import type { SumRatios } from './sum.js';

export interface AccumulationAttrs {
  readonly activation: Activation;
  /**
   * Resolved at import: the rounding of TFLM, of desktop TFLite for this operator, or XNNPACK's
   * ('float'). The output stage has other integers instead of 'float' and 'upward', where it proves
   * that the bits are the same.
   */
  readonly rounding: Rounding;
  /**
   * A pass has added −zeroPoint · Σ weights to each bias. Raw input values are multiplied, and a
   * padded tap counts as the zero point. The results are the same.
   */
  readonly zeroPointFolded?: boolean;
  /**
   * The scale and zero point of the int8 result to which a residual is added (residual.ts): input 3
   * is added to that result after `activation` has clamped it.
   */
  readonly midScale?: number;
  readonly midZeroPoint?: number;
  /** The activation that clamps the residual sum. */
  readonly addActivation?: Activation;
  /** For int16 inputs without a bias: the type that the bias would have. Default: int64. */
  readonly biasType?: 'int32' | 'int64';
  /**
   * double: sums of 64 bits are multiplied by a double, and halves rounded away from zero: int16
   * FULLY_CONNECTED of desktop TFLite. Default: 15 bits of a multiplier.
   */
  readonly wideScale?: 'double';
  /** The arithmetic of the residual sum; default 'double'. */
  readonly addRatios?: SumRatios;
}

/** The result of the output stage: the output, or the tensor to which a residual is added. */
export function stageOutput(view: NodeView<AccumulationAttrs>): Tensor {
  const { midScale, midZeroPoint } = view.attrs;
  const output = outputOf(view);
  if (midScale === undefined || midZeroPoint === undefined) return output;
  return { ...output, quant: { scales: [midScale], zeroPoints: [midZeroPoint], axis: null } };
}

/** The parameters that turn an accumulator into an output, one entry per channel. */
export interface OutputStage {
  /** Zeros where the operator has no bias. */
  readonly biases: Int32Array;
  readonly multipliers: readonly Multiplier[];
  /**
   * Accumulators have 64 bits, and are multiplied by 15 bits of the multiplier: int16 inputs, unless
   * the bias is int32 (MultiplyByQuantizedMultiplier(int64_t, …) of kernels/internal/common.cc).
   */
  readonly wide?: {
    readonly multipliers: readonly ReducedMultiplier[];
    /** Magnitudes are below 2^47. */
    readonly biases: Float64Array;
    /** Of each channel, instead of the multipliers: `wideScale`. */
    readonly scales?: Float64Array;
  };
  readonly rounding: Rounding;
  /** XNNPACK's float32 scale of each channel, with which the multipliers agree. */
  readonly scales?: readonly number[];
  readonly zeroPoint: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The derivation of a channel's real multiplier.
 * per-channel: in double, as PopulateConvolutionQuantizationParams does (kernel_util.cc).
 * per-tensor: the product of input and weight scale in float32, as GetQuantizedConvolutionMultipler
 * does; fully_connected uses it for a single weight scale.
 */
export type ScaleProduct = 'per-channel' | 'per-tensor';

export function outputStage(
  view: NodeView<AccumulationAttrs>,
  channels: number,
  product: ScaleProduct,
): OutputStage {
  const { attrs } = view;
  const where = at(view.node);
  const output = stageOutput(view);
  const weights = inputOf(view, 1);
  const inputScale = Math.fround(perTensor(inputOf(view, 0), where).scale);
  const { scale, zeroPoint } = perTensor(output, where);
  const outputScale = Math.fround(scale);
  const scales = weights.quant?.scales ?? [];
  const multiplierOf = (weightScale: number) => {
    const both = inputScale * Math.fround(weightScale);
    return quantizeMultiplier((product === 'per-tensor' ? Math.fround(both) : both) / outputScale);
  };
  const [first = 1, ...others] = scales;
  const [min, max] = clampOf(attrs, output);
  const biases = biasesOf(view, channels);
  if (attrs.rounding === 'float') {
    const clamps = { zeroPoint, min, max };
    return {
      biases: Int32Array.from(biases),
      ...clamps,
      ...floatStage(view, biases, output, clamps),
    };
  }
  const multipliers =
    others.length > 0
      ? scales.map(multiplierOf)
      : new Array<Multiplier>(channels).fill(multiplierOf(first));
  if (attrs.rounding === 'upward') {
    const clamps = { zeroPoint, min, max };
    return {
      biases: Int32Array.from(biases),
      ...clamps,
      ...upwardStage(view, biases, output, clamps, multipliers),
    };
  }
  const channelScale = (_: number, channel: number) =>
    (inputScale * Math.fround(others.length > 0 ? (scales[channel] ?? 1) : first)) / outputScale;
  const wide = {
    multipliers: multipliers.map(reducedMultiplier),
    biases: Float64Array.from(biases),
    ...(attrs.wideScale === 'double' ? { scales: Float64Array.from(biases, channelScale) } : {}),
  };
  return {
    biases: Int32Array.from(biases),
    multipliers,
    ...(isWide(view) ? { wide } : {}),
    rounding: attrs.rounding,
    zeroPoint,
    min,
    max,
  };
}

/** Whether accumulators have 64 bits. */
export function isWide(view: NodeView<AccumulationAttrs>): boolean {
  const bias = view.inputs[2] ?? null;
  return (
    inputOf(view, 0).dtype === 'int16' &&
    (bias === null ? view.attrs.biasType !== 'int32' : bias.dtype === 'int64')
  );
}

/** Outputs per unit of a channel's accumulator, before any rounding. */
export function realScale({ rounding, multipliers }: OutputStage, channel: number): number {
  const { multiplier = 0, shift = 0 } = multipliers[channel] ?? {};
  if (rounding === 'float') return floatOfBits(multiplier);
  if (rounding !== 'nudged') return multiplier * 2 ** (shift - 31);
  const { left, right } = nudgeOfWord(shift);
  return multiplier * 2 ** (left - right - 31);
}

/** The output of a channel's accumulator. */
export function finish(stage: OutputStage, accumulator: number, channel: number): number {
  const scale = stage.wide?.scales?.[channel];
  if (scale !== undefined) {
    return clamp(
      roundHalfAwayFromZero(accumulator * scale) + stage.zeroPoint,
      stage.min,
      stage.max,
    );
  }
  const reduced = stage.wide?.multipliers[channel];
  if (reduced !== undefined) {
    return clamp(multiplyReduced(accumulator, reduced) + stage.zeroPoint, stage.min, stage.max);
  }
  const multiplier = stage.multipliers[channel] as Multiplier;
  const scaled = multiplyByQuantizedMultiplier(accumulator, multiplier, stage.rounding);
  return clamp(scaled + stage.zeroPoint, stage.min, stage.max);
}

/**
 * Whether TFLM's left shift wraps for an accumulator in min … max: the output is then not
 * monotonic.
 */
export function wraps(
  { rounding, multipliers }: OutputStage,
  channel: number,
  min: number,
  max: number,
): boolean {
  const left = 2 ** Math.max(multipliers[channel]?.shift ?? 0, 0);
  return rounding === 'double' && (min * left < -(2 ** 31) || max * left >= 2 ** 31);
}

/** The layout of the constant weights, by output channel. */
export interface Filters {
  readonly channels: number;
  /** Axis of the weights that holds the output channels. */
  readonly axis: number;
  /** Weights of one channel. */
  readonly depth: number;
  /** Index in the tensor of a channel's i-th weight, in reading order. */
  position(channel: number, i: number): number;
}

/** Elements of the constant weights. */
export function weightsOf(view: NodeView<object>): Int8Array {
  return inputOf(view, 1).data as Int8Array;
}

/** The constant weights in reading order: int8[channels][depth]. */
export function weightRows(
  view: NodeView<object>,
  { channels, depth, position }: Filters,
): Int8Array {
  const weights = weightsOf(view);
  const rows = new Int8Array(channels * depth);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let i = 0; i < depth; i += 1) {
      rows[channel * depth + i] = weights[position(channel, i)] as number;
    }
  }
  return rows;
}

/** The biases to which a channel's products are added. */
export function accumulatorStarts({ biases, wide }: OutputStage): Int32Array | Float64Array {
  return wide?.biases ?? biases;
}

function biasesOf(view: NodeView<object>, channels: number): Int32Array | Float64Array {
  const data = view.inputs[2]?.data ?? new Int32Array(channels);
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : (data as Int32Array);
}

export function inputZeroPoint(view: NodeView<object>): number {
  return perTensor(inputOf(view, 0), at(view.node)).zeroPoint;
}

/** Biases for kernels that multiply raw inputs (`folded`), or inputs minus their zero point. */
export function biasesFor(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  folded: boolean,
): Int32Array {
  // Those of int64 belong to int16 inputs, whose zero point is 0.
  const biases = biasesOf(view, filters.channels) as Int32Array;
  const isFolded = view.attrs.zeroPointFolded === true;
  const zeroPoint = inputZeroPoint(view);
  if (isFolded === folded || zeroPoint === 0) return biases;
  const weights = weightsOf(view);
  const correction = isFolded ? zeroPoint : -zeroPoint;
  return biases.map((bias, channel) => {
    let sum = 0;
    for (let i = 0; i < filters.depth; i += 1) {
      sum += weights[filters.position(channel, i)] as number;
    }
    return bias + correction * sum;
  });
}

/** The number subtracted from each input value before it is multiplied. */
export function inputOffset(view: NodeView<AccumulationAttrs>): number {
  return view.attrs.zeroPointFolded === true ? 0 : inputZeroPoint(view);
}

/** What `checkAccumulation` knows of an operator. */
export interface AccumulationTraits {
  /**
   * Types of the bias of int16 inputs. TFLM reads that of depthwise convolutions as int64, whatever
   * its type, and so does desktop TFLite that of all convolutions.
   */
  readonly wideBiases?: readonly DType[];
  readonly product?: ScaleProduct;
}

/**
 * Refuses operands that the three operators cannot compute exactly.
 *
 * @throws BonsaiError
 */
export function checkAccumulation(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  { wideBiases = ['int64', 'int32'], product = 'per-channel' }: AccumulationTraits = {},
): void {
  const where = at(view.node);
  const input = inputOf(view, 0);
  const weights = inputOf(view, 1);
  const bias = view.inputs[2] ?? null;
  const output = stageOutput(view);
  const { channels } = filters;
  if (output.dtype === 'float32') {
    checkReal(view, channels);
    return;
  }
  requireType(where, input, accumulationTypes);
  requireType(where, weights, ['int8']);
  requireType(where, output, [input.dtype]);
  requireConstant(where, weights);
  if (bias !== null) {
    requireType(where, bias, input.dtype === 'int8' ? ['int32'] : wideBiases);
    requireConstant(where, bias);
    if (bias.data?.length !== channels) {
      const message = `bias "${bias.name}" has ${bias.data?.length} elements for ${channels} channels`;
      throw new BonsaiError('bad-shape', where, message, 'convert the model again');
    }
  }
  for (const tensor of [input, output]) {
    const { scale, zeroPoint } = perTensor(tensor, where);
    requireScale(where, tensor, scale);
    // TFLM ignores the zero points of int16.
    const [low, high] = tensor.dtype === 'int16' ? [0, 0] : rangeOfType(tensor.dtype);
    if (!Number.isInteger(zeroPoint) || zeroPoint < low || zeroPoint > high) {
      const wanted = tensor.dtype === 'int16' ? '0, as int16 must have' : 'an int8';
      throw badQuant(where, `the zero point of "${tensor.name}" is ${zeroPoint}, not ${wanted}`);
    }
  }
  checkWeightQuant(where, weights, filters);
  checkAccumulators(view, filters);
  if (isWide(view)) checkResults(view, filters, product);
}

/** The elements of a tensor of one of `accumulationTypes`, zeroed. */
export function allocateLike({ dtype, shape }: Tensor): Int8Array | Int16Array {
  return allocate(dtype, elementCount(shape)) as Int8Array | Int16Array;
}

function clampOf({ activation, rounding }: AccumulationAttrs, output: Tensor) {
  return activationRange(activation, output, rounding === 'float' ? roundHalfToEven : undefined);
}

/** The bounds that the output's clamp gives to every channel. */
export function clampBounds(view: NodeView<AccumulationAttrs>): ChannelBounds {
  const output = outputOf(view);
  return sameBounds(output, clampOf(view.attrs, output));
}

/** Types of inputs and outputs of layers, one for both of a node. */
export const layerTypes: readonly DType[] = ['int8', 'int16', 'float32'];

/** Those of integers. */
export const accumulationTypes: readonly DType[] = ['int8', 'int16'];

function requireType(where: string, tensor: Tensor, dtypes: readonly DType[]): void {
  if (dtypes.includes(tensor.dtype)) return;
  throw new BonsaiError(
    'unsupported-type',
    where,
    `tensor "${tensor.name}" is ${tensor.dtype}, it must be ${dtypes.join(' or ')}`,
    quantizeHint(tensor.dtype),
  );
}

function requireConstant(where: string, tensor: Tensor): void {
  if (tensor.data !== null) return;
  throw new BonsaiError(
    'unsupported-attribute',
    where,
    `tensor "${tensor.name}" is computed; weights and biases must be constants`,
    'freeze the variables before conversion',
  );
}

function requireScale(where: string, tensor: Tensor, scale: number): void {
  if (Number.isFinite(scale) && scale > 0) return;
  throw badQuant(where, `tensor "${tensor.name}" has scale ${scale}`);
}

function badQuant(where: string, message: string): BonsaiError {
  return new BonsaiError('bad-quantization', where, message, 'quantize the model again');
}

function checkWeightQuant(where: string, weights: Tensor, { axis, channels }: Filters): void {
  const { quant, name } = weights;
  const count = quant?.scales.length ?? 0;
  if (quant == null || (count !== 1 && count !== channels)) {
    throw badQuant(where, `weights "${name}" have ${count} scales for ${channels} channels`);
  }
  if (count > 1 && quant.axis !== axis) {
    throw badQuant(where, `weights "${name}" are quantized along axis ${quant.axis}, not ${axis}`);
  }
  for (const scale of quant.scales) requireScale(where, weights, scale);
  if (quant.zeroPoints.some((zeroPoint) => zeroPoint !== 0)) {
    throw badQuant(where, `weights "${name}" have a zero point other than 0`);
  }
}

/**
 * An accumulator that leaves its type has no defined result in C or in TFLite. The sum of bias and
 * any of a channel's products is at most |bias| + Σ|w|·(|lowest input| + |zp|) in magnitude, and
 * folding adds |zp|·Σ|w| to |bias|. TFLite's 64-bit accumulators have 47 bits and a sign, a left
 * shift of 7 at most, and an int32 as the result.
 */
function checkAccumulators(view: NodeView<AccumulationAttrs>, filters: Filters): void {
  const { channels, depth } = filters;
  const bits = isWide(view) ? 47 : 31;
  const biases = biasesOf(view, channels);
  const reach = inputReach(view);
  for (let channel = 0; channel < channels; channel += 1) {
    const bias = Math.abs(biases[channel] as number);
    // Safe for any weights; only a huge bias or depth needs the sum of the magnitudes.
    if (bias + depth * 128 * reach < 2 ** bits) continue;
    if (bias + magnitudeOf(view, filters, channel) * reach >= 2 ** bits) {
      throw badQuant(
        at(view.node),
        `channel ${channel} can overflow its ${bits + 1}-bit accumulator`,
      );
    }
  }
}

function checkResults(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  product: ScaleProduct,
): void {
  const { multipliers } = outputStage(view, filters.channels, product);
  accumulatorReach(view, filters).forEach((reach, channel) => {
    if (fitsReduced(reach, multipliers[channel] as Multiplier)) return;
    const message = `channel ${channel} can overflow the 32 bits of its result`;
    throw badQuant(at(view.node), message);
  });
}

/**
 * Whether the last sum of every channel fits 32 bits, whatever the input. Partial sums may then wrap.
 */
export function fitsWords(view: NodeView<AccumulationAttrs>, filters: Filters): boolean {
  return accumulatorReach(view, filters).every((reach) => reach < 2 ** 31);
}

/** The largest magnitude of each channel's accumulator, for any input of its type. */
export function accumulatorReach(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
): readonly number[] {
  const biases = biasesOf(view, filters.channels);
  const reach = inputReach(view);
  return Array.from(
    { length: filters.channels },
    (_, channel) =>
      Math.abs(biases[channel] as number) + magnitudeOf(view, filters, channel) * reach,
  );
}

function inputReach(view: NodeView<AccumulationAttrs>): number {
  const [low] = rangeOfType(inputOf(view, 0).dtype);
  const isFolded = view.attrs.zeroPointFolded === true;
  return -low + (isFolded ? 0 : 2 * Math.abs(inputZeroPoint(view)));
}

/** Σ|w| of a channel. */
function magnitudeOf(
  view: NodeView<object>,
  { depth, position }: Filters,
  channel: number,
): number {
  const weights = weightsOf(view);
  let sum = 0;
  for (let i = 0; i < depth; i += 1) sum += Math.abs(weights[position(channel, i)] as number);
  return sum;
}
