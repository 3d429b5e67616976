/**
 * `--stream AXIS`: a network over a window of time becomes one that takes the newest frames alone.
 *
 * A tensor streams if a step of time shifts it: its value for the next window is the value for this
 * one without its oldest `hop` rows, and with `hop` new ones at its end. Only those are computed. A
 * layer that looks back reads a state, which holds as many rows as it needs (operator push). Where
 * a layer mixes all of time, or treats the window's edges unlike its inside, a state collects the
 * whole tensor, and from there on the network computes as before. So every result is exactly that
 * of the whole window, from the first full window on.
 */
import { BonsaiError } from '../errors.js';
import {
  type Attrs,
  allocate,
  at,
  elementCount,
  type Graph,
  type Module,
  type Node,
  type NodeView,
  type Shape,
  type State,
  statesOf,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { opOf } from '../ops/index.js';

export interface Stream {
  /** The dimension of time in every input. */
  readonly axis: number;
  /** New frames of each run. */
  readonly hop: number;
}

/** A tensor that streams: `hop` of its `rows` along `axis` are new. */
interface Flow {
  readonly axis: number;
  readonly rows: number;
  readonly hop: number;
}

/** What a node does to streams. */
type Rule =
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

const whole: Rule = { kind: 'whole' };

/**
 * The module that takes `hop` frames of each input a run.
 *
 * @param note called with each layer that has to compute whole windows though it need not
 * @throws BonsaiError 'usage' for an axis that an input has not, or a hop that does not fit
 */
export function streamed(
  module: Module,
  stream: Stream,
  note: (text: string) => void = () => {},
): Module {
  return {
    ...module,
    graphs: module.graphs.map((graph, i) => (i === 0 ? streamedGraph(graph, stream, note) : graph)),
  };
}

function streamedGraph(graph: Graph, { axis, hop }: Stream, note: (text: string) => void): Graph {
  const streams = new Streams(graph);
  for (const id of graph.inputs) streams.begin(id, axis, hop);
  for (const node of graph.nodes) streams.add(node, note);
  return streams.finish();
}

class Streams {
  private readonly tensors: Tensor[];
  private readonly nodes: Node[] = [];
  private readonly states: State[];
  private readonly flows = new Map<TensorId, Flow>();
  /** The windows that states hold, by tensor and rows. */
  private readonly windows = new Map<string, TensorId>();

  constructor(private readonly graph: Graph) {
    this.tensors = [...graph.tensors];
    this.states = [...statesOf(graph)];
  }

  begin(id: TensorId, axis: number, hop: number): void {
    const { shape, name } = tensorOf(this.graph, id);
    const rows = shape[axis] ?? 0;
    const where = `input "${name}"`;
    if (shape[axis] === undefined) {
      const message = `has the shape [${shape}], and no dimension ${axis} to stream along`;
      throw new BonsaiError('usage', where, message, `--stream takes 0 to ${shape.length - 1}`);
    }
    if (rows > hop) this.flow(id, { axis, rows, hop });
    else if (rows < hop) {
      const message = `has ${rows} rows in dimension ${axis}; a run takes ${hop} new ones`;
      throw new BonsaiError('usage', where, message, `give --hop 1 to ${rows}`);
    }
  }

  add(node: Node, note: (text: string) => void): void {
    const flow = node.inputs
      .map((id) => (id === null ? undefined : this.flows.get(id)))
      .find(Boolean);
    if (flow === undefined) {
      this.nodes.push(node);
      return;
    }
    const rule = this.ruleFor(viewOf(this.graph, node), flow);
    if (rule.kind === 'rows') this.addRows(node, flow, rule.axis);
    else if (rule.kind === 'window') this.addWindow(node, flow, rule);
    else {
      if (rule.edge !== undefined) note(`${at(node)} ${rule.edge}`);
      const inputs = node.inputs.map((id) => (id === null ? null : this.wholeOf(id)));
      this.nodes.push({ ...node, inputs });
    }
  }

  finish(): Graph {
    const { graph, tensors, nodes, states } = this;
    const held = new Set(states.map(({ next }) => next));
    const outputs = graph.outputs.map((id) => (held.has(id) ? this.copyOf(id) : id));
    return { ...graph, tensors, nodes, outputs, states };
  }

  /** The rule of a node, if its other operands allow it. */
  private ruleFor(view: NodeView, flow: Flow): Rule {
    const rule = ruleOf(view, flow);
    if (rule.kind === 'whole') return rule;
    const isAlike = view.node.inputs.every((id, position) => {
      const tensor = view.inputs[position];
      if (id === null || tensor == null) return true;
      const other = this.flows.get(id);
      if (other !== undefined) {
        return other.axis === flow.axis && other.rows === flow.rows && other.hop === flow.hop;
      }
      // What broadcasts over time is the same for all rows; weights are not rows.
      return isParameter(view, position) || extentAt(tensor.shape, flow.axis, view) === 1;
    });
    return isAlike ? rule : whole;
  }

  private addRows(node: Node, { axis: before, rows, hop }: Flow, axis: number): void {
    for (const id of node.outputs) this.flow(id, { axis, rows, hop });
    this.nodes.push({ ...node, attrs: shortened(node, before, axis, hop) });
  }

  private addWindow(
    node: Node,
    flow: Flow,
    { span, stride, rest, rows, axis }: Extract<Rule, { kind: 'window' }>,
  ): void {
    const [input, ...others] = node.inputs;
    const [output] = node.outputs;
    if (input == null || output === undefined) return;
    const hop = Math.min(flow.hop / stride, rows);
    // The newest rows of the output end `rest` rows before the newest ones of the input.
    const from = this.windowOf(input, flow, span + (hop - 1) * stride + rest);
    if (rows > hop) this.flow(output, { axis, rows, hop });
    const attrs = shortened(node, flow.axis, axis, hop);
    this.nodes.push({ ...node, inputs: [from, ...others], attrs });
  }

  /** The newest `rows` rows of a tensor that streams: a state, or a part of the new rows. */
  private windowOf(id: TensorId, flow: Flow, rows: number): TensorId {
    if (rows === flow.hop) return id;
    const key = `${id} ${rows}`;
    const known = this.windows.get(key);
    if (known !== undefined) return known;
    const made = rows > flow.hop ? this.pushed(id, flow, rows) : this.newest(id, flow, rows);
    this.windows.set(key, made);
    return made;
  }

  private wholeOf(id: TensorId): TensorId {
    const flow = this.flows.get(id);
    return flow === undefined ? id : this.windowOf(id, flow, flow.rows);
  }

  private pushed(id: TensorId, { axis }: Flow, rows: number): TensorId {
    const frames = this.tensors[id] as Tensor;
    const window = { ...frames, shape: frames.shape.with(axis, rows), source: null };
    const tensor = this.tensors.push({ ...window, name: `${frames.name}/window` }) - 1;
    const next = this.tensors.push({ ...window, name: `${frames.name}/window/next` }) - 1;
    const initial = allocate(window.dtype, elementCount(window.shape));
    initial.fill((window.quant?.zeroPoints[0] ?? 0) as never);
    this.states.push({ name: frames.name, tensor, next, initial });
    const name = `${frames.name}/push`;
    this.nodes.push({
      op: 'push',
      name,
      inputs: [tensor, id],
      outputs: [next],
      attrs: { axis },
      ops: [],
      fused: [],
    });
    return next;
  }

  private newest(id: TensorId, { axis, hop }: Flow, rows: number): TensorId {
    const tensor = this.tensors[id] as Tensor;
    const shape = tensor.shape.with(axis, rows);
    const made =
      this.tensors.push({ ...tensor, shape, name: `${tensor.name}/newest`, source: null }) - 1;
    const attrs = {
      begin: shape.map((_, d) => (d === axis ? hop - rows : 0)),
      ...{ strides: shape.map(() => 1), counts: shape, shape },
    };
    const name = `${tensor.name}/newest`;
    this.nodes.push({
      op: 'strided_slice',
      name,
      inputs: [id],
      outputs: [made],
      attrs,
      ops: [],
      fused: [],
    });
    return made;
  }

  private copyOf(id: TensorId): TensorId {
    const tensor = this.tensors[id] as Tensor;
    const copy = this.tensors.push({ ...tensor, name: `${tensor.name}/copy` }) - 1;
    const attrs = { shape: tensor.shape };
    const { name } = tensor;
    this.nodes.push({
      op: 'reshape',
      name,
      inputs: [id],
      outputs: [copy],
      attrs,
      ops: [],
      fused: [],
    });
    return copy;
  }

  private flow(id: TensorId, flow: Flow): void {
    const tensor = this.tensors[id] as Tensor;
    this.tensors[id] = { ...tensor, shape: tensor.shape.with(flow.axis, flow.hop) };
    this.flows.set(id, flow);
  }
}

/**
 * The attributes of a node whose outputs have `count` rows: those of time, the dimension `from` of
 * its input and `to` of its outputs.
 */
function shortened({ op, attrs }: Node, from: number, to: number, count: number): Attrs {
  const shape = attrs.shape as Shape | undefined;
  if (shape === undefined) return attrs;
  const shorter = { ...attrs, shape: shape[to] === undefined ? shape : shape.with(to, count) };
  if (op !== 'strided_slice') return shorter;
  const [begin, counts] = [attrs.begin as Shape, attrs.counts as Shape];
  return { ...shorter, begin: begin.with(from, 0), counts: counts.with(from, count) };
}

/** Whether an operand is weights, a bias or another constant without rows. */
function isParameter({ node, inputs }: NodeView, position: number): boolean {
  const isLayer = ['conv2d', 'depthwise_conv2d', 'fully_connected'].includes(node.op);
  return isLayer && position > 0 && position < 3 && inputs[position]?.data !== null;
}

/** The extent along the output's dimension `axis`, for an operand that may have fewer. */
function extentAt(shape: Shape, axis: number, { outputs }: NodeView): number {
  const rank = outputs[0]?.shape.length ?? shape.length;
  return shape[axis - (rank - shape.length)] ?? 1;
}

const sums: ReadonlySet<string> = new Set(['add', 'sub', 'mul']);

function ruleOf(view: NodeView, flow: Flow): Rule {
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
