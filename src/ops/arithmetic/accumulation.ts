/** Shared by conv2d, depthwise_conv2d and fully_connected: operands, checks, the output stage. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView, type Tensor } from '../../ir/graph.js';
import { inputOf, outputOf, quantizeHint } from '../shape/operands.js';
import {
  type Activation,
  activationRange,
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
  type Rounding,
} from './quant.js';

export interface AccumulationAttrs {
  readonly activation: Activation;
  /** Resolved at import: the rounding of TFLM, or of desktop TFLite for this operator. */
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
}

/** The result of the output stage: the output, or the tensor to which a residual is added. */
export function stageOutput(view: NodeView<AccumulationAttrs>): Tensor {
  const { midScale, midZeroPoint } = view.attrs;
  const output = outputOf(view);
  if (midScale === undefined || midZeroPoint === undefined) return output;
  return { ...output, quant: { scales: [midScale], zeroPoints: [midZeroPoint], axis: null } };
}

/** The parameters that turn an int32 accumulator into an int8 output, one entry per channel. */
export interface OutputStage {
  /** Zeros where the operator has no bias. */
  readonly biases: Int32Array;
  readonly multipliers: readonly Multiplier[];
  readonly rounding: Rounding;
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
  const [min, max] = activationRange(attrs.activation, output);
  return {
    biases: biasesOf(view, channels),
    multipliers:
      others.length > 0
        ? scales.map(multiplierOf)
        : new Array<Multiplier>(channels).fill(multiplierOf(first)),
    rounding: attrs.rounding,
    zeroPoint,
    min,
    max,
  };
}

/** The int8 output of a channel's accumulator. */
export function finish(stage: OutputStage, accumulator: number, channel: number): number {
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

function biasesOf(view: NodeView<object>, channels: number): Int32Array {
  return (view.inputs[2]?.data as Int32Array | undefined) ?? new Int32Array(channels);
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
  const biases = biasesOf(view, filters.channels);
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

/**
 * Refuses operands that the three operators cannot compute exactly.
 *
 * @throws BonsaiError
 */
export function checkAccumulation(view: NodeView<AccumulationAttrs>, filters: Filters): void {
  const where = at(view.node);
  const input = inputOf(view, 0);
  const weights = inputOf(view, 1);
  const bias = view.inputs[2] ?? null;
  const output = stageOutput(view);
  const { channels } = filters;
  requireType(where, input, 'int8');
  requireType(where, weights, 'int8');
  requireType(where, output, 'int8');
  requireConstant(where, weights);
  if (bias !== null) {
    requireType(where, bias, 'int32');
    requireConstant(where, bias);
    if (bias.data?.length !== channels) {
      const message = `bias "${bias.name}" has ${bias.data?.length} elements for ${channels} channels`;
      throw new BonsaiError('bad-shape', where, message, 'convert the model again');
    }
  }
  for (const tensor of [input, output]) {
    const { scale, zeroPoint } = perTensor(tensor, where);
    requireScale(where, tensor, scale);
    if (!Number.isInteger(zeroPoint) || zeroPoint < -128 || zeroPoint > 127) {
      throw badQuant(where, `the zero point of "${tensor.name}" is ${zeroPoint}, not an int8`);
    }
  }
  checkWeightQuant(where, weights, filters);
  checkAccumulators(view, filters);
}

function requireType(where: string, tensor: Tensor, dtype: 'int8' | 'int32'): void {
  if (tensor.dtype === dtype) return;
  throw new BonsaiError(
    'unsupported-type',
    where,
    `tensor "${tensor.name}" is ${tensor.dtype}, it must be ${dtype}`,
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
 * An accumulator that leaves int32 has no defined result in C or in TFLite. The sum of bias and any
 * of a channel's products is at most |bias| + Σ|w|·(128 + |zp|) in magnitude, and folding adds
 * |zp|·Σ|w| to |bias|.
 */
function checkAccumulators(view: NodeView<AccumulationAttrs>, filters: Filters): void {
  const { channels, depth } = filters;
  const weights = weightsOf(view);
  const biases = biasesOf(view, channels);
  const isFolded = view.attrs.zeroPointFolded === true;
  const reach = 128 + (isFolded ? 0 : 2 * Math.abs(inputZeroPoint(view)));
  for (let channel = 0; channel < channels; channel += 1) {
    const bias = Math.abs(biases[channel] as number);
    // Safe for any weights; only a huge bias or depth needs the sum of the magnitudes.
    if (bias + depth * 128 * reach < 2 ** 31) continue;
    let sum = 0;
    for (let i = 0; i < depth; i += 1) {
      sum += Math.abs(weights[filters.position(channel, i)] as number);
    }
    if (bias + sum * reach >= 2 ** 31) {
      throw badQuant(at(view.node), `channel ${channel} can overflow its 32-bit accumulator`);
    }
  }
}
