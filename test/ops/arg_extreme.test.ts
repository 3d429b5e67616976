import { expect } from 'chai';
import { type DType, mainGraph } from '../../src/compiler/ir/graph.js';
import { comparedElements } from '../../src/compiler/ops/arg_extreme.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { perTensorQuant } from '../support/module.js';
import { moduleOf, type OperandCase, randomShape, testOperator } from '../support/operator.js';

const index = { dtype: 'int32', quant: null } as const;

const input = (dtype: DType, shape: readonly number[]): OperandCase => ({
  ...{ shape, dtype },
  quant: dtype === 'int8' ? perTensorQuant(0.5, 3) : null,
});

testOperator({
  op: 'arg_extreme',
  cases: [
    ...(['max', 'min'] as const).flatMap((name) =>
      comparedElements.flatMap((dtype) => [
        {
          // A quarter of random integers are extreme, so most rows have several of the same.
          edge: `${name} of ${dtype}, the last dimension, with equal elements`,
          inputs: [input(dtype, [3, 40])],
          ...{ attrs: { axis: 1, function: name }, ...index },
        },
        {
          edge: `${name} of ${dtype}, a dimension in the middle`,
          inputs: [input(dtype, [2, 5, 4])],
          ...{ attrs: { axis: 1, function: name }, ...index },
        },
      ]),
    ),
    {
      edge: 'the first dimension',
      inputs: [input('int8', [6, 3])],
      ...{ attrs: { axis: 0, function: 'max' }, ...index },
    },
    {
      edge: 'of one element',
      inputs: [input('int8', [4, 1, 2])],
      ...{ attrs: { axis: 1, function: 'max' }, ...index },
    },
    {
      edge: 'a vector, whose index is a scalar',
      inputs: [input('int8', [7])],
      ...{ attrs: { axis: 0, function: 'min' }, ...index },
    },
  ],
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 5));
    const attrs = {
      axis: random.integer(0, shape.length - 1),
      function: random.pick(['max', 'min']),
    };
    return { inputs: [input(random.pick(comparedElements), shape)], attrs, ...index };
  },
  refused: [
    {
      edge: 'an axis beyond the rank',
      inputs: [input('int8', [2, 3])],
      ...{ attrs: { axis: 2, function: 'max' }, ...index, shapes: [[2]] },
      code: 'bad-shape',
      message: /axis 2 is outside its 2 dimensions/,
    },
    {
      edge: 'an index of int64',
      inputs: [input('int8', [2, 3])],
      ...{ attrs: { axis: 1, function: 'max' }, dtype: 'int64', quant: null },
      code: 'unsupported-type',
      message: /is int64, must be int32/,
    },
    {
      edge: 'elements of int16, of which no runtime has a kernel',
      inputs: [{ shape: [2, 3], dtype: 'int16', quant: perTensorQuant(1, 0) }],
      ...{ attrs: { axis: 1, function: 'max' }, ...index },
      code: 'unsupported-type',
      message: /int16; int8, int32 and float32 are/,
    },
  ],
});

it('arg_extreme of NaN: it counts where it is the first alone', () => {
  const { NaN: none } = Number;
  const given = { edge: 'NaN', inputs: [input('float32', [2, 3])], ...index };
  const module = moduleOf('arg_extreme', { ...given, attrs: { axis: 1, function: 'max' } });
  const rows = Float32Array.of(none, 1, 2, 1, none, 2);
  expect(evaluateGraph(mainGraph(module), [rows]).outputs).to.deep.equal([Int32Array.of(0, 2)]);
});
