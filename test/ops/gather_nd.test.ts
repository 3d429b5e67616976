import { randomQuant, randomShape, testOperator } from '../support/operator.js';

const table = { shape: [3, 2, 4] };
const vectors = (shape: number[], ...values: number[]) => ({
  shape,
  data: Int32Array.from(values),
});

testOperator({
  op: 'gather_nd',
  cases: [
    { edge: 'rows', inputs: [table, vectors([2, 1], 2, 0)] },
    { edge: 'rows of two dimensions', inputs: [table, vectors([3, 2], 2, 1, 0, 0, 1, 1)] },
    { edge: 'elements', inputs: [table, vectors([2, 2, 3], 0, 0, 0, 2, 1, 3, 1, 0, 2, 1, 1, 1)] },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const depth = random.integer(1, shape.length);
    const outer = randomShape(random, random.integer(1, 2), 4);
    const count = outer.reduce((a, b) => a * b, 1);
    const data = Int32Array.from({ length: count * depth }, (_, i) =>
      random.integer(0, (shape[i % depth] as number) - 1),
    );
    return {
      inputs: [
        { shape, quant: randomQuant(random) },
        { shape: [...outer, depth], data },
      ],
    };
  },
  refused: [
    {
      edge: 'an index beyond its extent',
      inputs: [table, vectors([1, 2], 0, 2)],
      code: 'bad-shape',
      message: /index 2 is outside/,
    },
    {
      edge: 'more indices than dimensions',
      inputs: [table, vectors([1, 4], 0, 0, 0, 0)],
      code: 'bad-shape',
      message: /vectors of 4 indices do not fit/,
    },
  ],
});
