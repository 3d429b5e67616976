import { nearScales, testLookup, testWideElements } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({
  op: 'abs',
  quants: nearScales,
  refused: [
    {
      edge: 'scales too far apart',
      inputs: [{ shape: [2], quant: perTensorQuant(1e6, 0) }],
      quant: perTensorQuant(0.01, 0),
      code: 'bad-quantization',
      message: /input.s scale is 1.00e\+8 times/,
    },
  ],
});

testWideElements('abs');
