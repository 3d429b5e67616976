import { randomShape, testOperator } from '../support/operator.js';

const badOrder = {
  inputs: [{ shape: [2, 3] }],
  code: 'bad-shape',
  message: /not a permutation/,
} as const;

testOperator({
  op: 'transpose',
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 6), 4);
    const left = shape.map((_, d) => d);
    const perm = shape.map(() => left.splice(random.integer(0, left.length - 1), 1)[0] as number);
    return { inputs: [{ shape }], attrs: { perm } };
  },
  refused: [
    { ...badOrder, edge: 'a dimension twice', attrs: { perm: [0, 0] } },
    { ...badOrder, edge: 'too few dimensions', attrs: { perm: [0] } },
    {
      ...badOrder,
      edge: 'rank 7',
      inputs: [{ shape: [1, 1, 1, 1, 1, 1, 1] }],
      attrs: { perm: [6, 5, 4, 3, 2, 1, 0] },
    },
  ],
});
