/** logistic and tanh of int16. */
import { elementCount } from '../../ir/graph.js';
import { type Curve, curveScaling, curveTable } from '../../ops/arithmetic/curve16.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { KernelVariant } from '../variant.js';

export function curveVariant<A extends object>(curve: Curve): KernelVariant<A> {
  return {
    template: 'portable/curve',
    needs: [],
    types: ['int16'],
    match(view) {
      const { multiplier, shift } = curveScaling(view, curve);
      const count = elementCount(outputOf(view).shape);
      const half = shift > 0 ? 2 ** (shift - 1) : 0;
      return {
        scratchBytes: 0,
        work: () => ({ outputs: { count, cycles: 28 } }),
        calls: () => [
          {
            ...{ inputs: [0], outputs: [0], flags: { tanh: curve === 'signed' } },
            words: curve === 'signed' ? tanhWords : logisticWords,
            numbers: { multiplier, half, shift, count },
            tables: { table: { data: curveTable, role: 'table' } },
          },
        ],
      };
    },
  };
}

/** Bits of the distance between two values of the table, and what a value beyond the last one is. */
const tanhWords = { curve: 'Hyperbolic tangent', bits: '8', mask: '0xff', last: '0xffff << 8' };
const logisticWords = {
  curve: 'Logistic function',
  bits: '9',
  mask: '0x1ff',
  last: '0x7fff << 10',
};
