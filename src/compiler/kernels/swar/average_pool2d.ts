/** Means of windows inside the image, four channels in a word. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { PoolAttrs } from '../../ops/shape/pool.js';
import { poolLead, poolNumbers } from '../portable/pool.js';
import type { KernelVariant } from '../variant.js';

const lanes = 4;

/** The most bytes whose sum fits 16 bits. */
const maxCount = 257;
const reciprocalBits = 24;

/**
 * ⌈2^24 / count⌉. Then ⌊n · reciprocal / 2^24⌋ = ⌊n / count⌋ for all n up to 128·count + count/2,
 * the largest dividend of a mean of int8: the quotient exceeds n / count by less than n / 2^24 < 1
 * / count, and the product is less than 2^32.
 *
 * @param count 1 … 257
 */
export function reciprocalOf(count: number): number {
  return Math.ceil(2 ** reciprocalBits / count);
}

/** The reciprocal of all windows; null if a window reaches into the padding or is too large. */
export function reciprocalOfAll(view: NodeView<PoolAttrs>): number | null {
  const { attrs } = view;
  const [, inH = 0, inW = 0] = inputOf(view, 0).shape;
  const [, outH = 0, outW = 0] = outputOf(view).shape;
  const isInside =
    attrs.padTop === 0 &&
    attrs.padLeft === 0 &&
    (outH - 1) * attrs.strideH + attrs.kernelH <= inH &&
    (outW - 1) * attrs.strideW + attrs.kernelW <= inW;
  const count = attrs.kernelH * attrs.kernelW;
  return isInside && count <= maxCount ? reciprocalOf(count) : null;
}

export function packedAveragePool<A extends PoolAttrs>(): KernelVariant<A> {
  return {
    template: 'swar/average_pool2d',
    needs: ['mul32'],
    match(view) {
      const channels = inputOf(view, 0).shape[3] ?? 0;
      const reciprocal = reciprocalOfAll(view);
      if (channels < lanes || reciprocal === null) return null;
      // Words begin at any address. The last word of a pixel overlaps the one before.
      const ragged = channels % lanes > 0;
      const count = view.attrs.kernelH * view.attrs.kernelW;
      const words = (elementCount(outputOf(view).shape) / channels) * Math.ceil(channels / lanes);
      const { pad_top: _top, pad_left: _left, ...window } = poolNumbers(view);
      const numbers = { ...window, count, reciprocal };
      return {
        scratchBytes: 0,
        overlaps: [{ input: 0, lead: poolLead(view, lanes), exact: false }],
        work: () => ({
          words: { count: words, cycles: 150 },
          [ragged ? 'ragged_taps' : 'taps']: { count: words * count, cycles: 14 },
        }),
        calls: () => [{ inputs: [0], outputs: [0], flags: { ragged }, numbers, tables: {} }],
      };
    },
  };
}
