import { testLookup } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({
  op: 'quantize',
  attrs: (random) => ({ algorithm: random.pick(['scalar', 'vector']) }),
  refused: [
    {
      edge: 'scales too far apart',
      inputs: [{ shape: [2], quant: perTensorQuant(1e6, 0) }],
      quant: perTensorQuant(0.01, 0),
      attrs: { algorithm: 'vector' },
      code: 'bad-quantization',
      message: /times the output/,
    },
  ],
});
