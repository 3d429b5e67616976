/**
 * mean: sums in nested loops, and one requantization per output. reduce_max and reduce_min:
 * comparisons in the same loops.
 */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { type MeanAttrs, meanLoopsOf, meanTypes, scalingOf } from '../../ops/mean.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import {
  maxLoops,
  type ReductionAttrs,
  type ReductionLoops,
  reductionLoopsOf,
} from '../../ops/shape/reduction.js';
import type { KernelCall, KernelVariant } from '../variant.js';

export const meanVariant: KernelVariant<MeanAttrs> = {
  template: 'portable/mean',
  needs: [],
  types: meanTypes,
  match: (view) => ({
    scratchBytes: 0,
    work: () => ({
      inputs: { count: elementCount(inputOf(view, 0).shape), cycles: 6 },
      outputs: { count: elementCount(outputOf(view).shape), cycles: 60 },
    }),
    calls: () => [lower(view)],
  }),
};

function lower(view: NodeView<MeanAttrs>): KernelCall {
  const { sumOffset, multiplier, outOffset, halvesUp } = scalingOf(view);
  // Without a rounding shift both roundings are the same.
  const vectors = halvesUp > 0 && multiplier.shift < 0;
  const numbers: Record<string, number> = {
    sum_offset: sumOffset,
    multiplier: multiplier.multiplier,
    shift: multiplier.shift,
    out_offset: outOffset,
  };
  if (vectors) numbers.vector_channels = halvesUp;
  Object.assign(numbers, meanNumbers(view));
  const { dtype } = outputOf(view);
  const flags = { vectors, wide: dtype === 'int16' };
  return { inputs: [0], outputs: [0], types: { element: dtype }, flags, numbers, tables: {} };
}

export const meanNumbers = (view: NodeView<MeanAttrs>) => loopNumbers(meanLoopsOf(view));

/** The loops over kept and reduced dimensions: 'kept_2' is the innermost one's extent. */
function loopNumbers({ kept, reduced }: ReductionLoops): Readonly<Record<string, number>> {
  const numbers: Record<string, number> = {};
  for (const [kind, walk] of Object.entries({ kept, mean: reduced })) {
    for (let i = 0; i < maxLoops; i++) {
      const { extent, stride } = walk[walk.length - maxLoops + i] ?? { extent: 1, stride: 0 };
      numbers[`${kind}_${i}`] = extent;
      numbers[`${kind}_stride_${i}`] = stride;
    }
  }
  return numbers;
}

export function extremeVariant(maximum: boolean): KernelVariant<ReductionAttrs> {
  return {
    template: 'portable/extreme',
    needs: [],
    match: (view) => ({
      scratchBytes: 0,
      work: () => ({
        inputs: { count: elementCount(inputOf(view, 0).shape), cycles: 8 },
        outputs: { count: elementCount(outputOf(view).shape), cycles: 20 },
      }),
      calls: () => [
        {
          inputs: [0],
          outputs: [0],
          flags: { maximum },
          numbers: loopNumbers(reductionLoopsOf(view)),
          tables: {},
        },
      ],
    }),
  };
}
