import { randomQuant, randomShape, testOperator } from '../support/operator.js';

const row = (edge: string, axis: number, outputs: number) => ({
  edge,
  inputs: [{ shape: [2, 3, 4] }],
  attrs: { axis },
  outputs,
});

testOperator({
  op: 'unpack',
  cases: [
    row('the first dimension', 0, 2),
    row('a dimension between', 1, 3),
    row('the last dimension', 2, 4),
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(2, 5));
    const axis = random.integer(0, shape.length - 1);
    const inputs = [{ shape, quant: randomQuant(random) }];
    return { inputs, attrs: { axis }, outputs: shape[axis] as number };
  },
  refused: [
    { ...row('fewer outputs', 0, 1), code: 'bad-shape', message: /each of 1 outputs/ },
    { ...row('an axis beyond the rank', 3, 1), code: 'bad-shape', message: /dimension 3/ },
  ],
});
