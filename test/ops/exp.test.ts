import { testLines, testLookup } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';

testLookup({ op: 'exp' });
testLines('exp', [-15, -10], [-16, -6], {
  refused: [
    {
      edge: 'an input whose exponential is no float32',
      inputs: [{ shape: [2], dtype: 'int16', quant: perTensorQuant(2 ** -8, 0) }],
      quant: perTensorQuant(0.001, 0),
      ...{ code: 'bad-quantization', message: /reaches 127.9.*, where it overflows/ },
    },
  ],
});
