/** push: a window over time moves on by new frames. No runtime has it: streams and passes make it. */
import { BonsaiError } from '../../errors.js';
import { arenaTypes } from '../ir/dtypes.js';
import { allocate, at, elementCount, type NodeView, type TensorData } from '../ir/graph.js';
import type { OpDef } from '../ir/op.js';
import { anyBounds } from './arithmetic/bounds.js';
import { sameQuant } from './arithmetic/quant.js';
import { inputOf, outputOf, requireOneType } from './shape/operands.js';

export interface PushAttrs {
  /** The dimension of time. */
  readonly axis: number;
}

/** The window as `blocks` of consecutive elements: those that stay, and those that come. */
export interface PushDims {
  readonly blocks: number;
  readonly kept: number;
  readonly added: number;
}

/**
 * Input 0 is the window [.., rows, ..], a state; input 1 has new rows, at most as many. Output 0 is
 * the state after it: without its oldest rows, and with the new ones at its end.
 */
export const push = {
  name: 'push',
  types: arenaTypes,
  infer(view) {
    const [{ shape }, frames] = [inputOf(view, 0), inputOf(view, 1)];
    const { axis } = view.attrs;
    const fits =
      frames.shape.length === shape.length &&
      shape.every((extent, d) =>
        d === axis ? extent >= (frames.shape[d] as number) : extent === frames.shape[d],
      );
    if (fits) return [shape];
    throw new BonsaiError(
      'bad-shape',
      at(view.node),
      `pushes [${frames.shape}] along dimension ${axis} into a window of [${shape}]`,
      'this model was not made by a stream',
    );
  },
  check(view) {
    requireOneType(view, arenaTypes);
    if (sameQuant(inputOf(view, 1).quant, outputOf(view).quant)) return;
    const message = `input "${inputOf(view, 1).name}" has not the window's scale and zero point`;
    throw new BonsaiError('bad-quantization', at(view.node), message, 'use one quantization');
  },
  evaluate(view, [window, frames]) {
    const { blocks, kept, added } = pushDims(view);
    const next = allocate(outputOf(view).dtype, (kept + added) * blocks);
    for (let block = 0; block < blocks; block += 1) {
      const begin = block * (kept + added);
      copyTo(next, begin, window as TensorData, begin + added, kept);
      copyTo(next, begin + kept, frames as TensorData, block * added, added);
    }
    return [next];
  },
  range: (view) => [anyBounds(outputOf(view))],
  macs: () => 0,
  inPlace: () => [],
  changesState: true,
} satisfies OpDef<PushAttrs>;

export function pushDims(view: NodeView<PushAttrs>): PushDims {
  const { axis } = view.attrs;
  const { shape } = inputOf(view, 0);
  const frames = inputOf(view, 1).shape[axis] as number;
  const inner = elementCount(shape.slice(axis + 1));
  const kept = ((shape[axis] as number) - frames) * inner;
  return { blocks: elementCount(shape.slice(0, axis)), kept, added: frames * inner };
}

function copyTo(to: TensorData, at: number, from: TensorData, begin: number, count: number): void {
  for (let i = 0; i < count; i += 1) to[at + i] = from[begin + i] as never;
}
