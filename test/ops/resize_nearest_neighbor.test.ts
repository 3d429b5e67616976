import { randomShape, testOperator } from '../support/operator.js';

const options = { alignCorners: false, halfPixelCenters: false };

testOperator({
  op: 'resize_nearest_neighbor',
  random: (random) => {
    const shape = randomShape(random, 4, 6);
    const [n = 1, , , c = 1] = shape;
    const mode = random.integer(0, 2);
    return {
      inputs: [{ shape }],
      shapes: [[n, random.integer(1, 9), random.integer(1, 9), c]],
      attrs: { alignCorners: mode === 1, halfPixelCenters: mode === 2 },
    };
  },
  refused: [
    {
      edge: 'rank 3',
      inputs: [{ shape: [2, 3, 4] }],
      shapes: [[4, 6, 4]],
      attrs: options,
      code: 'bad-shape',
      message: /\[2,3,4\] is not \[n, h, w, c\]/,
    },
  ],
});
