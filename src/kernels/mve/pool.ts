/** Pools: many channels of a pixel at once. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { PoolAttrs } from '../../ops/shape/pool.js';
import { poolLead, poolNumbers } from '../portable/pool.js';
import type { KernelVariant } from '../variant.js';

/** Sums of this many int8, plus half their number, fit an int16. */
const mostSummed = 255;

/** The mean of eight channels at once. */
export function vectorAveragePool<A extends PoolAttrs>(): KernelVariant<A> {
  return vectorPool('average_pool2d', 8, (view) => {
    const [, inH = 0, inW = 0] = inputOf(view, 0).shape;
    const { kernelH, kernelW } = view.attrs;
    return Math.min(kernelH, inH) * Math.min(kernelW, inW) <= mostSummed;
  });
}

/** The maximum of sixteen channels at once. */
export function vectorMaxPool<A extends PoolAttrs>(): KernelVariant<A> {
  return vectorPool('max_pool2d', 16, () => true);
}

function vectorPool<A extends PoolAttrs>(
  name: string,
  channelBlock: number,
  when: (view: NodeView<A>) => boolean,
): KernelVariant<A> {
  return {
    template: `mve/${name}`,
    needs: ['mve'],
    match(view) {
      if (!when(view)) return null;
      const { kernelH, kernelW } = view.attrs;
      const { shape } = outputOf(view);
      const channels = shape.at(-1) ?? 1;
      const pixels = elementCount(shape) / channels;
      const blocks = pixels * Math.ceil(channels / channelBlock);
      const numbers = poolNumbers(view);
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead: poolLead(view, channelBlock), exact: false }],
        work: () => ({
          pixels: { count: pixels, cycles: 40 },
          blocks: { count: blocks, cycles: 30 },
          rows: { count: blocks * kernelH, cycles: 4 },
          taps: { count: blocks * kernelH * kernelW, cycles: 5 },
        }),
        calls: () => [{ inputs: [0], outputs: [0], flags: {}, numbers, tables: {} }],
      };
    },
  };
}
