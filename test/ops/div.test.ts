import { perTensorQuant } from '../support/module.js';
import { randomPair, testOperator } from '../support/operator.js';

testOperator({
  op: 'div',
  random: (random) => ({
    ...randomPair(random),
    quant: perTensorQuant(2 ** (random.integer(-600, 600) / 100), random.integer(-128, 127)),
    attrs: { activation: random.pick(['none', 'relu', 'relu6']) },
  }),
  refused: [
    {
      edge: 'int16, of which TFLM has no kernel',
      inputs: [1, 2].map((scale) => ({
        ...{ shape: [2], dtype: 'int16', quant: perTensorQuant(scale, 0) },
      })),
      attrs: { activation: 'none' },
      ...{ code: 'unsupported-type', message: /is int16/ },
    },
    {
      edge: 'scales too far apart',
      inputs: [
        { shape: [2], quant: perTensorQuant(1e4, 0) },
        { shape: [2], quant: perTensorQuant(1e-3, 0) },
      ],
      quant: perTensorQuant(1, 0),
      attrs: { activation: 'none' },
      code: 'bad-quantization',
      message: /quotient of its scales is 1.00e\+7/,
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
