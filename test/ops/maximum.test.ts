import { randomQuant, randomShape, testOperator } from '../support/operator.js';

const attrs = { activation: 'none' };
const image = { shape: [1, 2, 3, 4] };

testOperator({
  op: 'maximum',
  cases: [
    { edge: 'of one shape', inputs: [image, image], attrs },
    {
      edge: 'a constant for each channel',
      inputs: [image, { shape: [4], data: Int8Array.of(-128, -3, 40, 127) }],
      attrs,
    },
    { edge: 'one constant', inputs: [image, { shape: [1], data: Int8Array.of(5) }], attrs },
    {
      edge: 'a constant first',
      inputs: [{ shape: [3, 1], data: Int8Array.of(-60, 0, 60) }, image],
      attrs,
    },
    { edge: 'both repeat', inputs: [{ shape: [2, 1, 3] }, { shape: [4, 1] }], attrs },
  ],
  random: (random) => {
    const quant = randomQuant(random);
    const shape = randomShape(random, random.integer(1, 4));
    const other = shape
      .slice(random.integer(0, shape.length - 1))
      .map((extent) => (random.integer(0, 1) === 0 ? 1 : extent));
    const operands = [
      { shape, quant },
      { shape: other, quant },
    ];
    return { inputs: random.integer(0, 1) === 0 ? operands : operands.reverse(), attrs };
  },
  refused: [
    {
      edge: 'shapes that do not broadcast',
      inputs: [{ shape: [2, 3] }, { shape: [2] }],
      attrs,
      code: 'bad-shape',
      message: /do not broadcast/,
    },
  ],
});
