import { randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'squeeze',
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4), 3);
    return { inputs: [{ shape }], attrs: { shape: shape.filter((extent) => extent !== 1) } };
  },
  refused: [
    {
      edge: 'a shape of other elements',
      inputs: [{ shape: [2, 3] }],
      attrs: { shape: [5] },
      code: 'bad-shape',
      message: /not as many elements as \[5\]/,
    },
  ],
});
