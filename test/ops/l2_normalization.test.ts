import { perTensorQuant } from '../support/module.js';
import { randomShape, testOperator } from '../support/operator.js';
import { reals } from '../support/real-layers.js';

const quant = perTensorQuant(1 / 128, 0);
const real = { dtype: 'float32', quant: null } as const;
const input = (shape: readonly number[], zeroPoint: number) => ({
  shape,
  quant: perTensorQuant(0.05, zeroPoint),
});

testOperator({
  op: 'l2_normalization',
  cases: [
    { edge: 'rows', inputs: [input([2, 3, 17], -11)], quant },
    // The sums of squares are small; one is 0 or 1.
    {
      edge: 'short rows near the zero point',
      inputs: [{ shape: [64, 1], quant: perTensorQuant(0.05, 127) }],
      quant,
    },
    { edge: 'float32', inputs: [reals([4, 9])], ...real },
    { edge: 'float32 of one element', inputs: [reals([5, 1])], ...real },
  ],
  random: (random) => {
    const shape = [...randomShape(random, random.integer(0, 3)), random.pick([1, 2, 3, 10, 100])];
    // A sum above 2^29.
    if (random.integer(0, 5) === 0) return { inputs: [input([1, 30000], -128)], quant };
    if (random.integer(0, 2) === 0) return { inputs: [reals(shape)], ...real };
    return { inputs: [input(shape, random.integer(-128, 127))], quant };
  },
  refused: [
    {
      edge: 'an output scale other than 1/128',
      inputs: [input([4], 0)],
      quant: perTensorQuant(1 / 127, 0),
      code: 'bad-quantization',
      message: /must have 1\/128 and 0/,
    },
    {
      edge: 'a sum of squares beyond 32 bits',
      inputs: [input([33026], -128)],
      quant,
      code: 'too-large',
      message: /33026 elements overflow/,
    },
    {
      edge: 'int16, of which no runtime has a kernel',
      inputs: [{ shape: [4], dtype: 'int16', quant: perTensorQuant(1, 0) }],
      code: 'unsupported-type',
      message: /int16/,
    },
  ],
});
