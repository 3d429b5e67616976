/** The arithmetic of add and sub. */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView } from '../../ir/graph.js';
import { inputOf, outputOf } from '../shape/operands.js';
import type { Arithmetic, BinaryAttrs } from './arithmetic.js';
import {
  frexp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
  roundHalfToEven,
} from './quant.js';

/**
 * Operands are scaled by 2^20 first: |q − zero point| ≤ 255, so sums stay within 29 bits. Those of
 * int16 by 2^15: |q − zero point| ≤ 65535, so the scaled ones fit 32 bits. Halved at least by the
 * common scale, their sum does too.
 */
const leftShifts = { int8: 20, int16: 15 } as const;

export interface SumAttrs extends BinaryAttrs {
  /** shifted: XNNPACK's arithmetic. TFLM and TFLite's builtin kernels give the same bits. */
  readonly ratios?: 'shifted';
}

export interface Sum extends Arithmetic {
  /** A raw operand in the common scale; b carries the sign of the operation. */
  ofA(q: number): number;
  ofB(q: number): number;
  /** The output before the clamp for a sum in the common scale; non-decreasing. */
  toOutput(sum: number): number;
  /** Output units per unit of the common scale. */
  readonly ratio: number;
  readonly zeroPoint: number;
  /** Ratios are 'shifted'. */
  readonly isShifted?: boolean;
}

/**
 * a ± b in a common scale of twice the larger one: each operand is rescaled to it with two
 * roundings, then the sum is rescaled to the output (kernels/add.cc, kernels/sub.cc of both
 * runtimes).
 *
 * @param ratios shifted: XNNPACK's arithmetic
 * @throws BonsaiError 'bad-quantization' where the sum's scale is 2^19 times the output's or more
 *   (2^14 times of int16): both runtimes abort
 */
export function sumOf(view: NodeView<BinaryAttrs>, sign: 1 | -1, ratios?: SumAttrs['ratios']): Sum {
  if (ratios === 'shifted') return shiftedSumOf(view, sign);
  const where = at(view.node);
  const a = perTensor(inputOf(view, 0), where);
  const b = perTensor(inputOf(view, 1), where);
  const output = perTensor(outputOf(view), where);
  const leftShift = leftShifts[outputOf(view).dtype as keyof typeof leftShifts];
  const { fround } = Math;
  const common = 2 * Math.max(fround(a.scale), fround(b.scale));
  const ofA = quantizeMultiplier(fround(a.scale) / common);
  const ofB = quantizeMultiplier(fround(b.scale) / common);
  const ofOutput = quantizeMultiplier(common / (2 ** leftShift * fround(output.scale)));
  if (ofOutput.shift > 0) {
    throw new BonsaiError(
      'bad-quantization',
      where,
      `output scale ${output.scale} is 2^${leftShift - 1} times finer than the inputs' or more`,
      'quantize the model again',
    );
  }
  const scaled = (q: number, zeroPoint: number, multiplier: Multiplier) =>
    multiplyByQuantizedMultiplier((q - zeroPoint) * 2 ** leftShift, multiplier, 'double');
  const parts = {
    ofA: (q: number) => scaled(q, a.zeroPoint, ofA),
    ofB: (q: number) => sign * scaled(q, b.zeroPoint, ofB),
    toOutput: (sum: number) =>
      multiplyByQuantizedMultiplier(sum, ofOutput, 'double') + output.zeroPoint,
    ratio: ofOutput.multiplier * 2 ** (ofOutput.shift - 31),
    zeroPoint: output.zeroPoint,
  };
  return {
    ...parts,
    combine: (x, y) => parts.toOutput(parts.ofA(x) + parts.ofB(y)),
    numbers: {
      a_zero_point: a.zeroPoint,
      a_multiplier: ofA.multiplier,
      a_shift: -ofA.shift,
      b_zero_point: b.zeroPoint,
      b_multiplier: ofB.multiplier,
      b_shift: -ofB.shift,
      out_zero_point: output.zeroPoint,
      out_multiplier: ofOutput.multiplier,
      out_shift: ofOutput.shift,
    },
  };
}

/** Bits of the larger multiplier, apart from its first. */
const multiplierBits = 20;

/**
 * a ± b as XNNPACK computes it (xnn_init_qs8_add_minmax_scalar_params of src/microparams-init.c,
 * src/qs8-vadd): each operand times an integer of at most 21 bits, one sum, one shift, halves up.
 */
function shiftedSumOf(view: NodeView<BinaryAttrs>, sign: 1 | -1): Sum {
  const where = at(view.node);
  const [a, b] = [0, 1].map((position) => perTensor(inputOf(view, position), where)) as [
    PerTensor,
    PerTensor,
  ];
  const output = perTensor(outputOf(view), where);
  const { fround } = Math;
  const ratios = [a, b].map(({ scale }) => fround(fround(scale) / fround(output.scale)));
  const [, exponent] = frexp(Math.max(...ratios));
  const shift = multiplierBits - (exponent - 1);
  const [ofA, ofB] = ratios.map((ratio) => roundHalfToEven(ratio * 2 ** shift)) as [number, number];
  const half = 2 ** (shift - 1);
  const parts = {
    ofA: (q: number) => (q - a.zeroPoint) * ofA,
    ofB: (q: number) => sign * (q - b.zeroPoint) * ofB,
    toOutput: (sum: number) => Math.floor((sum + half) / 2 ** shift) + output.zeroPoint,
    ratio: 2 ** -shift,
    zeroPoint: output.zeroPoint,
  };
  return {
    ...parts,
    isShifted: true,
    combine: (x, y) => parts.toOutput(parts.ofA(x) + parts.ofB(y)),
    numbers: {
      a_zero_point: a.zeroPoint,
      a_multiplier: ofA,
      b_zero_point: b.zeroPoint,
      b_multiplier: ofB,
      out_zero_point: output.zeroPoint,
      out_shift: shift,
    },
  };
}

type PerTensor = ReturnType<typeof perTensor>;
