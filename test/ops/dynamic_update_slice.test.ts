import type { DType } from '../../src/compiler/ir/graph.js';
import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomShape, testOperator } from '../support/operator.js';

const quant = perTensorQuant(0.05, -7);
const of = (dtype: DType, ...shape: number[]): OperandCase => ({
  ...{ shape, dtype },
  quant: dtype === 'int8' || dtype === 'int16' ? quant : null,
});
const at = (...indices: number[]): OperandCase => ({
  ...{ shape: [indices.length], quant: null },
  data: Int32Array.from(indices),
});
/** Computed, from far before the begin to far behind the end. */
const anywhere = (rank: number): OperandCase => ({ shape: [rank], dtype: 'int32', quant: null });

testOperator({
  op: 'dynamic_update_slice',
  cases: [
    { edge: 'inside', inputs: [of('int8', 4, 5), of('int8', 2, 3), at(1, 2)] },
    { edge: 'moved back inside', inputs: [of('int8', 4, 5), of('int8', 2, 3), at(3, -2)] },
    { edge: 'whole rows', inputs: [of('int8', 4, 3, 5), of('int8', 2, 3, 5), at(1, 0, 0)] },
    { edge: 'all of it', inputs: [of('int8', 2, 3), of('int8', 2, 3), at(1, 1)] },
    { edge: 'a vector', inputs: [of('float32', 7), of('float32', 2), at(4)] },
    {
      edge: 'four dimensions',
      inputs: [of('float32', 2, 3, 4, 5), of('float32', 1, 2, 3, 2), at(1, 0, 1, 3)],
    },
    { edge: 'int32', inputs: [of('int32', 3, 4), of('int32', 1, 4), at(2, 0)] },
    {
      edge: 'int8, computed indices',
      inputs: [of('int8', 4, 5), of('int8', 2, 3), anywhere(2)],
    },
    {
      edge: 'float32, computed indices of three dimensions',
      inputs: [of('float32', 3, 4, 5), of('float32', 2, 2, 5), anywhere(3)],
    },
    { edge: 'int16', inputs: [of('int16', 4, 5), of('int16', 1, 5), anywhere(2)] },
    { edge: 'bool', inputs: [of('bool', 4, 5), of('bool', 1, 5), anywhere(2)] },
  ].map((one) => {
    const { dtype = 'int8', quant: own = null } = one.inputs[0] as OperandCase;
    return { ...one, dtype, quant: own };
  }),
  random: (random) => {
    const dtype: DType = random.pick(['int8', 'int16', 'int32', 'bool', 'float32']);
    const shape = randomShape(random, random.integer(1, 5));
    const part = shape.map((extent) => random.integer(1, extent));
    const indices = Array.from(random.int32(shape.length, -2, 6));
    const start = random.integer(0, 1) === 0 ? anywhere(shape.length) : at(...indices);
    const whole = of(dtype, ...shape);
    return {
      inputs: [whole, of(dtype, ...part), start],
      ...{ dtype, quant: whole.quant ?? null },
    };
  },
  refused: [
    {
      edge: 'a part that is larger',
      inputs: [of('int8', 2, 3), of('int8', 2, 4), at(0, 0)],
      code: 'bad-shape',
      message: /a part of \[2,4\] at \[2\] indices does not fit \[2,3\]/,
    },
    {
      edge: 'too few indices',
      inputs: [of('int8', 2, 3), of('int8', 2, 3), at(0)],
      code: 'bad-shape',
      message: /at \[1\] indices/,
    },
    {
      edge: 'a part of another type',
      inputs: [of('int8', 2, 3), of('int16', 2, 3), at(0, 0)],
      code: 'unsupported-type',
      message: /is int16/,
    },
    {
      edge: 'indices of float32',
      inputs: [of('int8', 2), of('int8', 1), { ...of('float32', 1) }],
      code: 'unsupported-type',
      message: /its indices "input_2" are float32, must be int32/,
    },
  ],
});
