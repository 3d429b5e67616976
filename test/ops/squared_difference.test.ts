import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomPair, testOperator } from '../support/operator.js';

testOperator({
  op: 'squared_difference',
  random: (random) => ({
    ...randomPair(random),
    quant: perTensorQuant(2 ** (random.integer(-600, 600) / 100), random.integer(-128, 127)),
    attrs: { activation: random.pick(['none', 'relu', 'relu6']) },
  }),
  refused: [
    {
      edge: 'scales too far apart',
      inputs: [
        { shape: [2], quant: perTensorQuant(10, 0) },
        { shape: [2], quant: perTensorQuant(10, 0) },
      ],
      quant: perTensorQuant(1e-4, 0),
      attrs: { activation: 'none' },
      code: 'bad-quantization',
      message: /scale of its squares/,
    },
    {
      edge: 'shapes that do not broadcast',
      inputs: [{ shape: [2, 3] }, { shape: [2] }],
      attrs: { activation: 'none' },
      code: 'bad-shape',
      message: /do not broadcast/,
    },
  ],
});

const attrs = { activation: 'none' };
const wide = (scale: number, ...shape: number[]): OperandCase => ({
  ...{ shape, dtype: 'int16', quant: perTensorQuant(scale, 0) },
});

// Desktop TFLite has no kernel of int16.
testOperator({
  op: 'squared_difference',
  golden: 'squared_difference_s16',
  cases: [
    {
      edge: 'of one shape',
      inputs: [wide(0.001, 3, 20), wide(0.0007, 3, 20)],
      ...{ attrs, quant: perTensorQuant(0.02, 0) },
    },
    {
      edge: 'both repeat, most saturate',
      inputs: [wide(0.003, 4, 1), wide(0.0029, 9)],
      ...{ attrs, quant: perTensorQuant(0.004, 0) },
    },
    {
      edge: 'a constant',
      inputs: [
        wide(2 ** -10, 2, 3),
        { ...wide(2 ** -10, 3), data: Int16Array.of(-32768, 7, 32767) },
      ],
      ...{ attrs, quant: perTensorQuant(0.15, 0) },
    },
  ],
  random: (random) => {
    const { inputs } = randomPair(random);
    const scale = () => random.integer(1, 400) / 2 ** 16;
    return {
      inputs: inputs.map(({ shape }) => wide(scale(), ...shape)),
      ...{ attrs, quant: perTensorQuant(random.integer(1, 100) / 100, 0) },
    };
  },
  refused: [
    {
      edge: 'a zero point',
      inputs: [wide(1, 2), { ...wide(1, 2), quant: perTensorQuant(1, -3) }],
      ...{ attrs, code: 'bad-quantization', message: /zero point that is not 0/ },
    },
  ],
});
