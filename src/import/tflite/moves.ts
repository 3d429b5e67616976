/** Attributes of operators that move elements, where a file states them in another form. */
import { axisOf, type ForeignOperator, integers, rankOf } from './rows.js';

/** SLICE as a strided slice: a size of −1 takes the rest. */
export function sliced(foreign: ForeignOperator<unknown>) {
  const shape = foreign.inputs[0]?.shape ?? [];
  const begin = integers(foreign, 1, 'begin');
  const counts = integers(foreign, 2, 'size').map((size, d) =>
    size === -1 ? (shape[d] ?? 0) - (begin[d] ?? 0) : size,
  );
  return { begin, strides: begin.map(() => 1), counts, shape: counts };
}

/** REVERSE_V2 as a strided slice: backward along its axes, forward along the others. */
export function reversed(foreign: ForeignOperator<unknown>) {
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
