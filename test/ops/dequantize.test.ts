import { perTensorQuant } from '../support/module.js';
import { randomQuant, randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'dequantize',
  random: (random) => ({
    inputs: [{ shape: randomShape(random, random.integer(1, 4)), quant: randomQuant(random) }],
    ...{ quant: null, dtype: 'float32' },
  }),
  refused: [
    {
      edge: 'int32',
      inputs: [{ shape: [4], quant: perTensorQuant(0.5, 0), dtype: 'int32' }],
      ...{ quant: null, dtype: 'float32' },
      code: 'unsupported-type',
      message: /is int32; int8, uint8 and int16 are supported/,
    },
    {
      edge: 'to int8',
      inputs: [{ shape: [4], quant: perTensorQuant(0.5, 0) }],
      code: 'unsupported-type',
      message: /is int8; only float32 is supported/,
    },
  ],
});
