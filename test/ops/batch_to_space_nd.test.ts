import { randomQuant, testOperator } from '../support/operator.js';

const row = (edge: string, shape: number[], block: number[], crops: number[]) => ({
  edge,
  inputs: [{ shape }],
  attrs: { block, crops },
});

testOperator({
  op: 'batch_to_space_nd',
  cases: [
    row('an image of blocks of 2', [4, 2, 3, 3], [2, 2], [0, 0, 0, 0]),
    row('edges cut', [6, 3, 2, 2], [2, 3], [1, 2, 0, 2]),
    row('one dimension of space, two batches', [6, 2, 3], [3], [1, 0]),
  ],
  random: (random) => {
    const block = [random.integer(1, 3), random.integer(1, 3)];
    const space = [random.integer(1, 3), random.integer(1, 3)];
    const crops = block.flatMap((size, d) => {
      const most = size * (space[d] as number) - 1;
      const before = random.integer(0, Math.min(2, most));
      return [before, random.integer(0, Math.min(2, most - before))];
    });
    const batches = block.reduce((a, b) => a * b, 1) * random.integer(1, 2);
    const shape = [batches, ...space, random.integer(1, 4)];
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs: { block, crops } };
  },
  refused: [
    {
      ...row('batches that do not fill a block', [3, 2, 2, 1], [2, 2], [0, 0, 0, 0]),
      code: 'bad-shape',
      message: /is not blocks of \[2,2\]/,
    },
    {
      ...row('all cut away', [4, 1, 1, 1], [2, 2], [1, 1, 0, 0]),
      code: 'bad-shape',
      message: /less \[1,1,0,0\]/,
    },
  ],
});
