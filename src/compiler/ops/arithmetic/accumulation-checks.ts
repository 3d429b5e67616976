/** What the layers that add up products refuse: operands that they cannot compute exactly. */
import { BonsaiError } from '../../../errors.js';
import { type DType, rangeOfType } from '../../ir/dtypes.js';
import { at, type NodeView, type Tensor } from '../../ir/graph.js';
import { inputOf, quantizeHint } from '../shape/operands.js';
import {
  type AccumulationAttrs,
  accumulationTypes,
  biasesOf,
  type Filters,
  isWide,
  outputStage,
  type ScaleProduct,
  stageOutput,
} from './accumulation.js';
import { accumulatorReach, inputReach, magnitudeOf } from './accumulator-reach.js';
import { fitsReduced, type Multiplier, perTensor } from './quant.js';
import { checkReal } from './real.js';

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
