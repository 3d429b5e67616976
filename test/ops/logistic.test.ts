import { fixedOutput, testLookup } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({
  op: 'logistic',
  quants: fixedOutput(perTensorQuant(1 / 256, -128)),
  attrs: (random) => ({ algorithm: random.pick(['fixed', 'float']) }),
  refused: [
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
