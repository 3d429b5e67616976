/** Shared by conv2d, depthwise_conv2d and fully_connected: operands, the output stage. */
import {
  allocate,
  at,
  type DType,
  elementCount,
  type NodeView,
  type Tensor,
} from '../../ir/graph.js';
import type { ChannelBounds } from '../../ir/op.js';
import { inputOf, outputOf } from '../shape/operands.js';
import { sameBounds } from './bounds.js';
import { floatStage, upwardStage } from './float-stage.js';
import {
  type Activation,
  activationRange,
  clamp,
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

export interface AccumulationAttrs {
  readonly activation: Activation;
  /**
   * Resolved at import: the rounding of TFLM, of desktop TFLite for this operator, or XNNPACK's
   * ('float'). The output stage has other integers instead of 'float' and 'upward', where it proves
   * that the bits are the same.
   */
  readonly rounding: Rounding;
  /** Of 'upward': the channels that are, in whole vectors; those behind them are 'double'. Default: all. */
  readonly upwardChannels?: number;
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
  /** Of the residual sum, as of ADD. */
  readonly addRatios?: 'shifted';
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
      ...upwardStage(view, biases, output, clamps, multipliers, attrs.upwardChannels),
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
  if (rounding !== 'nudged' && rounding !== 'bent') return multiplier * 2 ** (shift - 31);
  const { left, right } = nudgeOfWord(shift);
  return multiplier * 2 ** (left - right - 31);
}

/**
 * The shift of a channel whose halves below zero go down, and above it up: its line has a step at zero, of
 * 2^shift outputs. Null of others.
 */
export function bendShift({ rounding, multipliers }: OutputStage, channel: number): number | null {
  const { shift = 0 } = multipliers[channel] ?? {};
  if (rounding === 'double') return shift;
  const { left, right, offset } = nudgeOfWord(shift);
  return rounding === 'bent' && offset < 0 ? left - right : null;
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
  const { shift = 0 } = multipliers[channel] ?? {};
  const left = 2 ** (rounding === 'bent' ? nudgeOfWord(shift).left : Math.max(shift, 0));
  return (
    (rounding === 'double' || rounding === 'bent') &&
    (min * left < -(2 ** 31) || max * left >= 2 ** 31)
  );
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

export function biasesOf(view: NodeView<object>, channels: number): Int32Array | Float64Array {
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
