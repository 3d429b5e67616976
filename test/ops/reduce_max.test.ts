import { perTensorQuant } from '../support/module.js';
import { randomQuant, randomShape, testOperator } from '../support/operator.js';

const image = [{ shape: [1, 3, 4, 5] }];

testOperator({
  op: 'reduce_max',
  cases: [
    { edge: 'height and width', inputs: image, attrs: { axes: [1, 2], keepDims: false } },
    { edge: 'channels', inputs: image, attrs: { axes: [3], keepDims: true } },
    { edge: 'dimensions apart', inputs: image, attrs: { axes: [1, 3], keepDims: false } },
    { edge: 'all', inputs: image, attrs: { axes: [0, 1, 2, 3], keepDims: true } },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 5));
    const axes = shape.flatMap((_, d) => (random.integer(0, 1) === 0 ? [d] : []));
    const attrs = { axes: axes.length > 0 ? axes : [0], keepDims: random.integer(0, 1) === 0 };
    return { inputs: [{ shape, quant: randomQuant(random) }], attrs };
  },
  refused: [
    {
      edge: 'a change of scale',
      inputs: image,
      attrs: { axes: [1], keepDims: false },
      quant: perTensorQuant(2, 0),
      code: 'bad-quantization',
      message: /not the scale and zero point of its input/,
    },
    {
      edge: 'an axis beyond the rank',
      inputs: image,
      attrs: { axes: [4], keepDims: false },
      code: 'bad-shape',
      message: /axis 4/,
    },
  ],
});
