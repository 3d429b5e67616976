import type { DType } from '../../src/compiler/ir/graph.js';
import { type OperandCase, randomShape, testOperator } from '../support/operator.js';

const of = (dtype: DType, ...shape: number[]): OperandCase => ({ shape, dtype, quant: null });
const counts = { dtype: 'int32', quant: null } as const;
const [a, b, c] = [-1.5, 0.25, 3];

testOperator({
  op: 'bucketize',
  cases: [
    { edge: 'float32', inputs: [of('float32', 5, 9)], attrs: { boundaries: [a, b, c] }, ...counts },
    {
      edge: 'elements that are boundaries, twice the same',
      inputs: [of('int32', 4, 8)],
      ...{ attrs: { boundaries: [-(2 ** 31), 0, 0, 2 ** 30] }, ...counts },
    },
    { edge: 'one boundary', inputs: [of('float32', 7)], attrs: { boundaries: [b] }, ...counts },
  ],
  random: (random) => {
    const boundaries = Array.from(
      { length: random.integer(1, 9) },
      () => random.integer(-30, 30) / 4,
    );
    return {
      inputs: [of(random.pick(['float32', 'int32']), ...randomShape(random, random.integer(1, 4)))],
      attrs: { boundaries: boundaries.sort((x, y) => x - y) },
      ...counts,
    };
  },
  refused: [
    {
      edge: 'boundaries that descend',
      inputs: [of('float32', 3)],
      ...{ attrs: { boundaries: [1, 0] }, ...counts },
      code: 'unsupported-attribute',
      message: /do not ascend/,
    },
    {
      edge: 'no boundaries',
      inputs: [of('float32', 3)],
      ...{ attrs: { boundaries: [] }, ...counts },
      code: 'unsupported-attribute',
      message: /has no boundaries/,
    },
  ],
});
