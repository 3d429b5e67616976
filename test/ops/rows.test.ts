/** Operators along a whole dimension, and float functions, on simulated boards; very long rows. */

import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import { perTensorQuant } from '../support/module.js';
import { moduleOf, type OperatorCase } from '../support/operator.js';
import { reals } from '../support/real-layers.js';
import { needsSimulator } from '../support/skip.js';

type Case = Omit<OperatorCase, 'edge'>;

const real = { dtype: 'float32', quant: null } as const;
const index = { dtype: 'int32', quant: null } as const;
const quant = perTensorQuant(0.05, -11);
const fixed = { algorithm: 'fixed' };
const logarithm = { quant: perTensorQuant(1 / 16, 127) };
const unit = { quant: perTensorQuant(1 / 128, 0) };
const window = {
  ...{ kernelH: 3, kernelW: 2, strideH: 1, strideW: 2, activation: 'none' },
  ...{ padTop: 1, padBottom: 1, padLeft: 0, padRight: 0 },
};

const cases: readonly (readonly [op: string, cases: readonly Case[]])[] = [
  [
    'arg_extreme',
    [
      { inputs: [{ shape: [3, 17], quant }], attrs: { axis: 1, function: 'max' }, ...index },
      { inputs: [{ shape: [2, 9, 3], quant }], attrs: { axis: 1, function: 'min' }, ...index },
      { inputs: [reals([4, 12])], attrs: { axis: 1, function: 'max' }, ...index },
    ],
  ],
  [
    'l2_normalization',
    [
      { inputs: [{ shape: [5, 19], quant }], ...unit },
      { inputs: [{ shape: [30, 1], quant: perTensorQuant(0.05, 127) }], ...unit },
      { inputs: [{ shape: [1, 30000], quant: perTensorQuant(0.05, -128) }], ...unit },
      { inputs: [reals([4, 12])], ...real },
    ],
  ],
  [
    'log_softmax',
    [
      { inputs: [{ shape: [5, 19], quant }], attrs: fixed, ...logarithm },
      {
        inputs: [{ shape: [3, 300], quant: perTensorQuant(0.004, 7) }],
        attrs: fixed,
        ...logarithm,
      },
      { inputs: [{ shape: [5, 19], quant }], attrs: { algorithm: 'table' }, ...logarithm },
      { inputs: [reals([4, 12])], attrs: fixed, ...real },
    ],
  ],
  [
    'softmax',
    [
      ...['fixed', 'table'].map((algorithm) => ({
        inputs: [{ shape: [3, 40], quant }],
        ...{ attrs: { beta: 1, algorithm }, quant: perTensorQuant(1 / 65536, -32768) },
        dtype: 'int16' as const,
      })),
      { inputs: [reals([4, 12])], attrs: { beta: 1, ...fixed }, ...real },
      { inputs: [reals([4, 12])], attrs: { beta: 0.25, ...fixed }, ...real },
    ],
  ],
  ...['reduce_max', 'reduce_min'].map((op): [string, readonly Case[]] => [
    op,
    [{ inputs: [reals([3, 4, 5])], attrs: { axes: [0, 2], keepDims: false }, ...real }],
  ]),
  [
    'gelu',
    [true, false].map((approximate) => ({
      inputs: [reals([60])],
      attrs: { approximate },
      ...real,
    })),
  ],
  ['l2_pool2d', [{ inputs: [reals([1, 5, 6, 3])], attrs: window, ...real }]],
];

describe('operators along a dimension on simulated boards', () => {
  for (const name of ['rp2040', 'stm32f405']) {
    it(`${name} gives the bits of evaluate`, async function () {
      needsSimulator(this, loadTarget(name));
      const modules = cases.flatMap(([op, all]) =>
        all.map((one, i) => moduleOf(op, { edge: `${op} ${i}`, ...one })),
      );
      await expectSameBitsOnBoard(modules, name, { planned: true });
    });
  }
});

/** JavaScript takes about 120 000 arguments. */
const longRows: readonly (readonly [op: string, one: Case])[] = [
  [
    'softmax',
    { inputs: [], attrs: { beta: 1, algorithm: 'table' }, quant: perTensorQuant(1 / 256, -128) },
  ],
  ['log_softmax', { inputs: [], attrs: { algorithm: 'table' }, ...logarithm }],
];

describe('rows of more elements than a call takes arguments', () => {
  for (const [op, one] of longRows) {
    it(op, () => {
      const shape = [1, 200_000];
      const inputs = [{ shape, quant: perTensorQuant(1, 0) }];
      const graph = mainGraph(moduleOf(op, { edge: op, ...one, inputs }));
      const row = new Int8Array(200_000).fill(-128).fill(127, 7, 8);
      // All of the probability is that of one element.
      expect(evaluateGraph(graph, [row]).outputs).to.deep.equal([row]);
    });
  }
});
