import { perTensorQuant } from '../support/module.js';
import { randomPair, testOperator } from '../support/operator.js';

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
