import { perChannelQuant, perTensorQuant } from '../support/module.js';
import { randomQuant, randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'logistic',
  random: (random) => ({
    inputs: [{ shape: randomShape(random, random.integer(1, 4)), quant: randomQuant(random) }],
    quant: perTensorQuant(1 / 256, -128),
    attrs: { algorithm: random.pick(['fixed', 'float']) },
  }),
  refused: [
    {
      edge: 'an input quantized per channel',
      inputs: [{ shape: [1, 2], quant: perChannelQuant([0.1, 0.2], 1) }],
      quant: perTensorQuant(1 / 256, -128),
      attrs: { algorithm: 'fixed' },
      code: 'bad-quantization',
      message: /one scale and one zero point/,
    },
    {
      edge: 'another output quantization than [0, 1)',
      inputs: [{ shape: [2] }],
      quant: perTensorQuant(1 / 128, 0),
      attrs: { algorithm: 'fixed' },
      code: 'bad-quantization',
      message: /scale 1\/256 and zero point -128/,
    },
  ],
});
