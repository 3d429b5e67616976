import { perChannelQuant, perTensorQuant } from '../support/module.js';
import { randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'abs',
  random: (random) => ({
    inputs: [
      {
        shape: randomShape(random, random.integer(1, 4)),
        quant: perTensorQuant(random.integer(1, 200) / 1000, random.integer(-128, 127)),
      },
    ],
    quant: perTensorQuant(random.integer(10, 200) / 1000, random.integer(-128, 127)),
  }),
  refused: [
    {
      edge: 'an input quantized per channel',
      inputs: [{ shape: [1, 2], quant: perChannelQuant([0.1, 0.2], 1) }],
      quant: perTensorQuant(0.1, 0),
      code: 'bad-quantization',
      message: /one scale and one zero point/,
    },
    {
      edge: 'scales too far apart',
      inputs: [{ shape: [2], quant: perTensorQuant(1e6, 0) }],
      quant: perTensorQuant(0.01, 0),
      code: 'bad-quantization',
      message: /input.s scale is 1.00e\+8 times/,
    },
  ],
});
