import { randomQuant, testOperator } from '../support/operator.js';

testOperator({
  op: 'space_to_depth',
  cases: [
    { edge: 'blocks of 2', inputs: [{ shape: [1, 4, 6, 2] }], attrs: { block: 2 } },
    { edge: 'blocks of 3, one channel', inputs: [{ shape: [2, 3, 6, 1] }], attrs: { block: 3 } },
    { edge: 'blocks of 1', inputs: [{ shape: [1, 2, 2, 3] }], attrs: { block: 1 } },
  ],
  random: (random) => {
    const block = random.integer(1, 3);
    const extent = () => random.integer(1, 4);
    const shape = [random.integer(1, 2), block * extent(), block * extent(), extent()];
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs: { block } };
  },
  refused: [
    {
      edge: 'an odd height',
      inputs: [{ shape: [1, 3, 2, 1] }],
      attrs: { block: 2 },
      code: 'bad-shape',
      message: /3 by 2 pixels are not blocks of 2/,
    },
    {
      edge: 'no image',
      inputs: [{ shape: [2, 4] }],
      attrs: { block: 2 },
      code: 'bad-shape',
      message: /is not \[n, h, w, c\]/,
    },
  ],
});
