/** Operators that reduce whole dimensions to one element: mean, reduce_max, reduce_min. */
import { BonsaiError } from '../../../errors.js';
import { at, type NodeView, type Shape } from '../../ir/graph.js';
import { requireDimension } from './lines.js';
import { inputOf } from './operands.js';

export interface ReductionAttrs {
  /** The dimensions, counted from the front, ascending and distinct; [] rescales only. */
  readonly axes: readonly number[];
  /** Whether these dimensions stay, with extent 1. */
  readonly keepDims: boolean;
}

/** @throws BonsaiError 'bad-shape' for an axis that the input does not have */
export function reducedShape(view: NodeView<ReductionAttrs>): Shape {
  const { shape } = inputOf(view, 0);
  const { axes, keepDims } = view.attrs;
  for (const axis of axes) requireDimension(view, axis);
  if (keepDims) return shape.map((extent, i) => (axes.includes(i) ? 1 : extent));
  return shape.filter((_, i) => !axes.includes(i));
}

export function keepsChannels(view: NodeView<ReductionAttrs>): boolean {
  return !view.attrs.axes.includes(inputOf(view, 0).shape.length - 1);
}

/** The index in the output of every element of the input. */
export function placesIn(shape: Shape, axes: readonly number[]): Int32Array {
  // Built one dimension at a time.
  let places = Int32Array.of(0);
  shape.forEach((extent, i) => {
    const isReduced = axes.includes(i);
    const next = new Int32Array(places.length * extent);
    for (let j = 0; j < next.length; j++) {
      const outer = places[Math.floor(j / extent)] as number;
      next[j] = isReduced ? outer : outer * extent + (j % extent);
    }
    places = next;
  });
  return places;
}

export interface ReductionLoop {
  extent: number;
  readonly stride: number;
}

/** Loops over the input, outermost first. */
export interface ReductionLoops {
  readonly kept: readonly ReductionLoop[];
  readonly reduced: readonly ReductionLoop[];
}

/** Loop counters of each kind (kept, reduced) in the kernels. */
export const maxLoops = 3;

/**
 * Neighbours of a kind are merged.
 *
 * @throws BonsaiError 'unsupported-attribute' for more than `maxLoops` of a kind
 */
export function reductionLoopsOf(view: NodeView<ReductionAttrs>): ReductionLoops {
  const { shape } = inputOf(view, 0);
  const walk: Record<'kept' | 'reduced', ReductionLoop[]> = { kept: [], reduced: [] };
  let stride = 1;
  let last: 'kept' | 'reduced' | null = null;
  for (let i = shape.length - 1; i >= 0; i--) {
    const extent = shape[i] as number;
    if (extent === 1) continue;
    const kind = view.attrs.axes.includes(i) ? 'reduced' : 'kept';
    const [inner] = walk[kind];
    if (kind === last && inner !== undefined) inner.extent *= extent;
    else walk[kind].unshift({ extent, stride });
    last = kind;
    stride *= extent;
  }
  const most = Math.max(walk.kept.length, walk.reduced.length);
  if (most > maxLoops) {
    const message = `reduces ${most} separate groups of dimensions`;
    throw new BonsaiError('unsupported-attribute', at(view.node), message, 'transpose first');
  }
  return walk;
}
