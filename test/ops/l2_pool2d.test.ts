import { perTensorQuant } from '../support/module.js';
import { testOperator } from '../support/operator.js';
import { poolAttrs, randomRealPool, realPools } from '../support/pools.js';

const real = { dtype: 'float32', quant: null } as const;

testOperator({
  op: 'l2_pool2d',
  // Desktop TFLite multiplies by the reciprocal of the count.
  differs: () => ['tflite-portable'],
  cases: realPools.map((one) => ({ ...one, ...real })),
  random: (random) => ({ ...randomRealPool(random), ...real }),
  refused: [
    {
      edge: 'int8, of which no runtime has a kernel',
      inputs: [{ shape: [1, 4, 4, 2], quant: perTensorQuant(0.1, 3) }],
      attrs: poolAttrs,
      code: 'unsupported-type',
      message: /int8; only float32 is supported/,
    },
  ],
});
