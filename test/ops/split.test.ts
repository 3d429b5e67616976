import { randomShape, testOperator } from '../support/operator.js';

const uneven = {
  inputs: [{ shape: [2, 5] }],
  code: 'bad-shape',
  message: /does not split/,
} as const;

testOperator({
  op: 'split',
  random: (random) => {
    const parts = randomShape(random, random.integer(1, 4));
    const count = parts.length;
    const equal = random.integer(0, 1) === 0;
    const total = equal ? count * (parts[0] as number) : parts.reduce((a, b) => a + b);
    const rank = random.integer(1, 4);
    const axis = random.integer(0, rank - 1);
    const shape = randomShape(random, rank).map((extent, d) => (d === axis ? total : extent));
    const sizes = equal ? {} : { sizes: parts };
    return { inputs: [{ shape }], attrs: { axis, count, ...sizes }, outputs: count };
  },
  refused: [
    { ...uneven, edge: 'a remainder', attrs: { axis: 1, count: 2 }, outputs: 2 },
    { ...uneven, edge: 'sizes of another sum', attrs: { axis: 1, count: 1, sizes: [4] } },
    { ...uneven, edge: 'another number of outputs', attrs: { axis: 1, count: 5 } },
    { ...uneven, edge: 'a count beyond any memory', attrs: { axis: 1, count: 2 ** 31 - 1 } },
    { ...uneven, edge: 'an axis beyond the rank', attrs: { axis: 2, count: 1 } },
  ],
});
