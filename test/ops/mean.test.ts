import { perTensorQuant, type Random } from '../support/module.js';
import { quantNear } from '../support/operands.js';
import { testOperator } from '../support/operator.js';

function randomMean(random: Random) {
  const spatial = random.integer(0, 2) === 0;
  const rank = spatial ? 4 : random.integer(1, 6);
  const shape = Array.from({ length: rank }, () => random.integer(1, 4));
  // Vectors of 16 channels, with and without some left over.
  if (spatial) shape[3] = random.integer(1, 40);
  const quant = perTensorQuant(2 ** (random.integer(-800, 0) / 100), random.integer(-128, 127));
  const real = !spatial && random.integer(0, 2) === 0;
  if (real) {
    const axes = shape.flatMap((_, i) => (random.integer(0, 1) === 0 ? [i] : []));
    const keepDims = random.integer(0, 1) === 0;
    const attrs = { axes, keepDims, algorithm: 'general' };
    return { inputs: [{ shape, dtype: 'float32' as const, quant: null }], attrs, quant: null };
  }
  return {
    inputs: [{ shape, quant }],
    attrs: {
      axes: spatial ? [1, 2] : shape.flatMap((_, i) => (random.integer(0, 1) === 0 ? [i] : [])),
      keepDims: spatial || random.integer(0, 1) === 0,
      algorithm: spatial ? 'spatial' : 'general',
    },
    quant: quantNear(random, quant.scales[0] ?? 1, -12, 12),
  };
}

const attrs = { axes: [1], keepDims: false, algorithm: 'general' };

testOperator({
  op: 'mean',
  random: randomMean,
  refused: [
    {
      edge: 'an axis outside the rank',
      inputs: [{ shape: [4] }],
      attrs,
      code: 'bad-shape',
      message: /axis 1/,
    },
    {
      edge: 'more elements than an int32 can sum',
      inputs: [{ shape: [1, 2 ** 23] }],
      attrs,
      code: 'too-large',
      message: /8388608/,
    },
    {
      edge: 'a sum shifted out of int32',
      inputs: [{ shape: [1, 4], quant: perTensorQuant(2 ** 24, 0) }],
      attrs,
      quant: perTensorQuant(1, 0),
      code: 'bad-quantization',
      message: /times the output's/,
    },
    {
      edge: 'seven dimensions, every other one averaged',
      inputs: [{ shape: [2, 2, 2, 2, 2, 2, 2] }],
      attrs: { ...attrs, axes: [1, 3, 5] },
      code: 'unsupported-attribute',
      message: /4 separate groups/,
    },
  ],
});
