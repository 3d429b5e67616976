import { randomQuant, randomShape, testOperator } from '../support/operator.js';

const two = [{ shape: [2, 3] }, { shape: [2, 3] }];

testOperator({
  op: 'pack',
  cases: [
    { edge: 'before the first dimension', inputs: two, attrs: { axis: 0 } },
    { edge: 'between dimensions', inputs: two, attrs: { axis: 1 } },
    { edge: 'after the last dimension', inputs: two, attrs: { axis: 2 } },
    { edge: 'one tensor', inputs: [{ shape: [4] }], attrs: { axis: 0 } },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const operand = { shape, quant: randomQuant(random) };
    const inputs = Array.from({ length: random.integer(1, 4) }, () => operand);
    return { inputs, attrs: { axis: random.integer(0, shape.length) } };
  },
  refused: [
    {
      edge: 'another shape',
      inputs: [{ shape: [2, 3] }, { shape: [3, 2] }],
      attrs: { axis: 0 },
      code: 'bad-shape',
      message: /input 1 has not the shape \[2,3\]/,
    },
    {
      edge: 'an axis beyond the output',
      inputs: two,
      attrs: { axis: 3 },
      code: 'bad-shape',
      message: /axis 3 is outside/,
    },
  ],
});
