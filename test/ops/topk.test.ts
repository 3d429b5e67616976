import type { DType } from '../../src/compiler/ir/graph.js';
import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomShape, testOperator } from '../support/operator.js';

const of = (dtype: DType, ...shape: number[]): OperandCase => ({
  ...{ shape, dtype },
  quant: dtype === 'int8' || dtype === 'uint8' ? perTensorQuant(0.05, 7) : null,
});
/** The outputs are elements of a type, and places. */
const both = (dtype: DType) => ({
  dtypes: [dtype, 'int32'] as const,
  quant: of(dtype).quant ?? null,
});

testOperator({
  op: 'topk',
  cases: [
    { edge: 'int8', inputs: [of('int8', 3, 20)], attrs: { k: 4 }, ...both('int8') },
    { edge: 'all elements', inputs: [of('int8', 2, 9)], attrs: { k: 9 }, ...both('int8') },
    { edge: 'the greatest', inputs: [of('float32', 30)], attrs: { k: 1 }, ...both('float32') },
    { edge: 'float32', inputs: [of('float32', 2, 3, 10)], attrs: { k: 3 }, ...both('float32') },
    { edge: 'uint8', inputs: [of('uint8', 2, 40)], attrs: { k: 5 }, ...both('uint8') },
    { edge: 'int32', inputs: [of('int32', 2, 10)], attrs: { k: 7 }, ...both('int32') },
    {
      edge: 'equal elements: the first comes first',
      inputs: [{ ...of('int32', 2, 30), below: 3 }],
      ...{ attrs: { k: 20 }, ...both('int32') },
    },
  ],
  random: (random) => {
    const shape = [...randomShape(random, random.integer(0, 3)), random.integer(1, 20)];
    const dtype: DType = random.pick(['int8', 'uint8', 'int32', 'float32']);
    const attrs = { k: random.integer(1, shape.at(-1) as number) };
    return { inputs: [of(dtype, ...shape)], attrs, ...both(dtype) };
  },
  refused: [
    {
      edge: 'more than there are',
      inputs: [of('int8', 2, 3)],
      ...{ attrs: { k: 4 }, ...both('int8') },
      code: 'bad-shape',
      message: /takes 4 of the elements along the last dimension of \[2,3\]/,
    },
    {
      edge: 'none',
      inputs: [of('int8', 2, 3)],
      ...{ attrs: { k: 0 }, ...both('int8') },
      code: 'bad-shape',
      message: /takes 0/,
    },
  ],
});
