/** Slices: a file says begin, end, strides and masks, the IR which indices. */
import type { NodeView } from '../../ir/graph.js';
import { resolveStridedSlice } from '../../ops/strided_slice.js';
import { flag, int32 } from '../flatbuffer.js';
import { axisOf, type ForeignOperator, integers, rankOf } from './foreign.js';
import { listOf, outputShape, part, vector, written } from './rows.js';

/** One entry of begin, end and strides, and the mask in which its bit is set. */
interface SliceEntry {
  readonly begin: number;
  readonly end: number;
  readonly stride: number;
  readonly mask: 'none' | 'end' | 'shrink' | 'new';
}

/** Shrinks dimensions that the output lacks, and inserts those that only the output has. */
function sliceEntries(view: NodeView): readonly SliceEntry[] {
  const [begins, strides, counts] = ['begin', 'strides', 'counts'].map((name) =>
    listOf(view, name),
  ) as [number[], number[], number[]];
  const shape = [...outputShape(view)];
  const added = { begin: 0, end: 1, stride: 1, mask: 'new' } as const;
  const entries = counts.flatMap((count, d): SliceEntry[] => {
    const begin = begins[d] ?? 0;
    const stride = strides[d] ?? 1;
    const end = begin + count * stride;
    if (count === 1 && shape[0] !== 1)
      return [{ begin, end: begin + 1, stride: 1, mask: 'shrink' }];
    const before = shape.slice(0, shape.indexOf(count)).map(() => added);
    shape.splice(0, before.length + 1);
    // An end before the first element cannot be stored: −1 would count from the back.
    return [...before, { begin, end, stride, mask: end < 0 ? 'end' : 'none' }];
  });
  return [...entries, ...shape.map(() => added)];
}

const column = (position: number, name: 'begin' | 'end' | 'stride') =>
  written(position, (view) => vector(sliceEntries(view).map((entry) => entry[name])));

/** STRIDED_SLICE. */
export const stridedSlice = [
  part({
    fields: {
      beginMask: int32(0),
      endMask: int32(1),
      ellipsisMask: int32(2),
      newAxisMask: int32(3),
      shrinkAxisMask: int32(4),
      offset: flag(5),
    },
    read(foreign) {
      const spec = {
        ...foreign.options,
        begin: integers(foreign, 1, 'begin'),
        end: integers(foreign, 2, 'end'),
        strides: integers(foreign, 3, 'strides'),
      };
      return { ...resolveStridedSlice(foreign.inputs[0]?.shape ?? [], spec, foreign.where) };
    },
    write(view) {
      const mask = (kind: SliceEntry['mask']) =>
        sliceEntries(view).reduce((bits, entry, i) => bits | (entry.mask === kind ? 1 << i : 0), 0);
      return { endMask: mask('end'), shrinkAxisMask: mask('shrink'), newAxisMask: mask('new') };
    },
  }),
  column(1, 'begin'),
  column(2, 'end'),
  column(3, 'stride'),
];

/** SLICE as a strided slice: a size of −1 takes the rest. */
function slicedAttrs(foreign: ForeignOperator<unknown>) {
  const shape = foreign.inputs[0]?.shape ?? [];
  const begin = integers(foreign, 1, 'begin');
  const counts = integers(foreign, 2, 'size').map((size, d) =>
    size === -1 ? (shape[d] ?? 0) - (begin[d] ?? 0) : size,
  );
  return { begin, strides: begin.map(() => 1), counts, shape: counts };
}

/** REVERSE_V2 as a strided slice: backward along its axes, forward along the others. */
function reversedAttrs(foreign: ForeignOperator<unknown>) {
  const shape = foreign.inputs[0]?.shape ?? [];
  const rank = rankOf(foreign, 0);
  const axes = integers(foreign, 1, 'axes').map((axis) => axisOf(foreign, axis, rank));
  const isBackward = (d: number) => axes.includes(d);
  return {
    begin: shape.map((extent, d) => (isBackward(d) ? extent - 1 : 0)),
    strides: shape.map((_, d) => (isBackward(d) ? -1 : 1)),
    counts: shape,
    shape,
  };
}

export const sliced = [part({ read: slicedAttrs })];
export const reversed = [part({ read: reversedAttrs })];
