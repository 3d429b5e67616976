/** fully_connected of int16: desktop TFLite multiplies sums of 64 bits by a double. */
import { perChannelQuant, perTensorQuant, Random } from '../support/module.js';
import { type OperandCase, testOperator } from '../support/operator.js';

const attrs = { activation: 'none', rounding: 'double', keepDims: false } as const;

/** Input, weights and biases, or none, of `outputs` rows of `depth` weights. */
function operands(
  random: Random,
  [rows, depth, outputs]: readonly [number, number, number],
  { isPerTensor = false, bias = true } = {},
): readonly (OperandCase | null)[] {
  const [inputScale, weightScale] = [2 ** -9.3, 2 ** -7.7];
  const scales = Array.from({ length: outputs }, (_, i) => weightScale * (1 + i / 9));
  const quant = isPerTensor ? perTensorQuant(weightScale, 0) : perChannelQuant(scales, 0);
  const biases = BigInt64Array.from(random.int32(outputs, -(10 ** 6), 10 ** 6), BigInt);
  const biasScales = scales.map((scale) => inputScale * (isPerTensor ? weightScale : scale));
  return [
    { shape: [rows, depth], dtype: 'int16', quant: perTensorQuant(inputScale, 0) },
    { shape: [outputs, depth], data: random.int8(outputs * depth, -127, 127), quant },
    bias ? { shape: [outputs], data: biases, quant: perChannelQuant(biasScales, 0) } : null,
  ];
}

const output = { dtype: 'int16', quant: perTensorQuant(2 ** -6.1, 0) } as const;

testOperator({
  op: 'fully_connected',
  golden: 'fully_connected_s16',
  cases: [
    {
      edge: 'int16: a scale for each channel',
      inputs: operands(new Random(1), [3, 33, 7]),
      ...{ attrs, ...output },
    },
    {
      edge: 'int16: one scale, relu, no bias',
      inputs: operands(new Random(2), [2, 20, 4], { isPerTensor: true, bias: false }),
      ...{ attrs: { ...attrs, activation: 'relu' }, ...output },
    },
    {
      edge: 'int16: results that saturate',
      inputs: operands(new Random(3), [2, 40, 5]),
      ...{ attrs, dtype: 'int16', quant: perTensorQuant(2 ** -12, 0) },
    },
  ],
  random: (random) => {
    const [rows, depth, outputs] = [4, 60, 13].map((most) => random.integer(1, most));
    const dims = [rows ?? 1, depth ?? 1, outputs ?? 1] as const;
    const isPerTensor = random.integer(0, 1) === 1;
    return {
      inputs: operands(random, dims, {
        isPerTensor,
        bias: random.integer(0, 3) > 0,
      }),
      attrs: random.integer(0, 1) === 1 ? { ...attrs, wideScale: 'double' } : attrs,
      ...output,
    };
  },
});
