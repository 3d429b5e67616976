/** STRIDED_SLICE's begin, end and masks → where it begins, its strides and its extents. */
import type { Decoded } from '../flatbuffer.js';
import { axisOf, type Foreign, integers, rankOf, unsupported } from './rows.js';
import type { stridedSliceOptions } from './schema.js';

/**
 * Per dimension of the input: the first index, the step (may be negative) and how many are taken.
 * Bit d of a mask is about dimension d (Python's slices: a masked begin is the first element in the
 * direction of the stride; a masked end takes all; a shrunk axis takes one and disappears).
 *
 * @throws BonsaiError 'unsupported-attribute' for a zero stride, an ellipsis, a new axis
 */
export function resolveSlice(foreign: Foreign<Decoded<typeof stridedSliceOptions>>) {
  const { options, where } = foreign;
  if (options.ellipsisMask !== 0 || options.newAxisMask !== 0) {
    throw unsupported(where, 'uses an ellipsis or a new axis', 'slice every dimension explicitly');
  }
  const rank = rankOf(foreign, 0);
  const begins = integers(foreign, 1, 'begin');
  const ends = integers(foreign, 2, 'end');
  const steps = integers(foreign, 3, 'strides');
  const begin: number[] = [];
  const strides: number[] = [];
  const counts: number[] = [];
  (foreign.inputs[0]?.shape ?? []).forEach((extent, d) => {
    const sliced = d < begins.length;
    const masked = (mask: number) => !sliced || ((mask >> d) & 1) === 1;
    const step = steps[d] ?? 1;
    if (step === 0) throw unsupported(where, `stride ${d} is 0`, 'use a stride other than 0');
    const index = (value: number) => {
      const positive = value < 0 ? value + extent : value;
      return step > 0 ? Math.min(Math.max(positive, 0), extent) : clampDown(positive, extent);
    };
    if (sliced && ((options.shrinkAxisMask >> d) & 1) === 1) {
      begin.push(axisOf(foreign, begins[d] ?? 0, extent));
      strides.push(1);
      counts.push(1);
      return;
    }
    const first = masked(options.beginMask) ? (step > 0 ? 0 : extent - 1) : index(begins[d] ?? 0);
    const end = (ends[d] ?? 0) + (options.offset ? (begins[d] ?? 0) : 0);
    const last = masked(options.endMask) ? (step > 0 ? extent : -1) : index(end);
    begin.push(first);
    strides.push(step);
    counts.push(Math.max(0, Math.ceil((last - first) / step)));
  });
  if (begins.length > rank || counts.includes(0)) {
    throw unsupported(where, `takes [${counts}] elements`, 'a slice must not be empty');
  }
  return { begin, strides, shape: counts };
}

/** Going backward an end of −1 means 'to the first element inclusive'. */
function clampDown(index: number, extent: number): number {
  return Math.min(Math.max(index, -1), extent - 1);
}
