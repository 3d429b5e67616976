import { randomQuant, randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'broadcast_to',
  cases: [
    { edge: 'a row to rows', inputs: [{ shape: [1, 5] }], attrs: { shape: [3, 5] } },
    { edge: 'a column to columns', inputs: [{ shape: [3, 1] }], attrs: { shape: [3, 4] } },
    { edge: 'new dimensions before', inputs: [{ shape: [2, 1] }], attrs: { shape: [2, 3, 2, 2] } },
    { edge: 'one element', inputs: [{ shape: [1] }], attrs: { shape: [2, 7] } },
    {
      edge: 'every other dimension',
      inputs: [{ shape: [1, 2, 1, 3] }],
      attrs: { shape: [2, 2, 3, 3] },
    },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 5), 4);
    const first = random.integer(0, shape.length - 1);
    const input = shape.slice(first).map((extent) => (random.integer(0, 1) === 0 ? 1 : extent));
    return { inputs: [{ shape: input, quant: randomQuant(random) }], attrs: { shape } };
  },
  refused: [
    {
      edge: 'an extent that does not repeat',
      inputs: [{ shape: [2, 3] }],
      attrs: { shape: [4, 3] },
      code: 'bad-shape',
      message: /\[2,3\] does not repeat to \[4,3\]/,
    },
    {
      edge: 'fewer dimensions',
      inputs: [{ shape: [2, 3] }],
      attrs: { shape: [3] },
      code: 'bad-shape',
      message: /does not repeat/,
    },
  ],
});
