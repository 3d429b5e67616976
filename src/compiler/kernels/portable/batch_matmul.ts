/** batch_matmul: four columns at a time, in any order of the operands' elements. */
import type { NodeView } from '../../ir/graph.js';
import {
  type BatchMatmulAttrs,
  batchMatmul,
  batchMatmulTypes,
  matricesOf,
  productQuant,
} from '../../ops/batch_matmul.js';
import { outputOf } from '../../ops/shape/operands.js';
import { operandTables } from '../layout/walk.js';
import type { KernelCall, KernelVariant, Table } from '../variant.js';
import { noRounding, roundingFlags } from './dense.js';

/** float32: of cores without a floating-point unit, two calls of the library a product. */
const cycles = {
  int8: { term: 'macs', macs: 7, outputs: 40 },
  int16: { term: 'wide_macs', macs: 12, outputs: 100 },
  float32: { term: 'real_macs', macs: 120, outputs: 20 },
};

export const batchMatmulVariant: KernelVariant<BatchMatmulAttrs> = {
  template: 'portable/batch_matmul',
  needs: [],
  types: batchMatmulTypes,
  match: (view) => ({
    scratchBytes: 0,
    work() {
      const { count, rows, columns } = matricesOf(view);
      const { term, macs, outputs } = cycles[outputOf(view).dtype as keyof typeof cycles];
      return {
        [term]: { count: batchMatmul.macs(view), cycles: macs },
        outputs: { count: count * rows * columns, cycles: outputs },
      };
    },
    calls: () => [callOf(view)],
  }),
};

function callOf(view: NodeView<BatchMatmulAttrs>): KernelCall {
  const { count, rows, columns, depth, a, b } = matricesOf(view);
  const { dtype } = outputOf(view);
  const operands = operandTables(view, ['a', 'b']);
  const table = (data: Table['data']): Table => ({ data, role: 'table' });
  const [aSize, bSize] = [evenStep(a.starts), evenStep(b.starts)];
  const broadcast = aSize === null || bSize === null;
  const stage = dtype === 'float32' ? noStage : stageOf(view);
  return {
    ...{ inputs: operands.inputs, outputs: [0], operands: operands.operands },
    types: { element: dtype },
    flags: {
      ...operands.flags,
      broadcast,
      real: dtype === 'float32',
      wide: dtype === 'int16',
      ...stage.flags,
    },
    numbers: {
      ...{ batches: count, rows, columns, depth },
      ...{ a_along: a.along, a_across: a.across, b_along: b.along, b_across: b.across },
      ...stage.numbers,
      ...(broadcast ? {} : { a_size: aSize, b_size: bSize }),
    },
    tables: {
      ...operands.tables,
      ...(broadcast ? { a_starts: table(a.starts), b_starts: table(b.starts) } : {}),
    },
  };
}

const noStage = { flags: noRounding, numbers: {} };

/** The requantization of a sum; of int16 there are no zero points. */
function stageOf(view: NodeView<BatchMatmulAttrs>) {
  const quant = productQuant(view);
  if (quant.wide !== undefined) return { flags: noRounding, numbers: { ...quant.wide } };
  const { aZeroPoint, bZeroPoint, outZeroPoint, multiplier, rounding } = quant;
  return {
    flags: roundingFlags({ rounding }),
    numbers: {
      ...{ a_zero_point: aZeroPoint, b_zero_point: bZeroPoint, out_zero_point: outZeroPoint },
      ...multiplier,
    },
  };
}

/** The distance between neighbours; null where it differs. */
function evenStep(starts: Int32Array): number | null {
  const step = (starts[1] ?? 0) - (starts[0] ?? 0);
  return starts.every((start, i) => start === i * step) ? step : null;
}
