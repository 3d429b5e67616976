import type { Shape } from '../../src/compiler/ir/graph.js';
import { relations } from '../../src/compiler/ops/compare.js';
import { compiledTogether, testPlainPairs } from '../support/families.js';
import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomPair, testOperator } from '../support/operator.js';

const together = compiledTogether('comparisons');
const types = ['float32', 'int32', 'int8'] as const;

for (const relation of Object.keys(relations)) {
  const attrs = { relation };
  testPlainPairs({ together, op: 'compare', name: relation, attrs, types, result: 'bool' });
}

/** Of int16, which TFLM lacks (but for GREATER, which is never true there). */
const wide = (shape: Shape, scale = 0.001): OperandCase => ({
  ...{ shape, dtype: 'int16', quant: perTensorQuant(scale, 0) },
});
/** Elements around 0, twice those of the other operand at twice its scale. */
const twice = Int16Array.from({ length: 64 }, (_, i) => (i - 32) * 1000);
const bools = { dtype: 'bool', quant: null } as const;

for (const relation of Object.keys(relations)) {
  const attrs = { relation };
  testOperator({
    ...{ together, op: 'compare', golden: `plain/${relation}_s16` },
    differs: () => ['tflm'],
    cases: [
      {
        edge: 'scales that differ: scaled for equality, stored for order',
        inputs: [wide([64]), { ...wide([64], 0.0005), data: twice }],
        ...{ attrs, ...bools },
      },
      {
        edge: 'one scale, both repeat',
        inputs: [wide([2, 1, 5]), { ...wide([4, 1]), data: Int16Array.of(-9999, 0, 1, 9999) }],
        ...{ attrs, ...bools },
      },
    ],
    random: (random) => ({
      inputs: randomPair(random).inputs.map(({ shape }) =>
        wide(shape, random.integer(1, 999) / 2 ** 20),
      ),
      ...{ attrs, ...bools },
    }),
    refused: [
      {
        edge: 'int16 beside int8',
        inputs: [wide([2]), { shape: [2] }],
        ...{ attrs, ...bools, code: 'unsupported-type', message: /is int8/ },
      },
      ...(['equal', 'not_equal'].includes(relation)
        ? [
            {
              edge: 'a zero point of int16',
              inputs: [wide([2]), { ...wide([2]), quant: perTensorQuant(0.001, 3) }],
              ...({ attrs, ...bools, code: 'bad-quantization', message: /not 0/ } as const),
            },
          ]
        : []),
    ],
  });
}
