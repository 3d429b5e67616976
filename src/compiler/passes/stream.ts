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
import { BonsaiError } from '../../errors.js';
import {
  allocate,
  at,
  elementCount,
  type Graph,
  type Module,
  type Node,
  type NodeView,
  type State,
  statesOf,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { type Flow, type Rule, ruleOf, shortened, whole } from './stream-rules.js';

export interface Stream {
  /** The dimension of time in every input. */
  readonly axis: number;
  /** New frames of each run. */
  readonly hop: number;
}

/**
 * The module that takes `hop` frames of each input a run.
 *
 * @param note called with each layer that has to compute whole windows though it need not
 * @throws BonsaiError 'usage' for an axis that an input has not, or a hop that does not fit;
 *   'unsupported-attribute' for a tensor whose scales differ along time
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
    const flows = view.node.inputs.map((id) => id !== null && this.flows.has(id));
    const rule = ruleOf(view, flow, flows);
    if (rule.kind === 'whole') return rule;
    const isAlike = view.node.inputs.every((id) => {
      const other = id === null ? undefined : this.flows.get(id);
      return other === undefined || String(Object.values(other)) === String(Object.values(flow));
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
    if (tensor.quant?.axis === flow.axis) {
      const message = `has scales along dimension ${flow.axis}, which is time`;
      const hint = 'stream along another dimension, or quantize it with one scale';
      throw new BonsaiError('unsupported-attribute', `tensor "${tensor.name}"`, message, hint);
    }
    this.tensors[id] = { ...tensor, shape: tensor.shape.with(flow.axis, flow.hop) };
    this.flows.set(id, flow);
  }
}
