import { perTensorQuant } from '../support/module.js';
import { randomShape, testOperator } from '../support/operator.js';

testOperator({
  op: 'concatenation',
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const axis = random.integer(0, shape.length - 1);
    const inputs = Array.from({ length: random.integer(1, 4) }, () => ({
      shape: shape.map((extent, d) => (d === axis ? random.integer(1, 4) : extent)),
    }));
    return { inputs, attrs: { axis, activation: 'none' } };
  },
  refused: [
    {
      edge: 'inputs of other extents',
      inputs: [{ shape: [2, 3] }, { shape: [3, 3] }],
      attrs: { axis: 1, activation: 'none' },
      code: 'bad-shape',
      message: /input 1 of \[3,3\] does not continue \[2,3\] along dimension 1/,
    },
    {
      edge: 'an axis beyond the rank',
      inputs: [{ shape: [2, 3] }],
      attrs: { axis: 2, activation: 'none' },
      code: 'bad-shape',
      message: /along dimension 2/,
    },
    {
      edge: 'an input of another scale',
      inputs: [{ shape: [2] }, { shape: [2], quant: perTensorQuant(0.25, 3) }],
      attrs: { axis: 0, activation: 'none' },
      code: 'bad-quantization',
      message: /"input_1" has not the output's scale/,
    },
    {
      edge: 'a fused activation',
      inputs: [{ shape: [2] }],
      attrs: { axis: 0, activation: 'relu' },
      code: 'unsupported-attribute',
      message: /fused relu/,
    },
  ],
});
