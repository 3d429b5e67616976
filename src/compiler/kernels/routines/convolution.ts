/** Convolutions whose weights are code: what the kernels of several instruction sets share. */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import {
  asColumn,
  type Convolution,
  type ConvolutionVariants,
  isPixelRow,
} from '../layout/convolution.js';
import { type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import type { KernelCall, KernelVariant, MatchContext, WorkTerm } from '../variant.js';
import { tilesOf } from './calls.js';
import type { CodedRoutine } from './coded.js';

/** What an instruction set adds. The routine computes all channels of a tile. */
export interface RoutineConvolution {
  readonly template: string;
  readonly needs: KernelVariant['needs'];
  /** Pixels of a tile: neighbours in a column, or in a row of pixels. */
  readonly tile: number;
  /** Cycles of an output with a residual. */
  readonly residualCycles: number;
  /** null if a channel's requantization is not proved, or the routine cannot reach all outputs. */
  routineOf(
    view: NodeView<AccumulationAttrs>,
    context: MatchContext,
    convolution: Convolution,
  ): CodedRoutine | null;
  scratchOf(view: NodeView<object>, shape: WindowShape): number;
  /** Besides the routine itself and residuals. */
  workOf(shape: WindowShape, tiles: number): Readonly<Record<string, WorkTerm>>;
  callOf(view: NodeView<AccumulationAttrs>, shape: WindowShape, routine: CodedRoutine): KernelCall;
}

export function routineConvolution(parts: RoutineConvolution): ConvolutionVariants {
  const { template, needs, tile, residualCycles } = parts;
  return (when, describe) => ({
    template,
    needs,
    addsResidual: true,
    skipsZeros: true,
    match(view, context) {
      if (!when(view)) return null;
      const described = describe(view);
      const shape = asColumn(described.shape);
      const routine = parts.routineOf(view, context, { ...described, shape });
      if (routine === null) return null;
      const tiles = tilesOf(shape, tile);
      const lead = windowLead(shape, isPixelRow(shape) ? { tilePixels: tile } : { tileRows: tile });
      return {
        scratchBytes: parts.scratchOf(view, shape),
        weightPasses: tiles,
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => ({
          code: { count: tiles * routine.cycles, cycles: 1 },
          ...parts.workOf(shape, tiles),
          ...residualWork(view, residualCycles),
        }),
        calls: () => [parts.callOf(view, shape, routine)],
      };
    },
  });
}
