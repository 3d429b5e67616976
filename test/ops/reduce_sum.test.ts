import { perTensorQuant, type Random } from '../support/module.js';
import { quantNear } from '../support/operands.js';
import { testOperator } from '../support/operator.js';

function randomSum(random: Random) {
  const shape = Array.from({ length: random.integer(1, 5) }, () => random.integer(1, 5));
  const dtype = random.pick(['int8', 'int8', 'int16', 'float32'] as const);
  const attrs = {
    axes: shape.flatMap((_, i) => (random.integer(0, 1) === 0 ? [i] : [])),
    keepDims: random.integer(0, 1) === 0,
    algorithm: random.pick(['fixed', 'float']),
  };
  if (dtype === 'float32') return { inputs: [{ shape, dtype, quant: null }], attrs, quant: null };
  const zeroPoint = dtype === 'int8' ? random.integer(-128, 127) : 0;
  const quant = perTensorQuant(2 ** (random.integer(-800, 0) / 100), zeroPoint);
  const near = quantNear(random, quant.scales[0] ?? 1, -4, 8);
  const output = dtype === 'int8' ? near : perTensorQuant(near.scales[0] ?? 1, 0);
  return { inputs: [{ shape, dtype, quant }], attrs, quant: output, dtype };
}

const quant = perTensorQuant(0.05, 7);
const output = perTensorQuant(0.3, -11);
const real = { dtype: 'float32', quant: null } as const;

testOperator({
  op: 'reduce_sum',
  random: randomSum,
  cases: [
    {
      edge: 'over channels',
      inputs: [{ shape: [2, 3, 17], quant }],
      attrs: { axes: [2], keepDims: true, algorithm: 'fixed' },
      quant: output,
    },
    {
      edge: 'over rows and columns',
      inputs: [{ shape: [1, 4, 5, 18], quant }],
      attrs: { axes: [1, 2], keepDims: false, algorithm: 'fixed' },
      quant: output,
    },
    {
      edge: 'of one scale: nothing is rounded',
      inputs: [{ shape: [3, 5], quant }],
      attrs: { axes: [1], keepDims: true, algorithm: 'fixed' },
      quant,
    },
    {
      edge: 'int16, over alternating dimensions',
      inputs: [{ shape: [2, 3, 2, 5], dtype: 'int16', quant: perTensorQuant(0.001, 0) }],
      attrs: { axes: [0, 2], keepDims: false, algorithm: 'fixed' },
      ...{ quant: perTensorQuant(0.0007, 0), dtype: 'int16' },
    },
    {
      edge: 'float32, whose sums depend on the order',
      inputs: [{ shape: [2, 9, 7, 3], ...real }],
      attrs: { axes: [1, 2], keepDims: true, algorithm: 'fixed' },
      ...real,
    },
    {
      edge: 'float32, outer and inner dimensions',
      inputs: [{ shape: [5, 3, 8], ...real }],
      attrs: { axes: [0, 2], keepDims: false, algorithm: 'fixed' },
      ...real,
    },
  ],
  refused: [
    {
      edge: 'types that differ',
      inputs: [{ shape: [4], quant }],
      attrs: { axes: [0], keepDims: true, algorithm: 'fixed' },
      ...{ dtype: 'int16', quant: perTensorQuant(1, 0) },
      code: 'unsupported-type',
      message: /int8.* int16/,
    },
  ],
});
