import { perTensorQuant } from '../support/module.js';
import { randomPool } from '../support/operands.js';
import { testOperator } from '../support/operator.js';
import { reals } from '../support/real-layers.js';

const noPads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
const real = { dtype: 'float32', quant: null } as const;

testOperator({
  op: 'l2_pool2d',
  // Desktop TFLite multiplies by the reciprocal of the count.
  differs: () => ['tflite'],
  cases: [
    {
      edge: 'SAME, windows over the edge',
      inputs: [reals([1, 5, 7, 3])],
      attrs: {
        ...{ kernelH: 3, kernelW: 3, strideH: 2, strideW: 2, activation: 'none' },
        ...{ padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 },
      },
      ...real,
    },
    {
      edge: 'the whole image, relu6',
      inputs: [reals([2, 4, 6, 2])],
      attrs: { kernelH: 4, kernelW: 6, strideH: 4, strideW: 6, activation: 'relu6', ...noPads },
      ...real,
    },
  ],
  random: (random) => {
    const { inputs, attrs = {} } = randomPool(random);
    return { inputs: inputs.map((one) => reals(one?.shape ?? [])), attrs, ...real };
  },
  refused: [
    {
      edge: 'int8, of which no runtime has a kernel',
      inputs: [{ shape: [1, 4, 4, 2], quant: perTensorQuant(0.1, 3) }],
      attrs: { kernelH: 2, kernelW: 2, strideH: 2, strideW: 2, activation: 'none', ...noPads },
      code: 'unsupported-type',
      message: /int8; only float32 is supported/,
    },
  ],
});
