/** mirror_pad (MIRROR_PAD): a tensor between its own reflections. */
import { BonsaiError } from '../../errors.js';
import { at, type NodeView } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { movement, selection } from './shape/movement.js';
import { inputOf } from './shape/operands.js';

export interface MirrorPadAttrs {
  /** [before, after] of every dimension, flat. Non-negative. */
  readonly pads: readonly number[];
  /** reflect: the elements at the edge are not repeated; symmetric: they are. */
  readonly mode: 'reflect' | 'symmetric';
}

export const mirrorPad = movement<MirrorPadAttrs>({
  name: 'mirror_pad',
  infer: (view) => [indicesOf(view).map(({ length }) => length)],
  moves: (view) => [{ input: 0, output: 0, ...selection(inputOf(view, 0).shape, indicesOf(view)) }],
}) satisfies OpDef<MirrorPadAttrs>;

/** The input's index at each index of the output, for each dimension. */
function indicesOf(view: NodeView<MirrorPadAttrs>): readonly (readonly number[])[] {
  const { pads, mode } = view.attrs;
  const { shape } = inputOf(view, 0);
  const edge = mode === 'reflect' ? 1 : 0;
  const fits = (amount: number, d: number) =>
    amount >= 0 && amount + edge <= (shape[Math.floor(d / 2)] as number);
  if (pads.length !== 2 * shape.length || !pads.every(fits)) {
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `[${pads}] does not pad [${shape}] with its reflections`,
      `pad every dimension by 0 to its extent${edge === 1 ? ' less 1' : ''}`,
    );
  }
  return shape.map((extent, d) => {
    const [before = 0, after = 0] = pads.slice(2 * d, 2 * d + 2);
    return Array.from({ length: before + extent + after }, (_, i) => {
      const index = i - before;
      if (index < 0) return -index - 1 + edge;
      return index < extent ? index : 2 * extent - index - 1 - edge;
    });
  });
}
