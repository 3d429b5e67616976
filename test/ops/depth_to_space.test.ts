import { randomQuant, testOperator } from '../support/operator.js';

testOperator({
  op: 'depth_to_space',
  cases: [
    { edge: 'blocks of 2', inputs: [{ shape: [1, 2, 3, 8] }], attrs: { block: 2 } },
    {
      edge: 'blocks of 3, one channel left',
      inputs: [{ shape: [2, 1, 2, 9] }],
      attrs: { block: 3 },
    },
    { edge: 'blocks of 1', inputs: [{ shape: [1, 2, 2, 3] }], attrs: { block: 1 } },
  ],
  random: (random) => {
    const block = random.integer(1, 3);
    const extent = () => random.integer(1, 4);
    const shape = [random.integer(1, 2), extent(), extent(), block * block * extent()];
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs: { block } };
  },
  refused: [
    {
      edge: 'channels that do not fill a block',
      inputs: [{ shape: [1, 2, 2, 6] }],
      attrs: { block: 2 },
      code: 'bad-shape',
      message: /6 channels do not fill blocks of 2/,
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
