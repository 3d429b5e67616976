import { perTensorQuant } from '../support/module.js';
import { quantNear, randomBinary } from '../support/operands.js';
import { testOperator } from '../support/operator.js';

const attrs = { activation: 'none' };

testOperator({
  op: 'sub',
  random: (random) => randomBinary(random, (a, b) => quantNear(random, Math.max(a, b), -8, 6)),
  refused: [
    {
      edge: 'extents that do not broadcast',
      inputs: [{ shape: [2, 3] }, { shape: [2, 2] }],
      attrs,
      code: 'bad-shape',
      message: /\[2,3\] and \[2,2\]/,
    },
    {
      edge: 'an output scale at which both runtimes abort',
      inputs: [{ shape: [4] }, { shape: [4] }],
      attrs,
      quant: perTensorQuant(0.5 * 2 ** -20, 0),
      code: 'bad-quantization',
      message: /finer/,
    },
    {
      edge: 'seven dimensions',
      inputs: [{ shape: [1, 1, 1, 1, 1, 1, 2] }, { shape: [2] }],
      attrs,
      code: 'unsupported-attribute',
      message: /7 dimensions/,
    },
  ],
});
