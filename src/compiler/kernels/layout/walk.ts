/** The order in which kernels of two operands read them, broadcast to the output. */
import { isConstant, type NodeView } from '../../ir/graph.js';
import { broadcastWalk } from '../../ops/shape/broadcast.js';
import { inputOf } from '../../ops/shape/operands.js';
import type { KernelCall, Table, WorkTerm } from '../variant.js';

type Operands = Required<Pick<KernelCall, 'operands'>>;

/** @param names of the operands in flags @param inText their names in the text */
export function operandTables(
  view: NodeView<object>,
  names: readonly string[],
  inText: readonly string[] = names,
): Operands & Pick<KernelCall, 'inputs' | 'flags' | 'tables'> {
  const operands = inText.map((name, position) => ({ ...inputOf(view, position), name, position }));
  const constants = operands.filter(isConstant);
  return {
    inputs: operands.flatMap((one) => (isConstant(one) ? [] : [one.position])),
    flags: Object.fromEntries(
      operands.map((one) => [`${names[one.position]}_constant`, isConstant(one)]),
    ),
    operands: Object.fromEntries(operands.map(({ name, dtype }) => [name, dtype])),
    tables: Object.fromEntries(
      constants.map(({ name, data }) => [
        `${name}_data`,
        { data: data as Table['data'], role: 'table' },
      ]),
    ),
  };
}

/** Constant operands are tables `a_data` and `b_data`; the others are parameters. */
export function operandWalk(
  view: NodeView<object>,
): Operands & Pick<KernelCall, 'inputs' | 'flags' | 'numbers' | 'tables'> {
  const operands = operandTables(view, ['a', 'b']);
  const walk = broadcastWalk(view);
  const { runs, runLength, aStep, bStep, extents, aTurns, bTurns } = walk;
  const nested = extents.length > 1;
  const table = (data: Table['data']): Table => ({ data, role: 'table' });
  return {
    ...{ inputs: operands.inputs, operands: operands.operands },
    flags: { ...operands.flags, nested },
    numbers: {
      ...{ runs, run_length: runLength, a_step: aStep, b_step: bStep },
      ...(nested
        ? { outer_rank: extents.length }
        : { a_turn: aTurns[0] ?? 0, b_turn: bTurns[0] ?? 0 }),
    },
    tables: {
      ...operands.tables,
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
