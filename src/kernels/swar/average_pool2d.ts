/** Means of windows inside the image, four channels in a word. */
import { elementCount, type NodeView } from '../../ir/graph.js';
import { inputOf, outputOf } from '../../ops/shape/operands.js';
import type { PoolAttrs } from '../../ops/shape/pool.js';
import { poolLead, poolNumbers } from '../portable/pool.js';
import type { DescribedVariant as KernelVariant } from '../variant.js';

const lanes = 4;

/** Sums of so many bytes fit 16 bits. */
const maxCount = 257;
const reciprocalBits = 24;

/**
 * ⌈2^24 / count⌉. With it ⌊n · reciprocal / 2^24⌋ is ⌊n / count⌋ for all n up to 128·count + count/2,
 * which is what a mean of int8 divides: it exceeds n / count by less than n / 2^24 < 1 / count, and
 * the product is less than 2^32.
 *
 * @param count 1 … 257
 */
export function reciprocalOf(count: number): number {
  return Math.ceil(2 ** reciprocalBits / count);
}

/** The reciprocal that all windows have; null where one reaches into the padding or is too large. */
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

const channelsOf = (view: NodeView<PoolAttrs>) => inputOf(view, 0).shape[3] ?? 0;

/** Words begin at any address; the last one of a pixel overlaps the one before. */
const isRagged = (view: NodeView<PoolAttrs>) => channelsOf(view) % lanes > 0;

export function packedAveragePool<A extends PoolAttrs>(): KernelVariant<A> {
  const countOf = ({ attrs }: NodeView<A>) => attrs.kernelH * attrs.kernelW;
  return {
    template: 'swar/average_pool2d',
    needs: ['mul32'],
    support: ['swar/support/mean_of'],
    when: (view) => channelsOf(view) >= lanes && reciprocalOfAll(view) !== null,
    scratch: () => 0,
    work(view) {
      const pixels = elementCount(outputOf(view).shape) / channelsOf(view);
      const words = pixels * Math.ceil(channelsOf(view) / lanes);
      return {
        words: { count: words, cycles: 150 },
        [isRagged(view) ? 'ragged_taps' : 'taps']: { count: words * countOf(view), cycles: 14 },
      };
    },
    overlap: (view) => [{ input: 0, lead: poolLead(view, lanes), exact: false }],
    lower(view) {
      const { pad_top: _top, pad_left: _left, ...numbers } = poolNumbers(view);
      const count = countOf(view);
      const reciprocal = reciprocalOf(count);
      const flags = { ragged: isRagged(view) };
      return [
        {
          inputs: [0],
          outputs: [0],
          flags,
          numbers: { ...numbers, count, reciprocal },
          tables: {},
        },
      ];
    },
  };
}
