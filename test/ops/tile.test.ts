import { randomQuant, randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'tile',
  cases: [
    {
      edge: 'rows and columns of an image',
      inputs: [{ shape: [1, 2, 3, 2] }],
      attrs: { multiples: [1, 2, 3, 1] },
    },
    { edge: 'channels', inputs: [{ shape: [2, 1, 3] }], attrs: { multiples: [1, 1, 4] } },
    {
      edge: 'every dimension',
      inputs: [{ shape: [2, 3, 1, 2] }],
      attrs: { multiples: [2, 2, 3, 2] },
    },
    { edge: 'one copy', inputs: [{ shape: [5] }], attrs: { multiples: [1] } },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 5), 3);
    const multiples = shape.map(() => random.integer(1, 3));
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs: { multiples } };
  },
  refused: [
    {
      edge: 'multiples of another rank',
      inputs: [{ shape: [2, 3] }],
      attrs: { multiples: [2] },
      code: 'bad-shape',
      message: /not copies along each of 2 dimensions/,
    },
    {
      edge: 'no copy',
      inputs: [{ shape: [2] }],
      attrs: { multiples: [0] },
      code: 'bad-shape',
      message: /not copies/,
    },
  ],
});
