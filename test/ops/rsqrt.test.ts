import { testLines, testLookup } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({
  op: 'rsqrt',
  refused: [
    {
      edge: 'scales too far apart',
      inputs: [{ shape: [2], quant: perTensorQuant(1e-9, 0) }],
      quant: perTensorQuant(1e-9, 0),
      code: 'bad-quantization',
      message: /too far apart/,
    },
  ],
});

// Of an x below 0 TFLM computes nothing.
testLines('rsqrt', [-18, -6], [-14, -4], { below: 32768 });
