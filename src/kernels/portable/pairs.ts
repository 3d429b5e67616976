/** maximum, minimum, prelu, squared_difference, div: functions of two elements, in one loop. */
import { elementCount, isConstant, type NodeView } from '../../ir/graph.js';
import type { Arithmetic, BinaryAttrs } from '../../ops/arithmetic/arithmetic.js';
import { activationRange } from '../../ops/arithmetic/quant.js';
import { reciprocals } from '../../ops/div.js';
import { broadcastWalk } from '../../ops/shape/broadcast.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
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
  arithmeticOf: (view: NodeView<A>) => Arithmetic,
): readonly KernelVariant<A>[] {
  const { cycles, tables } = functions[chosen];
  return [
    {
      template,
      text: 'portable/pairs',
      needs: [],
      match: (view) => ({
        scratchBytes: 0,
        work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles } }),
        calls: () => [pairCall(view, chosen, arithmeticOf(view), tables)],
      }),
    },
  ];
}

function pairCall(
  view: NodeView<BinaryAttrs>,
  chosen: PairFunction,
  { numbers }: Arithmetic,
  own: Readonly<Record<string, Table>>,
): KernelCall {
  const operands = [inputOf(view, 0), inputOf(view, 1)] as const;
  const [aConstant, bConstant] = operands.map(isConstant) as [boolean, boolean];
  const walk = broadcastWalk(view);
  const { runs, runLength, aStep, bStep, extents, aTurns, bTurns } = walk;
  const [low, high] = activationRange(view.attrs.activation, outputOf(view));
  const nested = extents.length > 1;
  const table = (data: Table['data']): Table => ({ data, role: 'table' });
  return {
    inputs: [0, 1].filter((position) => !isConstant(operands[position] as (typeof operands)[0])),
    outputs: [0],
    flags: {
      ...Object.fromEntries(Object.keys(functions).map((name) => [name, name === chosen])),
      ...{ a_constant: aConstant, b_constant: bConstant, nested },
    },
    numbers: {
      ...numbers,
      ...{ low, high, runs, run_length: runLength, a_step: aStep, b_step: bStep },
      ...(nested
        ? { outer_rank: extents.length }
        : { a_turn: aTurns[0] ?? 0, b_turn: bTurns[0] ?? 0 }),
    },
    tables: {
      ...own,
      ...(aConstant ? { a_data: table(operands[0].data as Int8Array) } : {}),
      ...(bConstant ? { b_data: table(operands[1].data as Int8Array) } : {}),
      ...(nested
        ? {
            extents: table(Int32Array.from(extents)),
            a_turns: table(Int32Array.from(aTurns)),
            b_turns: table(Int32Array.from(bTurns)),
          }
        : {}),
    },
  };
}
