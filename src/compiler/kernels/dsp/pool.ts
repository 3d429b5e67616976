/** Max pools of four channels at a time: SSUB8 and SEL compare four bytes. */
import { elementCount } from '../../ir/graph.js';
import { outputOf } from '../../ops/shape/operands.js';
import type { PoolAttrs } from '../../ops/shape/pool.js';
import { poolLead, poolNumbers } from '../portable/pool.js';
import type { KernelVariant } from '../variant.js';

/** Channels in a word. */
const wordChannels = 4;

export function wordMaxPool<A extends PoolAttrs>(): KernelVariant<A> {
  return {
    template: 'dsp/max_pool2d',
    needs: ['dsp'],
    match(view) {
      const numbers = poolNumbers(view);
      const { channels, kernel_h, kernel_w } = numbers;
      if (channels < wordChannels) return null;
      const pixels = elementCount(outputOf(view).shape) / channels;
      const words = pixels * Math.floor(channels / wordChannels);
      const bytes = pixels * (channels % wordChannels);
      const taps = kernel_h * kernel_w;
      return {
        scratchBytes: 0,
        // Four channels are read before they are written: one at a time needs no less.
        overlaps: [{ input: 0, lead: poolLead(view, 1), exact: false }],
        work: () => ({
          pixels: { count: pixels, cycles: 25 },
          words: { count: words, cycles: 15 },
          taps: { count: words * taps, cycles: 7 },
          ...(bytes === 0
            ? {}
            : {
                bytes: { count: bytes, cycles: 15 },
                byteTaps: { count: bytes * taps, cycles: 6 },
              }),
        }),
        calls: () => [{ inputs: [0], outputs: [0], flags: {}, numbers, tables: {} }],
      };
    },
  };
}
