/** The order in which kernels of two operands read them, broadcast to the output. */
import { isConstant, type NodeView } from '../../ir/graph.js';
import { broadcastWalk } from '../../ops/shape/broadcast.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { KernelCall, Table, WorkTerm } from '../variant.js';

/** Constant operands are tables `a_data` and `b_data`; the others are parameters. */
export function operandWalk(
  view: NodeView<object>,
): Pick<KernelCall, 'inputs' | 'flags' | 'numbers' | 'tables'> {
  const operands = [inputOf(view, 0), inputOf(view, 1)] as const;
  const [aConstant, bConstant] = operands.map(isConstant) as [boolean, boolean];
  const walk = broadcastWalk(view);
  const { runs, runLength, aStep, bStep, extents, aTurns, bTurns } = walk;
  const nested = extents.length > 1;
  const table = (data: Table['data']): Table => ({ data, role: 'table' });
  return {
    inputs: [0, 1].filter((position) => !isConstant(operands[position] as (typeof operands)[0])),
    flags: { a_constant: aConstant, b_constant: bConstant, nested },
    numbers: {
      ...{ runs, run_length: runLength, a_step: aStep, b_step: bStep },
      ...(nested
        ? { outer_rank: extents.length }
        : { a_turn: aTurns[0] ?? 0, b_turn: bTurns[0] ?? 0 }),
    },
    tables: {
      ...(aConstant ? { a_data: table(operands[0].data as Table['data']) } : {}),
      ...(bConstant ? { b_data: table(operands[1].data as Table['data']) } : {}),
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

/**
 * The term of an inner loop's elements. Where a core has vectors of 16 bytes, compilers make them of
 * loops whose length is a multiple, and of others only sometimes.
 */
export function vectorTerm(term: string, extent: number): string {
  return extent % 16 === 0 ? term : 'uneven';
}

/** The starts of the inner loop, if there are several. */
export function runsOf(view: NodeView<object>): Readonly<Record<string, WorkTerm>> {
  const { runs } = broadcastWalk(view);
  return runs > 1 ? { runs: { count: runs, cycles: 20 } } : {};
}
