import { randomQuant, randomShape, testOperator } from '../support/operator.js';

const indices = (...values: number[]) => ({
  shape: [values.length],
  data: Int32Array.from(values),
});
const table = { shape: [4, 3, 2] };

testOperator({
  op: 'gather',
  cases: [
    {
      edge: 'rows in any order',
      inputs: [table, indices(2, 0, 0, 3, 1)],
      attrs: { axis: 0, batchDims: 0 },
    },
    {
      edge: 'a dimension between',
      inputs: [table, indices(2, 0, 2, 1)],
      attrs: { axis: 1, batchDims: 0 },
    },
    {
      edge: 'the last dimension',
      inputs: [table, indices(1, 1, 0)],
      attrs: { axis: 2, batchDims: 0 },
    },
    { edge: 'neighbours', inputs: [table, indices(1, 2)], attrs: { axis: 0, batchDims: 0 } },
    {
      edge: 'indices of two dimensions',
      inputs: [table, { shape: [2, 2], data: Int32Array.of(3, 0, 1, 1) }],
      attrs: { axis: 0, batchDims: 0 },
    },
    {
      edge: 'indices for each batch',
      inputs: [{ shape: [2, 4, 3] }, { shape: [2, 3], data: Int32Array.of(3, 0, 1, 1, 2, 2) }],
      attrs: { axis: 1, batchDims: 1 },
    },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const axis = random.integer(0, shape.length - 1);
    const batchDims = random.integer(0, axis);
    const own = randomShape(random, random.integer(1, 2), 4);
    const all = [...shape.slice(0, batchDims), ...own];
    const count = all.reduce((a, b) => a * b, 1);
    const data = random.int32(count, 0, (shape[axis] as number) - 1);
    return {
      inputs: [
        { shape, quant: randomQuant(random) },
        { shape: all, data },
      ],
      attrs: { axis, batchDims },
    };
  },
  refused: [
    {
      edge: 'an index beyond the extent',
      inputs: [table, indices(0, 4)],
      attrs: { axis: 0, batchDims: 0 },
      code: 'bad-shape',
      message: /index 4 is outside/,
    },
    {
      edge: 'a negative index',
      inputs: [table, indices(-1)],
      attrs: { axis: 0, batchDims: 0 },
      code: 'bad-shape',
      message: /index -1 is outside/,
    },
    {
      edge: 'an axis beyond the rank',
      inputs: [table, indices(0)],
      attrs: { axis: 3, batchDims: 0 },
      code: 'bad-shape',
      message: /do not fit dimension 3/,
    },
  ],
});
