import { expect } from 'chai';
import { type DType, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { perTensorQuant, Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import {
  moduleOf,
  type OperandCase,
  randomQuant,
  randomShape,
  testOperator,
} from '../support/operator.js';

const indices = (below: number, ...shape: number[]): OperandCase => ({
  ...{ shape, dtype: 'int32', quant: null, below },
});
const table: OperandCase = { shape: [4, 3, 2] };
const words: OperandCase = {
  shape: [20, 4],
  quant: perTensorQuant(0.01, 0),
  data: Int8Array.from({ length: 80 }, (_, i) => 3 * i - 120),
};
const along = (axis: number, batchDims = 0) => ({ axis, batchDims });
const reals = { dtype: 'float32', quant: null } as const;

/** A node, and whether its indices lie inside. */
function anyNode(random: Random, inside: boolean) {
  const shape = randomShape(random, random.integer(1, 4));
  const axis = random.integer(0, shape.length - 1);
  const batchDims = random.integer(0, axis);
  const own = randomShape(random, random.integer(1, 2), 4);
  const given = indices(shape[axis] ?? 1, ...shape.slice(0, batchDims), ...own);
  const { below: _, ...anywhere } = given;
  const dtype: DType = random.pick(['int8', 'int16', 'int32', 'bool', 'float32']);
  const quant = dtype === 'int8' ? randomQuant(random) : null;
  const wide = dtype === 'int16' ? perTensorQuant(1, 0) : quant;
  return {
    inputs: [{ shape, dtype, quant: wide }, inside ? given : anywhere],
    ...{ attrs: along(axis, batchDims), dtype, quant: wide },
  };
}

describe('operator take: indices outside', () => {
  it('take the nearest part, in C as in evaluate', () =>
    expectSameBits(
      Array.from({ length: 24 }, (_, seed) =>
        moduleOf('take', { edge: `seed ${seed}`, ...anyNode(new Random(seed), false) }),
      ),
    ));

  it('are the first and the last part', () => {
    const module = moduleOf('take', {
      edge: 'outside',
      inputs: [words, { shape: [4], dtype: 'int32', quant: null }],
      attrs: along(0),
    });
    const given = Int32Array.of(-1, 20, 2 ** 31 - 1, -(2 ** 31));
    const [taken] = evaluateGraph(mainGraph(module), [given]).outputs;
    const [first, last] = [words.data?.slice(0, 4), words.data?.slice(76)].map((row) => [
      ...(row as Int8Array),
    ]);
    expect([...(taken as Int8Array)]).to.deep.equal([first, last, last, first].flat());
  });
});

testOperator({
  op: 'take',
  cases: [
    { edge: 'rows of a constant', inputs: [words, indices(20, 1, 6)], attrs: along(0) },
    { edge: 'rows of a computed tensor', inputs: [table, indices(4, 5)], attrs: along(0) },
    { edge: 'a dimension between', inputs: [table, indices(3, 2, 2)], attrs: along(1) },
    { edge: 'the last dimension', inputs: [table, indices(2, 3)], attrs: along(2) },
    {
      edge: 'indices for each batch',
      inputs: [{ shape: [2, 4, 3] }, indices(4, 2, 3)],
      attrs: along(1, 1),
    },
    {
      edge: 'batches of several blocks',
      inputs: [{ shape: [2, 3, 4, 2] }, indices(4, 2, 3)],
      attrs: along(2, 1),
    },
    {
      edge: 'float32',
      inputs: [{ shape: [5, 3], ...reals }, indices(5, 4)],
      ...{ attrs: along(0), ...reals },
    },
    {
      edge: 'int16',
      inputs: [{ shape: [5, 3], dtype: 'int16', quant: perTensorQuant(1, 0) }, indices(5, 4)],
      ...{ attrs: along(0), dtype: 'int16' },
    },
  ],
  random: (random) => anyNode(random, true),
  refused: [
    {
      edge: 'indices of int8',
      inputs: [table, { shape: [2] }],
      attrs: along(0),
      code: 'unsupported-type',
      message: /its indices "input_1" are int8, must be int32/,
    },
    {
      edge: 'computed indices of int64',
      inputs: [table, { shape: [2], dtype: 'int64', quant: null }],
      attrs: along(0),
      code: 'unsupported-type',
      message: /are int64/,
    },
    {
      edge: 'an axis beyond the rank',
      inputs: [table, indices(4, 1)],
      attrs: along(3),
      code: 'bad-shape',
      message: /do not fit dimension 3/,
    },
  ],
});
