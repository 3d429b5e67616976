/**
 * What operators do to tensors that stream (stream.ts): which rows of the inputs give each row of the
 * outputs.
 */
import { type Attrs, elementCount, type Node, type NodeView, type Shape } from '../ir/graph.js';
import { opOf } from '../ops/index.js';

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

/** Whether an operand is weights, a bias or another constant without rows. */
export function isParameter({ node, inputs }: NodeView, position: number): boolean {
  const isLayer = ['conv2d', 'depthwise_conv2d', 'fully_connected'].includes(node.op);
  return isLayer && position > 0 && position < 3 && inputs[position]?.data !== null;
}

/** The extent along the output's dimension `axis`, for an operand that may have fewer. */
export function extentAt(shape: Shape, axis: number, { outputs }: NodeView): number {
  const rank = outputs[0]?.shape.length ?? shape.length;
  return shape[axis - (rank - shape.length)] ?? 1;
}

const sums: ReadonlySet<string> = new Set(['add', 'sub', 'mul']);

export function ruleOf(view: NodeView, flow: Flow): Rule {
  const { node, attrs, inputs, outputs } = view;
  const { axis } = flow;
  const rank = inputs[0]?.shape.length ?? 0;
  const sameRows: Rule = { kind: 'rows', axis };
  switch (node.op) {
    case 'conv2d':
    case 'depthwise_conv2d':
    case 'average_pool2d':
    case 'max_pool2d':
      return windowRule(view, flow);
    case 'fully_connected':
      return attrs.keepDims === true && axis < rank - 1 ? sameRows : whole;
    case 'softmax':
      return axis < rank - 1 ? sameRows : whole;
    case 'concatenation':
    case 'split':
      return attrs.axis === axis ? whole : sameRows;
    case 'pad': {
      const pads = attrs.pads as readonly number[];
      const isPadded = pads[2 * axis] !== 0 || pads[2 * axis + 1] !== 0;
      return isPadded ? { kind: 'whole', edge: paddingEdge } : sameRows;
    }
    case 'mean': {
      const axes = attrs.axes as readonly number[];
      if (axes.includes(axis)) return whole;
      const before = attrs.keepDims === true ? 0 : axes.filter((d) => d < axis).length;
      return { kind: 'rows', axis: axis - before };
    }
    case 'transpose':
      return { kind: 'rows', axis: (attrs.perm as readonly number[]).indexOf(axis) };
    case 'reshape':
    case 'squeeze':
    case 'expand_dims':
      return reshapeRule(inputs[0]?.shape ?? [], outputs[0]?.shape ?? [], axis);
    case 'strided_slice':
      return sliceRule(view, flow);
    default:
      return sums.has(node.op) || opOf(node).lookup !== undefined ? sameRows : whole;
  }
}

const paddingEdge =
  'pads time, so that its columns at the edges of the window are unlike those inside: from there on ' +
  "all columns are computed. With padding='valid', and as many frames more in the window as it pads, " +
  'only new ones are (causal: pad the oldest frames by the caller)';

function windowRule({ attrs, inputs }: NodeView, { axis, rows, hop }: Flow): Rule {
  const side = axis === 1 ? 'H' : axis === 2 ? 'W' : null;
  if (side === null) return whole;
  const number = (name: string) => (attrs[name] ?? 1) as number;
  const kernel = (attrs[`kernel${side}`] ?? inputs[1]?.shape[axis] ?? 1) as number;
  const [stride, dilation] = [number(`stride${side}`), number(`dilation${side}`)];
  const pads = side === 'H' ? ['padTop', 'padBottom'] : ['padLeft', 'padRight'];
  const span = (kernel - 1) * dilation + 1;
  if (pads.some((name) => (attrs[name] ?? 0) !== 0)) return { kind: 'whole', edge: paddingEdge };
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

/** A reshape that leaves time a dimension of its own. */
function reshapeRule(from: Shape, to: Shape, axis: number): Rule {
  const before = elementCount(from.slice(0, axis));
  const rows = from[axis];
  const found = to.findIndex(
    (extent, d) => extent === rows && elementCount(to.slice(0, d)) === before,
  );
  return found < 0 ? whole : { kind: 'rows', axis: found };
}

function sliceRule({ attrs, inputs }: NodeView, { axis, hop }: Flow): Rule {
  const [begin = 0, count = 1, stride = 1] = ['begin', 'counts', 'strides'].map(
    (name) => (attrs[name] as Shape)[axis],
  );
  const rows = inputs[0]?.shape[axis] ?? 1;
  // A slice that drops or adds dimensions is one that keeps them, and a reshape.
  const kept = reshapeRule(attrs.counts as Shape, attrs.shape as Shape, axis);
  if (begin === 0 && count === rows && stride === 1) return kept;
  if (stride < 1 || hop % stride !== 0 || (kept.kind !== 'rows' && count > 1)) return whole;
  const last = begin + (count - 1) * stride + 1;
  const to = kept.kind === 'rows' ? kept.axis : (attrs.shape as Shape).length;
  return { kind: 'window', span: 1, stride, rest: rows - last, rows: count, axis: to };
}
