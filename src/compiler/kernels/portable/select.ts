/** select: one of two operands by a condition, all broadcast to the output. */
import { arenaTypes } from '../../ir/dtypes.js';
import { elementCount } from '../../ir/graph.js';
import { broadcasting, type SelectAttrs } from '../../ops/select.js';
import { operandsWalk } from '../../ops/shape/broadcast.js';
import { outputOf } from '../../ops/shape/operands.js';
import { operandTables } from '../layout/walk.js';
import type { KernelVariant, Table } from '../variant.js';

/** The operands' names in the text. */
const names = ['a', 'b', 'c'] as const;

export const selectVariant: KernelVariant<SelectAttrs> = {
  template: 'portable/select',
  needs: [],
  types: arenaTypes,
  match: (view) => ({
    scratchBytes: 0,
    work: () => ({ outputs: { count: elementCount(outputOf(view).shape), cycles: 20 } }),
    calls() {
      const operands = operandTables(view, names, ['condition', 'x', 'y']);
      const { runs, runLength, steps, extents, turns } = operandsWalk(broadcasting(view));
      const table = (data: Table['data']): Table => ({ data, role: 'table' });
      const each = <T>(suffix: string, of: (i: number) => T) =>
        Object.fromEntries(names.map((name, i) => [`${name}_${suffix}`, of(i)]));
      return [
        {
          ...{ inputs: operands.inputs, outputs: [0], operands: operands.operands },
          flags: operands.flags,
          types: { element: outputOf(view).dtype },
          numbers: {
            ...{ runs, run_length: runLength, outer_rank: extents.length },
            ...each('step', (i) => steps[i] as number),
          },
          tables: {
            ...operands.tables,
            ...each('turns', (i) => table(Int32Array.from(turns[i] ?? []))),
            extents: table(Int32Array.from(extents)),
          },
        },
      ];
    },
  }),
};
