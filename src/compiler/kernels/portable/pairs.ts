/** maximum, minimum, prelu, squared_difference, div: functions of two elements, in one loop. */
import { type DType, elementCount, type NodeView } from '../../ir/graph.js';
import type { Arithmetic, BinaryAttrs } from '../../ops/arithmetic/arithmetic.js';
import { activationRange } from '../../ops/arithmetic/quant.js';
import { reciprocals } from '../../ops/div.js';
import { broadcastWalk } from '../../ops/shape/broadcast.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { operandWalk, runsOf, vectorTerm } from '../layout/walk.js';
import type { KernelCall, KernelVariant, Table } from '../variant.js';

/** The functions of two elements; each is a flag of the text. */
const functions = {
  maximum: { cycles: 14, tables: {} },
  minimum: { cycles: 14, tables: {} },
  prelu: { cycles: 50, tables: {} },
  squared_difference: { cycles: 140, tables: {} },
  quotient: { cycles: 160, tables: { reciprocals: { data: reciprocals, role: 'table' } } },
} as const satisfies Record<string, { cycles: number; tables: Record<string, Table> }>;

type PairFunction = keyof typeof functions;

export function pairVariants<A extends BinaryAttrs>(
  template: string,
  chosen: PairFunction,
  arithmeticOf: (view: NodeView<A>) => Pick<Arithmetic, 'numbers'>,
  types: readonly DType[] = ['int8'],
): readonly KernelVariant<A>[] {
  const { cycles, tables } = functions[chosen];
  return [
    {
      template,
      text: 'portable/pairs',
      needs: [],
      types,
      match: (view) => ({
        scratchBytes: 0,
        work: () => ({
          [vectorTerm('outputs', broadcastWalk(view).runLength)]: {
            count: elementCount(outputOf(view).shape),
            cycles,
          },
          ...runsOf(view),
        }),
        calls: () => [pairCall(view, chosen, arithmeticOf(view), tables)],
      }),
    },
  ];
}

function pairCall(
  view: NodeView<BinaryAttrs>,
  chosen: PairFunction,
  { numbers }: Pick<Arithmetic, 'numbers'>,
  own: Readonly<Record<string, Table>>,
): KernelCall {
  const walk = operandWalk(view);
  const [low, high] = activationRange(view.attrs.activation, outputOf(view));
  return {
    ...{ inputs: walk.inputs, outputs: [0], operands: walk.operands },
    types: { element: outputOf(view).dtype, second: inputOf(view, 1).dtype },
    flags: {
      wide: outputOf(view).dtype === 'int16',
      ...Object.fromEntries(Object.keys(functions).map((name) => [name, name === chosen])),
      ...walk.flags,
    },
    words: { function: `portable/${chosen}` },
    numbers: { ...numbers, low, high, ...walk.numbers },
    tables: { ...own, ...walk.tables },
  };
}
