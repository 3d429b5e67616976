import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomQuant, randomShape, testOperator } from '../support/operator.js';

const quant = perTensorQuant(0.05, -7);
const of = (count: number, operand: OperandCase) => Array.from({ length: count }, () => operand);
const reals: OperandCase = { shape: [2, 5], dtype: 'float32', quant: null };

testOperator({
  op: 'add_n',
  cases: [
    { edge: 'two', inputs: of(2, { shape: [2, 5], quant }), quant: perTensorQuant(0.1, 4) },
    {
      edge: 'five, most saturate',
      inputs: of(5, { shape: [3, 40], quant }),
      quant: perTensorQuant(0.04, -2),
    },
    { edge: 'float32, rounded one by one', inputs: of(4, reals), dtype: 'float32', quant: null },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 3));
    const count = random.integer(2, 5);
    if (random.integer(0, 2) === 0) {
      const real: OperandCase = { shape, dtype: 'float32', quant: null };
      return { inputs: of(count, real), dtype: 'float32', quant: null };
    }
    return {
      inputs: of(count, { shape, quant: randomQuant(random) }),
      quant: perTensorQuant(random.integer(50, 900) / 100, random.integer(-128, 127)),
    };
  },
  refused: [
    { edge: 'one operand', inputs: [reals], code: 'bad-graph', message: /one operand/ },
    {
      edge: 'operands of several scales',
      inputs: [
        { shape: [2], quant },
        { shape: [2], quant: perTensorQuant(1, 0) },
      ],
      code: 'bad-graph',
      message: /differ in quantization/,
    },
  ],
});
