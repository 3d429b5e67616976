import { testLookup } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({
  op: 'leaky_relu',
  attrs: (random) => ({
    alpha: random.integer(-200, 200) / 100,
    algorithm: random.pick(['magnitude', 'signed']),
  }),
  refused: [
    {
      edge: 'scales too far apart',
      inputs: [{ shape: [2], quant: perTensorQuant(1e6, 0) }],
      quant: perTensorQuant(0.01, 0),
      attrs: { alpha: 0.5, algorithm: 'signed' },
      code: 'bad-quantization',
      message: /times the output/,
    },
  ],
});
