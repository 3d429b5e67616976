import type { DType } from '../../src/compiler/ir/graph.js';
import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomShape, testOperator } from '../support/operator.js';

const indices = (below: number, ...shape: number[]): OperandCase => ({
  ...{ shape, dtype: 'int32', quant: null, below },
});
const attrs = { axis: 1, depth: 4, on: 1, off: 0 };
const real = { dtype: 'float32', quant: null } as const;
const small = { dtype: 'int8', quant: perTensorQuant(1 / 256, -128) } as const;

testOperator({
  op: 'one_hot',
  cases: [
    { edge: 'float32', inputs: [indices(4, 6)], attrs: { ...attrs, on: 2.5, off: -0.75 }, ...real },
    { edge: 'int8', inputs: [indices(4, 2, 3)], attrs: { ...attrs, axis: 2, on: 127 }, ...small },
    {
      edge: 'the first dimension',
      inputs: [indices(4, 2, 3)],
      attrs: { ...attrs, axis: 0 },
      ...real,
    },
    { edge: 'a dimension between', inputs: [indices(4, 2, 3)], attrs, ...small },
    { edge: 'indices outside', inputs: [indices(9, 2, 6)], attrs, ...small },
    {
      edge: 'any indices',
      inputs: [{ shape: [40], dtype: 'int32', quant: null }],
      ...{ attrs, ...real },
    },
    { edge: 'bool', inputs: [indices(5, 7)], attrs, dtype: 'bool', quant: null },
    {
      edge: 'int32',
      inputs: [indices(4, 7)],
      ...{ attrs: { ...attrs, on: 2 ** 30, off: -7 }, dtype: 'int32', quant: null },
    },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const depth = random.integer(1, 6);
    const dtype: DType = random.pick(['int8', 'uint8', 'int32', 'bool', 'float32']);
    const [on, off] = dtype === 'bool' ? [1, 0] : [random.integer(0, 127), random.integer(0, 9)];
    const quant = dtype === 'int8' || dtype === 'uint8' ? perTensorQuant(0.5, 3) : null;
    return {
      inputs: [indices(depth + 1, ...shape)],
      attrs: { axis: random.integer(0, shape.length), depth, on, off },
      ...{ dtype, quant },
    };
  },
  refused: [
    {
      edge: 'an axis beyond the rank',
      inputs: [indices(4, 2, 3)],
      ...{ attrs: { ...attrs, axis: 3 }, ...real },
      code: 'bad-shape',
      message: /along axis 3 do not fit indices of \[2,3\]/,
    },
    {
      edge: 'vectors without elements',
      inputs: [indices(4, 2)],
      ...{ attrs: { ...attrs, depth: 0 }, ...real },
      code: 'bad-shape',
      message: /vectors of 0/,
    },
    {
      edge: 'indices of float32',
      inputs: [{ shape: [2], ...real }],
      ...{ attrs, ...real },
      code: 'unsupported-type',
      message: /are float32, must be int32/,
    },
  ],
});
