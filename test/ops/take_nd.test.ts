import { expect } from 'chai';
import { type DType, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { perTensorQuant } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { moduleOf, type OperandCase, randomShape, testOperator } from '../support/operator.js';

const vectors = (below: number, ...shape: number[]): OperandCase => ({
  ...{ shape, dtype: 'int32', quant: null, below },
});
const table: OperandCase = { shape: [3, 2, 4] };
const real = { dtype: 'float32', quant: null } as const;
const small: OperandCase = { shape: [2, 3], data: Int8Array.of(1, 2, 3, 4, 5, 6) };

testOperator({
  op: 'take_nd',
  cases: [
    { edge: 'rows', inputs: [table, vectors(3, 5, 1)] },
    { edge: 'rows of two dimensions', inputs: [table, vectors(2, 3, 2)] },
    { edge: 'elements', inputs: [table, vectors(2, 2, 2, 3)] },
    { edge: 'of a constant', inputs: [small, vectors(2, 4, 2)] },
    { edge: 'float32', inputs: [{ shape: [4, 3], ...real }, vectors(4, 6, 1)], ...real },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 4));
    const depth = random.integer(1, shape.length);
    const dtype: DType = random.pick(['int8', 'int32', 'float32']);
    const quant = dtype === 'int8' ? perTensorQuant(0.5, 3) : null;
    const outer = randomShape(random, random.integer(1, 2), 4);
    const below = Math.min(...shape.slice(0, depth));
    return {
      inputs: [{ shape, dtype, quant }, vectors(below, ...outer, depth)],
      ...{ dtype, quant },
    };
  },
  refused: [
    {
      edge: 'more indices than dimensions',
      inputs: [table, vectors(2, 1, 4)],
      code: 'bad-shape',
      message: /vectors of 4 indices do not fit/,
    },
    {
      edge: 'indices of int8',
      inputs: [table, { shape: [1, 2] }],
      code: 'unsupported-type',
      message: /are int8, must be int32/,
    },
  ],
});

describe('operator take_nd: indices outside', () => {
  const module = (count: number) =>
    moduleOf('take_nd', {
      edge: 'outside',
      inputs: [small, { shape: [count, 2], dtype: 'int32', quant: null }],
    });

  it('take the nearest element', () => {
    const given = Int32Array.of(-1, 3, 2, -(2 ** 31), 2 ** 31 - 1, 1);
    const [taken] = evaluateGraph(mainGraph(module(3)), [given]).outputs;
    expect([...(taken as Int8Array)]).to.deep.equal([3, 4, 5]);
  });

  it('in C as in evaluate', () => expectSameBits([module(3), module(40)]));
});
