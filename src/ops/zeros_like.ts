/** zeros_like (ZEROS_LIKE): as many zeros, whatever the scale. */
import { type Moving, movement } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export type ZerosLikeAttrs = Readonly<Record<string, never>>;

export const zerosLike = movement<ZerosLikeAttrs>({
  name: 'zeros_like',
  infer: (view) => [inputOf(view, 0).shape],
  moves: () => [
    {
      ...{ input: 0, output: 0, inOffset: 0, outOffset: 0, fill: 0 },
      loops: [{ extent: 0, inStride: 1, outStride: 1 }],
    },
  ],
}) satisfies Moving<ZerosLikeAttrs>;
