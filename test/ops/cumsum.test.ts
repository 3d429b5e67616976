import type { DType } from '../../src/compiler/ir/graph.js';
import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomQuant, randomShape, testOperator } from '../support/operator.js';

const attrs = { axis: 1, exclusive: false, reverse: false };
const quant = perTensorQuant(0.05, -7);
const small: OperandCase = { shape: [2, 5, 3], quant };
const plain = (dtype: DType): OperandCase => ({ shape: [3, 4, 2], dtype, quant: null });

testOperator({
  op: 'cumsum',
  cases: [
    { edge: 'int8', inputs: [small], attrs, quant: perTensorQuant(0.11, 4) },
    {
      edge: 'int8, exclusive, the first dimension',
      inputs: [small],
      attrs: { ...attrs, axis: 0, exclusive: true },
      quant: perTensorQuant(0.11, 4),
    },
    {
      edge: 'int8, from the end, the last dimension',
      inputs: [small],
      attrs: { ...attrs, axis: 2, reverse: true },
    },
    {
      edge: 'int8, sums that leave 32 bits',
      inputs: [{ shape: [4, 90], quant: perTensorQuant(0.5, 127) }],
      attrs,
      quant: perTensorQuant(20, 0),
    },
    { edge: 'float32, each sum rounded', inputs: [plain('float32')], attrs },
    {
      edge: 'float32, exclusive from the end',
      inputs: [plain('float32')],
      attrs: { axis: 0, exclusive: true, reverse: true },
    },
    {
      edge: 'int32, which wraps',
      inputs: [plain('int32')],
      attrs: { ...attrs, exclusive: true },
    },
  ].map((one) => ({ ...one, dtype: one.inputs[0]?.dtype ?? 'int8' })),
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4), 9);
    const dtype: DType = random.pick(['int8', 'int8', 'int32', 'float32']);
    const own = dtype === 'int8' ? randomQuant(random) : null;
    const near = perTensorQuant((own?.scales[0] ?? 1) * random.integer(1, 9), 3);
    return {
      inputs: [{ shape, dtype, quant: own }],
      attrs: {
        axis: random.integer(0, shape.length - 1),
        exclusive: random.integer(0, 1) === 0,
        reverse: random.integer(0, 1) === 0,
      },
      ...{ dtype, quant: own === null ? null : near },
    };
  },
  refused: [
    {
      edge: 'an axis beyond the rank',
      inputs: [small],
      attrs: { ...attrs, axis: 3 },
      code: 'bad-shape',
      message: /axis 3/,
    },
    {
      edge: 'scales with which TFLM aborts',
      inputs: [{ shape: [4], quant: perTensorQuant(600000, 0) }],
      attrs: { ...attrs, axis: 0 },
      quant: perTensorQuant(1, 0),
      code: 'bad-quantization',
      message: /6\.00e\+5 times/,
    },
    {
      edge: 'int16',
      inputs: [{ shape: [4], dtype: 'int16', quant: perTensorQuant(1, 0) }],
      attrs: { ...attrs, axis: 0 },
      ...{ dtype: 'int16', code: 'unsupported-type', message: /is int16/ },
    },
  ],
});
