/** add_n (ADD_N): the sum of any number of operands of one shape. */
import { BonsaiError } from '../../errors.js';
import { allocate, at, type DType, elementCount, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { inPlaceOperands } from './arithmetic/binary.js';
import { anyBounds } from './arithmetic/bounds.js';
import {
  clamp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  perTensor,
  quantizeMultiplier,
  sameQuant,
} from './arithmetic/quant.js';
import { badRatio } from './arithmetic/rescale.js';
import { pointwiseAxes } from './shape/axes.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

/** TFLM's bits; desktop TFLite has no int8 form. */
export type AddNAttrs = Readonly<Record<string, never>>;

export const addNTypes: readonly DType[] = ['int8', 'float32', 'int32'];

/**
 * The quantized form. An operand is (q − zero point) · 2^19, which is TFLM's shift by 20 bits and its
 * product by ½, exactly. |q − zero point| ≤ 255 < 2^8, so that up to 15 of them, and the sum's start
 * at −zero point, fit an int32; TFLM wraps beyond.
 */
export interface SumScaling {
  readonly inputZeroPoint: number;
  readonly outputZeroPoint: number;
  readonly multiplier: Multiplier;
}

export const operandShift = 19;

export function sumScalingOf(view: NodeView<object>): SumScaling {
  const input = perTensor(inputOf(view, 0), at(view.node));
  const output = perTensor(outputOf(view), at(view.node));
  const real = (2 * Math.fround(input.scale)) / (2 ** 20 * Math.fround(output.scale));
  if (real >= 1)
    throw badRatio(view, `its sum's scale is ${real.toPrecision(3)} times the output's`);
  return {
    inputZeroPoint: input.zeroPoint,
    outputZeroPoint: output.zeroPoint,
    multiplier: quantizeMultiplier(real),
  };
}

export const addN = {
  name: 'add_n',
  types: addNTypes,
  infer: (view) => [inputOf(view, 0).shape],
  check(view) {
    const dtype = requireOneType(view, addNTypes);
    const first = inputOf(view, 0);
    const bad = (message: string) =>
      new BonsaiError('bad-graph', at(view.node), message, 'convert the model again');
    if (view.inputs.length < 2) throw bad('has one operand; a sum has several');
    for (const tensor of view.inputs) {
      if (tensor?.shape.join() !== first.shape.join()) throw bad('its operands differ in shape');
      if (!sameQuant(tensor.quant, first.quant)) throw bad('its operands differ in quantization');
    }
    if (dtype === 'int8') sumScalingOf(view);
  },
  evaluate(view, inputs) {
    const { shape, dtype } = outputOf(view);
    const sum = allocate(dtype, elementCount(shape)) as Float32Array | Int32Array | Int8Array;
    if (dtype !== 'int8') {
      // Each partial sum is stored, and so rounded to float32 or wrapped.
      for (const data of inputs) {
        for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + Number(data?.[i]);
      }
      return [sum];
    }
    const { inputZeroPoint, outputZeroPoint, multiplier } = sumScalingOf(view);
    return [
      sum.map((_, i) => {
        // TFLM's sum starts at an operand of 0, minus the zero point.
        const steps = inputs.reduce((all, data) => all + Number(data?.[i]) - inputZeroPoint, 0);
        const scaled = ((steps - inputZeroPoint) * 2 ** operandShift) | 0;
        const rounded = multiplyByQuantizedMultiplier(scaled, multiplier, 'double');
        return clamp(rounded + outputZeroPoint, -128, 127);
      }),
    ];
  },
  macs: () => 0,
  range: (view) => [anyBounds(outputOf(view))],
  axes: pointwiseAxes,
  inPlace: inPlaceOperands,
} satisfies OpDef<AddNAttrs>;
