/** A layer as the kernels of this folder need it: rows of weights, and its output stage. */
import type { NodeView } from '../../ir/graph.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  type OutputStage,
  weightRows,
} from '../../ops/arithmetic/accumulation.js';
import { stageTable } from '../layout/interleave.js';
import type { KernelCall } from '../variant.js';
import type { WeightRows } from './positions.js';

/** Encodings that save less of the int8 weights than this are not worth a kernel. */
const leastSaving = 1 / 16;

export function isWorthwhile(bytes: number, { data }: WeightRows): boolean {
  return bytes <= data.length * (1 - leastSaving);
}

export function rowsOf(view: NodeView<object>, filters: Filters): WeightRows {
  const { channels, depth } = filters;
  return { data: weightRows(view, filters), channels, depth };
}

/**
 * Operands of the output stage: bias, multiplier and shift per channel, or the biases alone if all
 * channels have the same multiplier and shift.
 *
 * @param mayShare false: always per channel, so that all layers share one function
 */
export function scaleOperands(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  stage: OutputStage,
  mayShare: boolean,
): Pick<KernelCall, 'flags' | 'numbers' | 'tables'> {
  const { channels } = filters;
  const biases = biasesFor(view, filters, true);
  const [first] = stage.multipliers;
  const isShared =
    mayShare &&
    first !== undefined &&
    stage.multipliers.every(
      ({ multiplier, shift }) => multiplier === first.multiplier && shift === first.shift,
    );
  if (isShared) {
    return {
      flags: { shared_scale: true },
      numbers: { multiplier: first.multiplier, shift: first.shift },
      tables: { biases: { data: biases, role: 'table' } },
    };
  }
  const all = Array.from({ length: channels }, (_, channel) => channel);
  return {
    flags: { shared_scale: false },
    numbers: {},
    tables: { stage: stageTable(all, stage, biases, channels, 1) },
  };
}
