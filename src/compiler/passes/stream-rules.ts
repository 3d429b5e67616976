/**
 * What operators do to tensors that stream (stream.ts): which rows of the inputs give each row of the
 * outputs.
 */
import { type Attrs, elementCount, type Node, type NodeView, type Shape } from '../ir/graph.js';
import type { Axis, AxisWindow } from '../ir/op.js';
import { axesOf, infersShapes } from '../ops/axes.js';
import { isMoving, opOf } from '../ops/index.js';
import { eachElement, type Moving } from '../ops/shape/movement.js';
import { dilated } from '../ops/shape/window.js';

/** A tensor that streams: `hop` of its `rows` along `axis` are new. */
export interface Flow {
  readonly axis: number;
  readonly rows: number;
  readonly hop: number;
}

/** What a node does to streams. */
export type Rule =
  /** Each row of the outputs depends on the same row of the inputs: outputs stream along `axis`. */
  | { readonly kind: 'rows'; readonly axis: number }
  /**
   * A window of `span` rows of input 0 gives each row of the output; the last window ends `rest`
   * rows before the end.
   */
  | {
      readonly kind: 'window';
      readonly span: number;
      readonly stride: number;
      readonly rest: number;
      readonly rows: number;
      /** The dimension of time in the output. */
      readonly axis: number;
    }
  /** Anything else; `edge` says what would stream if it were different. */
  | { readonly kind: 'whole'; readonly edge?: string };

export const whole: Rule = { kind: 'whole' };

/**
 * The attributes of a node whose outputs have `count` rows: those of time, the dimension `from` of
 * its input and `to` of its outputs.
 */
export function shortened({ op, attrs }: Node, from: number, to: number, count: number): Attrs {
  const shape = attrs.shape as Shape | undefined;
  if (shape === undefined) return attrs;
  const shorter = { ...attrs, shape: shape[to] === undefined ? shape : shape.with(to, count) };
  if (op !== 'strided_slice') return shorter;
  const [begin, counts] = [attrs.begin as Shape, attrs.counts as Shape];
  return { ...shorter, begin: begin.with(from, 0), counts: counts.with(from, count) };
}

/** @param flows whether an operand streams, by its position */
export function ruleOf(view: NodeView, flow: Flow, flows: readonly boolean[]): Rule {
  if (isMoving(view.node)) return movementRule(view, flow, flows);
  // What has no rows along the axis, as weights have none, is the same for all of them.
  const isTime = ({ inputs }: Axis) =>
    flows.every((streams, i) => (inputs[i] ?? null) === (streams ? flow.axis : null));
  const time = axesOf(view).find(isTime);
  if (time === undefined || time.output === null) return whole;
  if (time.window === undefined) return { kind: 'rows', axis: time.output };
  return windowRule(time.window, flow, time.output);
}

const paddingEdge =
  'pads time, so that its columns at the edges of the window are unlike those inside: from there on ' +
  "all columns are computed. With padding='valid', and as many frames more in the window as it pads, " +
  'only new ones are (causal: pad the oldest frames by the caller)';

function windowRule(window: AxisWindow, { rows, hop }: Flow, axis: number): Rule {
  const { stride, before, after } = window;
  const span = dilated(window.kernel, window.dilation);
  if (before + after > 0) return { kind: 'whole', edge: paddingEdge };
  if (span > rows) return whole;
  if (span === 1 && stride === 1) return { kind: 'rows', axis };
  if (hop % stride === 0) {
    const rest = (rows - span) % stride;
    return { kind: 'window', span, stride, rest, rows: (rows - span - rest) / stride + 1, axis };
  }
  const edge =
    `has a stride of ${stride} in time, and a run takes ${hop} new rows there: from there on all ` +
    `columns are computed. A hop of ${stride} times as many frames computes new ones alone`;
  return { kind: 'whole', edge };
}

/** Rows that a movement takes: `count` of them, every `stride`-th from `begin`, to rows along `axis`. */
interface Taken {
  readonly axis: number;
  readonly begin: number;
  readonly stride: number;
  readonly count: number;
}

/** Of an operator that moves elements: all elements tell where time goes. */
function movementRule(view: NodeView, flow: Flow, flows: readonly boolean[]): Rule {
  const { node, outputs } = view;
  const edge = node.op === 'pad' || node.op === 'mirror_pad' ? { edge: paddingEdge } : {};
  const rank = outputs[0]?.shape.length ?? 0;
  const taken = Array.from({ length: rank + 1 }, (_, axis) =>
    takenAlong(view, flow, flows, axis),
  ).find((found) => found !== null);
  if (taken == null) return { kind: 'whole', ...edge };
  const { axis, begin, stride, count } = taken;
  if (begin === 0 && stride === 1 && count === flow.rows) {
    return staysRows(view, flow, flows, axis) ? { kind: 'rows', axis } : whole;
  }
  // Other operators name the rows that they take.
  if (node.op !== 'strided_slice' || flow.hop % stride !== 0) return whole;
  const rest = flow.rows - 1 - (begin + (count - 1) * stride);
  return { kind: 'window', span: 1, stride, rest, rows: count, axis };
}

/**
 * The rows that become the rows along dimension `axis` of the outputs, each in the same way; null if
 * none do.
 *
 * @param axis the rank of the outputs: all of them together are one row
 */
function takenAlong(
  view: NodeView,
  flow: Flow,
  flows: readonly boolean[],
  axis: number,
): Taken | null {
  const count = view.outputs[0]?.shape[axis] ?? 1;
  if (view.outputs.some(({ shape }) => (shape[axis] ?? 1) !== count)) return null;
  const rows = new Int32Array(count).fill(-1);
  /** By output and place within a row: where its element comes from within a row; −1: not known. */
  const origins = view.outputs.map(({ shape }) =>
    new Float64Array(elementCount(shape) / count).fill(-1),
  );
  let [moved, ways, isAlike] = [0, 0, true];
  for (const move of (opOf(view.node) as Moving).moves(view)) {
    const from = rowsAlong(view.inputs[move.input]?.shape ?? [], flow.axis);
    const to = rowsAlong(view.outputs[move.output]?.shape ?? [], axis);
    const own = origins[move.output] as Float64Array;
    eachElement(move, (source, target) => {
      const [row, place] = [to.rowOf(target), to.within(target)];
      const streams = flows[move.input] === true;
      if (streams && rows[row] === -1) rows[row] = from.rowOf(source);
      const origin = move.input * 2 ** 32 + (streams ? from.within(source) : source);
      if (own[place] === -1) {
        own[place] = origin;
        ways += 1;
      }
      isAlike &&= own[place] === origin && (!streams || rows[row] === from.rowOf(source));
      moved += 1;
    });
  }
  const [begin = -1, second = begin + 1] = rows;
  const stride = second - begin;
  const isEven = rows.every((row, i) => row === begin + i * stride);
  const takes = isAlike && isEven && begin >= 0 && stride >= 1 && moved === count * ways;
  return takes ? { axis, begin, stride, count } : null;
}

/** The row of an element along a dimension, and its place within the row. */
function rowsAlong(shape: Shape, axis: number) {
  const inner = elementCount(shape.slice(axis + 1));
  const extent = shape[axis] ?? 1;
  return {
    rowOf: (element: number) => Math.floor(element / inner) % extent,
    within: (element: number) => Math.floor(element / (inner * extent)) * inner + (element % inner),
  };
}

/** Whether the operator gives fewer rows where it gets fewer: it may name rows itself. */
function staysRows(view: NodeView, flow: Flow, flows: readonly boolean[], to: number): boolean {
  const { node, inputs, outputs } = view;
  return infersShapes({
    ...view,
    attrs: shortened(node, flow.axis, to, flow.hop),
    inputs: inputs.map((tensor, position) =>
      tensor !== null && flows[position] === true
        ? { ...tensor, shape: tensor.shape.with(flow.axis, flow.hop) }
        : tensor,
    ),
    outputs: outputs.map((tensor) => ({ ...tensor, shape: tensor.shape.with(to, flow.hop) })),
  });
}
