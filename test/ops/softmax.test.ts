import { expect } from 'chai';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { GraphBuilder, perTensorQuant, type Random } from '../support/module.js';
import { randomQuant, randomShape, testOperator } from '../support/operator.js';
import { reals, testReal } from '../support/real-layers.js';

const quant = perTensorQuant(1 / 256, -128);
const attrs = { beta: 1, algorithm: 'fixed' };

function randomSoftmax(random: Random) {
  const depth = random.pick([1, 2, 10, 100, 700]);
  return {
    inputs: [
      {
        shape: [...randomShape(random, random.integer(0, 3), 3), depth],
        quant: randomQuant(random),
      },
    ],
    attrs: {
      beta: random.pick([1, 1, 0.25, 3]),
      algorithm: random.pick(['fixed', 'table']),
    },
    quant,
  };
}

const wide = { dtype: 'int16', quant: perTensorQuant(1 / 65536, -32768) } as const;
const toWide = (shape: readonly number[], scale: number) => ({
  inputs: [{ shape, quant: perTensorQuant(scale, 3) }],
  ...{ attrs, ...wide },
});

testOperator({
  op: 'softmax',
  golden: 'softmax_wide',
  cases: [
    { edge: 'int8 to int16', ...toWide([3, 12], 0.1) },
    { edge: 'int8 to int16, many classes', ...toWide([2, 300], 0.01) },
    { edge: 'int8 to int16, one class', ...toWide([2, 1], 1) },
    {
      edge: 'int8 to int16, a scale of 1/65535',
      ...toWide([5, 20], 0.1),
      quant: perTensorQuant(Math.fround(1 / 65535), -32768),
    },
  ],
  random: (random) => ({
    ...randomSoftmax(random),
    ...wide,
    quant: perTensorQuant(random.pick([1 / 65536, Math.fround(1 / 65535)]), -32768),
  }),
  refused: [
    {
      edge: 'an int16 output scale other than 1/65536',
      ...toWide([4], 1),
      quant: perTensorQuant(1 / 32768, 0),
      code: 'bad-quantization',
      message: /must have 1\/65536 and -32768/,
    },
  ],
});

testOperator({
  op: 'softmax',
  random: randomSoftmax,
  refused: [
    {
      edge: 'an output scale other than 1/256',
      inputs: [{ shape: [4] }],
      attrs,
      quant: perTensorQuant(1 / 255, -128),
      code: 'bad-quantization',
      message: /1\/256/,
    },
    {
      edge: 'rows that overflow the fixed-point sum',
      inputs: [{ shape: [4096] }],
      attrs,
      quant,
      code: 'unsupported-attribute',
      message: /4096/,
    },
    {
      edge: 'beta 0',
      inputs: [{ shape: [4] }],
      attrs: { ...attrs, beta: 0 },
      quant,
      code: 'unsupported-attribute',
      message: /beta/,
    },
  ],
});

testReal(
  'softmax',
  [
    { edge: 'rows', inputs: [reals([6, 9])], attrs },
    { edge: 'beta not 1', inputs: [reals([4, 12])], attrs: { ...attrs, beta: 0.25 } },
    { edge: 'one class', inputs: [reals([3, 1])], attrs },
  ],
  (random) => {
    const depth = random.pick([1, 2, 10, 100]);
    const shape = [...randomShape(random, random.integer(0, 3), 3), depth];
    return { inputs: [reals(shape)], attrs: { ...attrs, beta: random.pick([1, 1, 0.25, 3]) } };
  },
  { ulps: 2 },
);

describe('softmax of int16, as TFLM and desktop TFLite computed it', () => {
  const row = Int16Array.of(-7366, 1616, -2710, -10537, 1186, -3028, 3945, 1842);
  // Its sum lies between two reciprocals, one of which differs between float32 and double.
  for (const [algorithm, outputs] of [
    ['fixed', [660, 5898, 2053, 304, 5312, 1900, 10410, 6232]],
    ['table', [660, 5898, 2053, 304, 5311, 1900, 10409, 6232]],
  ] as const) {
    it(algorithm, () => {
      const b = new GraphBuilder();
      const x = b.input([1, 8], perTensorQuant(0.000243921429501, 0), 'x', 'int16');
      const unit = { quant: perTensorQuant(1 / 32768, 0) };
      const module = b.module([b.node('softmax', [x], { beta: 1, algorithm }, unit)]);
      const [made] = evaluateGraph(mainGraph(module), [row]).outputs;
      expect([...(made as Int16Array)]).to.deep.equal(outputs);
    });
  }
});
