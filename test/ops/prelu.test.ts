import { perTensorQuant } from '../support/module.js';
import { randomShape, testOperator } from '../support/operator.js';

const attrs = { activation: 'none' };
const x = { shape: [1, 2, 3, 4], quant: perTensorQuant(0.1, -12) };
const slopes = Int8Array.of(-128, -1, 0, 127);
const alpha = { shape: [1, 1, 4], quant: perTensorQuant(1 / 128, 0), data: slopes };
const quant = perTensorQuant(0.07, 5);

testOperator({
  op: 'prelu',
  cases: [
    { edge: 'a slope for each channel, some negative', inputs: [x, alpha], attrs, quant },
    {
      edge: 'slopes with a zero point',
      inputs: [x, { ...alpha, quant: perTensorQuant(0.02, -40) }],
      attrs,
      quant,
    },
    {
      edge: 'computed slopes, for each element',
      inputs: [x, { shape: [1, 2, 3, 4], quant: perTensorQuant(0.01, 3) }],
      attrs,
      quant,
    },
    { edge: 'the scale of the input', inputs: [x, alpha], attrs, quant: x.quant },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const [input, slope, output] = [-4, -6, -4].map((power) =>
      perTensorQuant(2 ** (power + random.integer(-20, 20) / 10), random.integer(-128, 127)),
    );
    const channels = shape.at(-1) ?? 1;
    const data = random.int8(channels);
    const inputs = [
      { shape, ...(input && { quant: input }) },
      { shape: [channels], data, ...(slope && { quant: slope }) },
    ];
    return { inputs, attrs, ...(output && { quant: output }) };
  },
  refused: [
    {
      edge: 'int16, of which TFLM has no kernel',
      inputs: [1, 2].map((scale) => ({
        ...{ shape: [2], dtype: 'int16', quant: perTensorQuant(scale, 0) },
      })),
      attrs,
      ...{ code: 'unsupported-type', message: /is int16/ },
    },
    {
      edge: 'scales that differ too much',
      inputs: [{ ...x, quant: perTensorQuant(2 ** 30, 0) }, alpha],
      attrs,
      quant: perTensorQuant(2 ** -20, 0),
      code: 'bad-quantization',
      message: /times the output's/,
    },
  ],
});
