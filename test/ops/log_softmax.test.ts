import { perTensorQuant } from '../support/module.js';
import { randomShape, testOperator } from '../support/operator.js';
import { reals, testReal } from '../support/real-layers.js';

const quant = perTensorQuant(1 / 16, 127);
const attrs = { algorithm: 'fixed' };
const rows = (shape: readonly number[], scale: number) => ({
  inputs: [{ shape, quant: perTensorQuant(scale, 3) }],
  ...{ attrs, quant },
});

testOperator({
  op: 'log_softmax',
  cases: [
    { edge: 'rows', ...rows([2, 3, 17], 0.05) },
    { edge: 'many elements count', ...rows([2, 300], 0.003) },
    { edge: 'one class', ...rows([5, 1], 0.1) },
    { edge: 'steps of 1: most elements are farthest', ...rows([4, 40], 1) },
    { edge: 'steps of 20: TFLM drops all but the largest', ...rows([4, 40], 20) },
    { edge: 'steps above 32, which saturate', ...rows([4, 10], 1000) },
  ],
  random: (random) => {
    const depth = random.pick([1, 2, 10, 100, 700]);
    const shape = [...randomShape(random, random.integer(0, 3), 3), depth];
    const scale = 2 ** (random.integer(-1100, 500) / 100);
    const own = { algorithm: random.pick(['fixed', 'table']) };
    return { ...rows(shape, scale), attrs: own };
  },
  refused: [
    {
      edge: 'an output scale other than 1/16',
      ...rows([4], 1),
      quant: perTensorQuant(1 / 17, 127),
      code: 'bad-quantization',
      message: /must have 1\/16 and 127/,
    },
    {
      edge: 'rows that overflow the fixed-point sum',
      ...rows([4096], 1),
      code: 'unsupported-attribute',
      message: /4096/,
    },
    {
      edge: 'int16, of which no runtime has a kernel',
      inputs: [{ shape: [4], dtype: 'int16', quant: perTensorQuant(1, 0) }],
      ...{ attrs, quant: perTensorQuant(1, 0) },
      code: 'unsupported-type',
      message: /int16/,
    },
  ],
});

testReal(
  'log_softmax',
  [
    { edge: 'rows', inputs: [reals([6, 9])], attrs },
    { edge: 'one class', inputs: [reals([3, 1])], attrs },
  ],
  (random) => {
    const depth = random.pick([1, 2, 10, 100]);
    return { inputs: [reals([...randomShape(random, random.integer(0, 3), 3), depth])], attrs };
  },
  { ulps: 1 },
);
