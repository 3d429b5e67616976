import { perTensorQuant } from '../support/module.js';
import { quantNear, randomBinary } from '../support/operands.js';
import { testOperator } from '../support/operator.js';

const attrs = { activation: 'none' };

testOperator({
  op: 'mul',
  random: (random) => randomBinary(random, (a, b) => quantNear(random, a * b, -14, 20)),
  refused: [
    {
      edge: 'extents that do not broadcast',
      inputs: [{ shape: [3] }, { shape: [2, 2] }],
      attrs,
      code: 'bad-shape',
      message: /\[3\] and \[2,2\]/,
    },
    {
      edge: 'a product shifted out of int32',
      inputs: [{ shape: [4] }, { shape: [4] }],
      attrs,
      quant: perTensorQuant(2 ** -20, 0),
      code: 'bad-quantization',
      message: /times the output's/,
    },
  ],
});
