import { randomQuant, randomShape, testOperator } from '../support/operator.js';

const image = [{ shape: [1, 3, 4, 2] }];
const around = [0, 0, 1, 2, 2, 1, 0, 0];

testOperator({
  op: 'mirror_pad',
  cases: [
    { edge: 'an image, edges once', inputs: image, attrs: { pads: around, mode: 'reflect' } },
    { edge: 'an image, edges twice', inputs: image, attrs: { pads: around, mode: 'symmetric' } },
    {
      edge: 'channels',
      inputs: [{ shape: [2, 5] }],
      attrs: { pads: [0, 0, 4, 3], mode: 'reflect' },
    },
    {
      edge: 'every dimension, as far as possible',
      inputs: [{ shape: [2, 2, 3] }],
      attrs: { pads: [2, 2, 2, 0, 3, 3], mode: 'symmetric' },
    },
    {
      edge: 'no padding',
      inputs: image,
      attrs: { pads: [0, 0, 0, 0, 0, 0, 0, 0], mode: 'reflect' },
    },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4), 4);
    const mode = random.pick(['reflect', 'symmetric']);
    const edge = mode === 'reflect' ? 1 : 0;
    const pads = shape.flatMap((extent) => [0, 1].map(() => random.integer(0, extent - edge)));
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs: { pads, mode } };
  },
  refused: [
    {
      edge: 'more than the extent without its edge',
      inputs: [{ shape: [3] }],
      attrs: { pads: [3, 0], mode: 'reflect' },
      code: 'bad-shape',
      message: /does not pad \[3\]/,
    },
    {
      edge: 'negative padding',
      inputs: [{ shape: [3] }],
      attrs: { pads: [-1, 0], mode: 'symmetric' },
      code: 'bad-shape',
      message: /does not pad/,
    },
  ],
});
