import { perChannelQuant, perTensorQuant } from '../support/module.js';
import { randomQuant, randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'sqrt',
  random: (random) => ({
    inputs: [{ shape: randomShape(random, random.integer(1, 4)), quant: randomQuant(random) }],
    quant: randomQuant(random),
  }),
  refused: [
    {
      edge: 'an input quantized per channel',
      inputs: [{ shape: [1, 2], quant: perChannelQuant([0.1, 0.2], 1) }],
      quant: perTensorQuant(0.1, 0),
      code: 'bad-quantization',
      message: /one scale and one zero point/,
    },
  ],
});
