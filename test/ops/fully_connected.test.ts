import { perTensorQuant, type Random } from '../support/module.js';
import { randomAccumulation, randomActivation, randomWeights } from '../support/operands.js';
import { type OperatorCase, testOperator } from '../support/operator.js';
import { reals, realWeights, seeded, testReal } from '../support/real-layers.js';

function randomDense(random: Random): Omit<OperatorCase, 'edge'> {
  const [rows, depth, outC] = [random.integer(1, 3), random.integer(1, 40), random.integer(1, 11)];
  const { input, output, attrs } = randomAccumulation(random, ['double', 'single', 'float']);
  const shape = random.pick([
    [rows, depth],
    [1, rows, depth],
    [rows, 1, 1, depth],
  ]);
  return {
    inputs: [{ shape, quant: input }, ...randomWeights(random, [outC, depth], 0)],
    attrs: { ...attrs, keepDims: random.pick([true, false]) },
    quant: output,
  };
}

const attrs = { activation: 'none', rounding: 'double' };
const weights = { shape: [2, 3], quant: perTensorQuant(0.1, 0), data: new Int8Array(6) };

testOperator({
  op: 'fully_connected',
  random: randomDense,
  refused: [
    {
      edge: 'an input that does not split into rows',
      inputs: [{ shape: [2, 4] }, weights, null],
      attrs,
      code: 'bad-shape',
      message: /\[2,3\] do not fit input \[2,4\]/,
    },
    {
      edge: 'kept dimensions whose last is no row',
      inputs: [{ shape: [3, 2] }, weights, null],
      attrs: { ...attrs, keepDims: true },
      code: 'bad-shape',
      message: /do not fit/,
    },
    {
      edge: 'an int8 bias',
      inputs: [{ shape: [1, 3] }, weights, { shape: [2], data: new Int8Array(2) }],
      attrs,
      code: 'unsupported-type',
      message: /must be int32/,
    },
  ],
});

const realRow = { activation: 'none', rounding: 'double', keepDims: false };

testReal(
  'fully_connected',
  [
    {
      edge: 'one row, whose sums depend on the order',
      inputs: [reals([1, 40]), ...realWeights(seeded(1), [9, 40], 9)],
      attrs: realRow,
    },
    {
      edge: 'rows of an image, relu',
      inputs: [reals([2, 3, 5]), ...realWeights(seeded(2), [4, 5], 4)],
      attrs: { ...realRow, activation: 'relu', keepDims: true },
    },
  ],
  (random) => {
    const [rows, depth, channels] = [3, 50, 9].map((most) => random.integer(1, most)) as [
      number,
      number,
      number,
    ];
    return {
      inputs: [reals([rows, depth]), ...realWeights(random, [channels, depth], channels)],
      attrs: { ...realRow, activation: randomActivation(random) },
    };
  },
);
