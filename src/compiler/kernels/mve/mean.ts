/** mean over any dimensions but the last: four elements of the last one at a time. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { type MeanAttrs, mean } from '../../ops/mean.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import { lanes } from '../layout/interleave.js';
import { loopNumbers } from '../portable/mean.js';
import type { KernelCall, KernelVariant } from '../variant.js';

export const vectorMean: KernelVariant<MeanAttrs> = {
  template: 'mve/mean',
  needs: ['mve'],
  match(view) {
    const { multiplier, halvesUp, real } = mean.scalingOf(view);
    const { kept, reduced } = mean.loopsOf(view);
    const last = kept.at(-1);
    // Without an averaged dimension, the loop over pixels has no pixel to begin with.
    const isApart = last?.stride === 1 && reduced.length > 0;
    if (last === undefined || !isApart || halvesUp > 0 || multiplier.shift >= 0) return null;
    if (real !== undefined) return null;
    const outputs = elementCount(outputOf(view).shape);
    const blocks = (outputs / last.extent) * Math.ceil(last.extent / lanes);
    const averaged = elementCount(inputOf(view, 0).shape) / outputs;
    return {
      scratchBytes: 0,
      work: () => ({
        pixels: { count: blocks * averaged, cycles: 5 },
        runs: { count: (blocks * averaged) / (reduced.at(-1)?.extent ?? 1), cycles: 12 },
        blocks: { count: blocks, cycles: 25 },
      }),
      calls: () => [meanCall(view)],
    };
  },
};

function meanCall(view: NodeView<MeanAttrs>): KernelCall {
  const { sumOffset, multiplier, outOffset } = mean.scalingOf(view);
  const four = (value: number) => [value, value, value, value];
  const stage = [...four(-sumOffset), ...four(multiplier.multiplier), ...four(multiplier.shift)];
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...{ any_shift: false, rounding: '', rectified: false },
    },
    numbers: {
      ...loopNumbers(mean.loopsOf(view)),
      scaled_min: -128 - outOffset,
      scaled_max: 127 - outOffset,
      out_zp: outOffset,
    },
    tables: { stage: { data: Int32Array.from(stage), role: 'table' } },
  };
}
