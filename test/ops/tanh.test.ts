import { fixedOutput, testLookup } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({
  op: 'tanh',
  quants: fixedOutput(perTensorQuant(1 / 128, 0)),
  attrs: (random) => ({ algorithm: random.pick(['fixed', 'float']) }),
  refused: [
    {
      edge: 'another output quantization than [-1, 1)',
      inputs: [{ shape: [2] }],
      quant: perTensorQuant(1 / 256, -128),
      attrs: { algorithm: 'fixed' },
      code: 'bad-quantization',
      message: /scale 1\/128 and zero point 0/,
    },
    {
      edge: 'an input scale beyond the fixed-point format',
      inputs: [{ shape: [2], quant: perTensorQuant(100, 0) }],
      quant: perTensorQuant(1 / 128, 0),
      attrs: { algorithm: 'fixed' },
      code: 'bad-quantization',
      message: /scale 100 is out of range/,
    },
  ],
});
