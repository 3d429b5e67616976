/** The kernel of dot products over rows: fully connected layers and 1×1 convolutions. */
import { elementCount, type NodeView } from '../ir/graph.js';
import type { KernelCall, Overlap } from '../ir/op.js';
import {
  type AccumulationAttrs,
  biasesFor,
  type Filters,
  type OutputStage,
  weightsOf,
} from './accumulation.js';
import { interleaveWeights, laneBlocks, lanes, stageTable, storedLanes } from './interleave.js';
import { outputOf } from './operands.js';
import { hasResidual, residualOperands } from './residual.js';

/** C helpers between accumulator and output; codegen leaves out those that are not called. */
const outputSupport = [
  'multiply_high',
  'requantise',
  'requantise_single',
  'to_output',
  'store4',
  'store4_single',
];

/** Fields that all variants built on multiply-accumulate have in common. */
export function multiplyKernel(template: string, support: readonly string[]) {
  return {
    template: `portable/${template}`,
    needs: [],
    support: [...outputSupport, ...support].map((name) => `portable/support/${name}`),
    scratch: () => 0,
  };
}

/** Those of kernels that also add a residual. */
export function residualKernel(template: string, support: readonly string[]) {
  return {
    ...multiplyKernel(template, ['add_residual', ...support]),
    addsResidual: true,
  };
}

/**
 * The sum may take the place of what is added, which is read just before the sum is written:
 * unless lanes overlap, whose channels are computed twice.
 *
 * @param channels of a convolution group
 */
export function residualOverlap(view: NodeView<object>, channels: number): readonly Overlap[] {
  if (!hasResidual(view) || (channels > lanes && channels % lanes !== 0)) return [];
  return [{ input: 3, lead: 0, exact: true }];
}

/** Numbers of the output stage. */
export function stageNumbers(stage: OutputStage): Record<string, number> {
  return {
    // Clamped before the zero point is added, so that the sum cannot overflow.
    scaled_min: stage.min - stage.zeroPoint,
    scaled_max: stage.max - stage.zeroPoint,
    out_zp: stage.zeroPoint,
  };
}

/** Call of the kernel 'portable/fully_connected': every row of the input by every filter. */
export function fullyConnectedCall(
  view: NodeView<AccumulationAttrs>,
  filters: Filters,
  stage: OutputStage,
): KernelCall {
  const { channels, depth } = filters;
  const groups = laneBlocks(channels);
  const operands = residualOperands(view);
  return {
    ...operands,
    flags: { ...operands.flags, single_rounding: stage.rounding === 'single' },
    numbers: {
      ...operands.numbers,
      rows: elementCount(outputOf(view).shape) / channels,
      depth,
      out_c: channels,
      lanes: storedLanes(channels),
      ...stageNumbers(stage),
    },
    tables: {
      ...operands.tables,
      weights: interleaveWeights(groups, weightsOf(view), filters, channels),
      stage: stageTable(groups, stage, biasesFor(view, filters, true), channels),
    },
  };
}
