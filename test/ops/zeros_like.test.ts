import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomShape, testOperator } from '../support/operator.js';

const reals: OperandCase = { shape: [2, 3], dtype: 'float32', quant: null };

testOperator({
  op: 'zeros_like',
  cases: [
    {
      edge: 'int8: the integer 0, whatever the zero point',
      inputs: [{ shape: [2, 3], quant: perTensorQuant(0.5, 3) }],
    },
    { edge: 'float32', inputs: [reals], dtype: 'float32', quant: null },
  ],
  random: (random) => ({ inputs: [{ shape: randomShape(random, 3) }] }),
});
