import { castTypes } from '../../src/compiler/ops/cast.js';
import { perTensorQuant } from '../support/module.js';
import { type OperandCase, randomShape, testOperator } from '../support/operator.js';

const quantOf = (dtype: string) =>
  dtype === 'int8' || dtype === 'int16' ? perTensorQuant(0.5, 0) : null;

testOperator({
  op: 'cast',
  cases: castTypes.flatMap((from) =>
    castTypes
      // TFLM casts to no bool.
      .filter((to) => to !== from)
      .map((to) => ({
        edge: `${from} to ${to}`,
        inputs: [{ shape: [2, 30], dtype: from, quant: quantOf(from) }] as OperandCase[],
        ...{ dtype: to, quant: quantOf(to) },
      })),
  ),
  // Desktop TFLite saturates floats that TFLM's conversion leaves undefined.
  random: (random) => {
    const [from, to] = [random.pick(castTypes), random.pick(castTypes)];
    return {
      inputs: [{ shape: randomShape(random, 2), dtype: from, quant: quantOf(from) }],
      ...{ dtype: to, quant: quantOf(to) },
    };
  },
});
