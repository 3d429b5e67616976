import { nearScales, testLookup } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({
  op: 'hard_swish',
  quants: nearScales,
  refused: [
    {
      edge: 'scales too far apart',
      inputs: [{ shape: [2], quant: perTensorQuant(1e6, 0) }],
      quant: perTensorQuant(0.01, 0),
      code: 'bad-quantization',
      message: /too far apart/,
    },
  ],
});
