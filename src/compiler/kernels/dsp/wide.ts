/** Layers of int16 inputs and int8 weights: SMLAD multiplies two values at a time. */
import type { WideDots } from '../layout/wide-rows.js';
import { dotTable, pairsInOrder } from './dot-rows.js';

export const smladDots: WideDots = {
  traits: { template: 'dsp/conv2d_16x8', needs: ['dsp'] },
  hasSmlad: true,
  table: (rows, depth) => dotTable(rows, pairsInOrder(depth)),
  cycles: {
    ...{ steps: 11.1, groups: 14, reduced: 17, wide: 26, whole: 30 },
    ...{ copied: 1, lines: 45, pixels: 60 },
  },
};
