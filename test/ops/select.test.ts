import type { DType, Shape } from '../../src/compiler/ir/graph.js';
import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomPair, randomShape, testOperator } from '../support/operator.js';

const condition = (shape: Shape): OperandCase => ({ shape, dtype: 'bool', quant: null });
const reals = (shape: Shape): OperandCase => ({ shape, dtype: 'float32', quant: null });
const image = [2, 3, 4];

testOperator({
  op: 'select',
  cases: [
    {
      edge: 'of one shape',
      inputs: [condition(image), { shape: image }, { shape: image }],
      dtype: 'int8',
      quant: perTensorQuant(0.5, 3),
    },
    {
      edge: 'float32, all repeat',
      inputs: [condition([1, 3, 1]), reals([2, 1, 1]), reals([4])],
      ...{ dtype: 'float32', quant: null },
    },
    {
      edge: 'a condition for each row, one constant',
      inputs: [condition([2, 1, 1]), reals(image), { ...reals([1]), data: Float32Array.of(-7) }],
      ...{ dtype: 'float32', quant: null },
    },
    {
      edge: 'rows of float32',
      inputs: [condition([2]), reals(image), reals(image)],
      ...{ attrs: { rows: true }, dtype: 'float32', quant: null },
    },
    {
      edge: 'rows of int8, as many as channels',
      inputs: [condition([4]), { shape: [4, 3, 4] }, { shape: [4, 3, 4] }],
      ...{ attrs: { rows: true }, dtype: 'int8', quant: perTensorQuant(0.5, 3) },
    },
  ],
  random: (random) => {
    const dtype: DType = random.pick(['int8', 'int16', 'int32', 'bool', 'float32']);
    const quant = ['int8', 'int16'].includes(dtype) ? perTensorQuant(0.5, 0) : null;
    const [x, y] = randomPair(random).inputs.map(({ shape }) => ({ shape, dtype, quant }));
    const rank = Math.max(x?.shape.length ?? 0, y?.shape.length ?? 0);
    const options = { dtype, quant };
    if (random.integer(0, 3) === 0) {
      const [rows = 1] = x?.shape ?? [];
      const same = { ...(x as OperandCase) };
      return { inputs: [condition([rows]), same, same], attrs: { rows: true }, ...options };
    }
    const one = random.integer(0, 1) === 0 ? [1] : (x?.shape ?? randomShape(random, rank));
    return {
      inputs: [condition(one), x as OperandCase, y as OperandCase],
      ...options,
    };
  },
  refused: [
    {
      edge: 'a condition that is no bool',
      inputs: [{ shape: image }, { shape: image }, { shape: image }],
      code: 'unsupported-type',
      message: /is int8; only bool is supported/,
    },
    {
      edge: 'a change of scale',
      inputs: [condition(image), { shape: image }, { shape: image, quant: perTensorQuant(2, 0) }],
      ...{ dtype: 'int8', quant: perTensorQuant(2, 0) },
      code: 'bad-quantization',
      message: /not the scale and zero point of both operands/,
    },
    {
      edge: 'shapes that do not broadcast',
      inputs: [condition([2]), { shape: image }, { shape: image }],
      code: 'bad-shape',
      message: /do not broadcast/,
    },
  ],
});
