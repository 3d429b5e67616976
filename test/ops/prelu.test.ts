import { expect } from 'chai';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { GraphBuilder, perTensorQuant } from '../support/module.js';
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
      edge: 'scales that differ too much',
      inputs: [{ ...x, quant: perTensorQuant(2 ** 30, 0) }, alpha],
      attrs,
      quant: perTensorQuant(2 ** -20, 0),
      code: 'bad-quantization',
      message: /times the output's/,
    },
  ],
});

const wide = { shape: [1, 2, 3, 4], dtype: 'int16', quant: perTensorQuant(0.001, 0) } as const;
const wideQuant = perTensorQuant(0.0008, 0);

testOperator({
  ...{ op: 'prelu', golden: 'prelu_s16' },
  cases: [
    { edge: 'a slope for each channel', inputs: [wide, alpha], attrs, quant: wideQuant },
    {
      edge: 'slopes with a zero point, a larger scale',
      inputs: [wide, { ...alpha, quant: perTensorQuant(0.02, -40) }],
      ...{ attrs, quant: perTensorQuant(2 ** -7, 0) },
    },
    {
      edge: 'computed slopes, for each element: most saturate',
      inputs: [wide, { shape: [1, 2, 3, 4], quant: perTensorQuant(0.5, 3) }],
      ...{ attrs, quant: perTensorQuant(2 ** -12, 0) },
    },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const channels = shape.at(-1) ?? 1;
    const scale = () => 2 ** (random.integer(-120, -60) / 10);
    const slopes = perTensorQuant(2 ** random.integer(-9, -3), random.integer(-128, 127));
    return {
      inputs: [
        { ...wide, shape, quant: perTensorQuant(scale(), 0) },
        { shape: [channels], data: random.int8(channels), quant: slopes },
      ],
      ...{ attrs, quant: perTensorQuant(scale(), 0) },
    };
  },
  refused: [
    {
      edge: 'slopes of int16, which both runtimes read as int8',
      inputs: [wide, { ...wide, shape: [4] }],
      attrs,
      ...{ code: 'unsupported-type', message: /slopes of int16 must be int8/ },
    },
    {
      edge: 'a zero point',
      inputs: [{ ...wide, quant: perTensorQuant(0.001, 5) }, alpha],
      attrs,
      ...{ quant: wideQuant, code: 'bad-quantization', message: /zero point that is not 0/ },
    },
    {
      edge: 'an input scale of 2^16 times the output scale',
      inputs: [{ ...wide, quant: perTensorQuant(1, 0) }, alpha],
      ...{ attrs, quant: perTensorQuant(2 ** -16, 0) },
      ...{ code: 'bad-quantization', message: /times the output's/ },
    },
  ],
});

describe('prelu of int16, as TFLM and desktop TFLite computed it', () => {
  // TFLM divides scales in double, the desktop in float32: these products lie between the two.
  for (const [ratios, outputs] of [
    ['double', [-27373, -29026]],
    ['single', [-27374, -29027]],
  ] as const) {
    it(`ratios of scales in ${ratios}`, () => {
      const b = new GraphBuilder();
      const x = b.input([1, 2], perTensorQuant(0.0018223300576210022, 0), 'x', 'int16');
      const alpha = b.constant(
        Int8Array.of(121, 81),
        [2],
        perTensorQuant(0.00047492916928604245, 0),
      );
      const own = { quant: perTensorQuant(0.000042270185076631606, 0) };
      const module = b.module([b.node('prelu', [x, alpha], { activation: 'none', ratios }, own)]);
      const [made] = evaluateGraph(mainGraph(module), [Int16Array.of(-11049, -17502)]).outputs;
      expect([...(made as Int16Array)]).to.deep.equal(outputs);
    });
  }
});
