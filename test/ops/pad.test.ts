import { randomQuant, randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'pad',
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 5), 4);
    const pads = shape.flatMap(() => [random.integer(0, 2), random.integer(0, 2)]);
    const value = random.integer(0, 1) === 0 ? {} : { value: random.integer(-128, 127) };
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs: { pads, ...value } };
  },
  refused: [
    {
      edge: 'pads of another rank',
      inputs: [{ shape: [2, 3] }],
      attrs: { pads: [1, 1] },
      code: 'bad-shape',
      message: /does not pad a tensor of 2 dimensions/,
    },
    {
      edge: 'negative pads',
      inputs: [{ shape: [3] }],
      attrs: { pads: [-1, 0] },
      code: 'bad-shape',
      message: /does not pad/,
    },
    {
      edge: 'a value beyond int8',
      inputs: [{ shape: [3] }],
      attrs: { pads: [1, 0], value: 128 },
      code: 'unsupported-attribute',
      message: /128, which is not an int8/,
    },
  ],
});
