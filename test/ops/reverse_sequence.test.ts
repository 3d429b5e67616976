import { expect } from 'chai';
import { type DType, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { perTensorQuant } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { moduleOf, type OperandCase, randomShape, testOperator } from '../support/operator.js';

const of = (dtype: DType, ...shape: number[]): OperandCase => ({
  ...{ shape, dtype },
  quant: dtype === 'int16' || dtype === 'uint8' ? perTensorQuant(0.05, 0) : null,
});
const lengths = (below: number, count: number): OperandCase => ({
  ...{ shape: [count], dtype: 'int32', quant: null, below },
});
const longLengths: OperandCase = {
  ...{ shape: [2], dtype: 'int64', quant: null },
  data: BigInt64Array.of(3n, 1n),
};
const along = (sequence: number, batch: number) => ({ sequence, batch });

testOperator({
  op: 'reverse_sequence',
  cases: [
    { edge: 'rows', inputs: [of('float32', 3, 5, 2), lengths(6, 3)], attrs: along(1, 0) },
    { edge: 'time first', inputs: [of('float32', 5, 3, 2), lengths(6, 3)], attrs: along(0, 1) },
    { edge: 'apart', inputs: [of('int32', 2, 3, 4, 5), lengths(5, 5)], attrs: along(2, 3) },
    {
      edge: 'constant lengths of int64',
      inputs: [of('float32', 2, 4), longLengths],
      attrs: along(1, 0),
    },
    { edge: 'int16', inputs: [of('int16', 2, 4), lengths(5, 2)], attrs: along(1, 0) },
    { edge: 'uint8', inputs: [of('uint8', 2, 4), lengths(5, 2)], attrs: along(1, 0) },
  ].map((one) => {
    const { dtype = 'float32', quant = null } = one.inputs[0] as OperandCase;
    return { ...one, dtype, quant };
  }),
  random: (random) => {
    const shape = randomShape(random, random.integer(2, 4));
    const sequence = random.integer(0, 1);
    const batch = 1 - sequence;
    const dtype: DType = random.pick(['float32', 'uint8', 'int16', 'int32']);
    const whole = of(dtype, ...shape);
    return {
      inputs: [whole, lengths((shape[sequence] ?? 1) + 1, shape[batch] ?? 1)],
      ...{ attrs: along(sequence, batch), dtype, quant: whole.quant ?? null },
    };
  },
  refused: [
    {
      edge: 'a length for each element of another dimension',
      inputs: [of('float32', 2, 3), lengths(4, 3)],
      attrs: along(1, 0),
      ...{
        dtype: 'float32',
        quant: null,
        code: 'bad-shape',
        message: /lengths of \[3\] do not fit/,
      },
    },
    {
      edge: 'one dimension for both',
      inputs: [of('float32', 2, 3), lengths(4, 2)],
      attrs: along(0, 0),
      ...{ dtype: 'float32', quant: null, code: 'bad-shape', message: /along 0, batches along 0/ },
    },
    {
      edge: 'int8, of which no runtime has a kernel',
      inputs: [{ shape: [2, 3] }, lengths(4, 2)],
      ...{ attrs: along(1, 0), code: 'unsupported-type', message: /is int8/ },
    },
  ],
});

describe('operator reverse_sequence: lengths outside', () => {
  const module = () =>
    moduleOf('reverse_sequence', {
      edge: 'outside',
      inputs: [of('float32', 2, 3), { shape: [2], dtype: 'int32', quant: null }],
      ...{ attrs: along(1, 0), dtype: 'float32', quant: null },
    });

  it('reverse nothing or everything', () => {
    const x = Float32Array.of(1, 2, 3, 4, 5, 6);
    const { outputs } = evaluateGraph(mainGraph(module()), [x, Int32Array.of(-5, 99)]);
    expect([...(outputs[0] as Float32Array)]).to.deep.equal([1, 2, 3, 6, 5, 4]);
  });

  it('in C as in evaluate', () => expectSameBits([module()]));
});
