import { randomQuant, testOperator } from '../support/operator.js';

const row = (edge: string, shape: number[], block: number[], pads: number[]) => ({
  edge,
  inputs: [{ shape }],
  attrs: { block, pads },
});

testOperator({
  op: 'space_to_batch_nd',
  // TFLM pads with an integer that it never sets.
  differs: ({ pads }) => ((pads as number[]).some((amount) => amount > 0) ? ['tflm'] : []),
  cases: [
    row('an image in blocks of 2', [1, 4, 6, 3], [2, 2], [0, 0, 0, 0]),
    row('padding', [1, 3, 4, 2], [2, 3], [1, 2, 0, 2]),
    row('padding beyond a block', [1, 2, 2, 1], [2, 2], [3, 1, 0, 4]),
    row('one dimension of space, two batches', [2, 6, 3], [3], [0, 0]),
  ],
  random: (random) => {
    const block = [random.integer(1, 3), random.integer(1, 3)];
    const padded = block.map((size) => size * random.integer(1, 3));
    const pads = padded.flatMap((extent) => {
      const before = random.integer(0, Math.min(2, extent - 1));
      return [before, random.integer(0, Math.min(2, extent - 1 - before))];
    });
    const space = padded.map((extent, d) => extent - (pads[2 * d] ?? 0) - (pads[2 * d + 1] ?? 0));
    const shape = [random.integer(1, 2), ...space, random.integer(1, 4)];
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs: { block, pads } };
  },
  refused: [
    {
      ...row('a remainder', [1, 3, 4, 1], [2, 2], [0, 0, 0, 0]),
      code: 'bad-shape',
      message: /is not blocks of \[2,2\]/,
    },
    {
      ...row('a block of more dimensions', [1, 4], [2, 2], [0, 0, 0, 0]),
      code: 'bad-shape',
      message: /is not blocks/,
    },
  ],
});
