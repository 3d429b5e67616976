/**
 * Nodes that own graphs → sections of one flat graph, so that all later stages have one list of nodes
 * and one memory to plan.
 *
 * if(c, x): the nodes of both branches follow each other, each branch in a section. The outputs of
 * a branch lie in the memory of the node's outputs, so nothing is copied where they join.
 *
 * while(x): what the loop carries is copied to tensors of its own. The nodes of the condition, then
 * those of the body in a section, after which the run goes back to the condition. The body's outputs
 * are written where the loop's values lie if nothing reads these any more; otherwise they are
 * assigned at the end of the turn. What the body hands on unchanged is not carried.
 */
import {
  type Attrs,
  type Graph,
  type Node,
  resultsOf,
  type Section,
  type Tensor,
  type TensorId,
  tensorOf,
} from '../ir/graph.js';
import { isReshape } from './shape/same-elements.js';

/** The graph without nodes that own graphs. Its own tensors keep their ids. */
export function flattened(graph: Graph): Graph {
  if (graph.nodes.every(({ graphs }) => graphs === undefined)) return graph;
  return new Flattener(graph).flat();
}

/** From tensors of a graph to those of the flat one. */
type Ids = (id: TensorId) => TensorId;

class Flattener {
  private readonly tensors: Tensor[];
  private readonly nodes: Node[] = [];
  private readonly sections: Section[] = [];
  private readonly places = new Map<TensorId, TensorId>();
  /** Tensors that a node reads, or the caller. */
  private readonly read = new Set<TensorId>();

  constructor(private readonly graph: Graph) {
    this.tensors = [...graph.tensors];
  }

  flat(): Graph {
    this.enter(this.graph, (id) => id);
    const { tensors, nodes, sections, places } = this;
    sections.sort((a, b) => a.first - b.first || b.last - a.last);
    const flat = { ...this.graph, tensors, nodes };
    return sections.length === 0 ? flat : { ...flat, flow: { sections, places } };
  }

  private enter(graph: Graph, ids: Ids): void {
    const read = [...graph.nodes.flatMap(({ inputs }) => inputs), ...resultsOf(graph)];
    for (const id of read) if (id !== null) this.read.add(ids(id));
    for (const node of graph.nodes) {
      const moved = {
        ...node,
        inputs: node.inputs.map((id) => (id === null ? null : ids(id))),
        outputs: node.outputs.map(ids),
      };
      if (moved.graphs === undefined) this.nodes.push(moved);
      else if (moved.op === 'if') this.branch(moved);
      else this.loop(moved);
    }
  }

  /** Adds the nodes of a graph that `node` owns. Returns the tensors of its outputs. */
  private call(node: Node, graph: Graph, inputs: readonly TensorId[]): readonly TensorId[] {
    const known = new Map(graph.inputs.map((id, i) => [id, inputs[i] as TensorId]));
    const ids = (id: TensorId) => {
      const flat = known.get(id) ?? this.tensors.push({ ...tensorOf(graph, id), source: null }) - 1;
      known.set(id, flat);
      return flat;
    };
    this.enter({ ...graph, nodes: graph.nodes.map((each) => ({ ...each, ops: node.ops })) }, ids);
    return graph.outputs.map(ids);
  }

  private branch(node: Node): void {
    const [given = -1, ...inputs] = node.inputs as readonly TensorId[];
    const known = this.tensors[given]?.data;
    if (known != null) {
      this.give(node, this.call(node, node.graphs?.[known[0] ? 0 : 1] as Graph, inputs));
      return;
    }
    // No output has fewer dimensions.
    const condition = this.add(node, 'reshape', [given], { shape: [] });
    const [then = [], other = []] = [true, false].map((runsIf, i) => {
      const first = this.nodes.length;
      const results = this.call(node, node.graphs?.[i] as Graph, inputs);
      const own = results.map((id, at) => {
        const isOwn = this.writerOf(id) >= first && results.indexOf(id) === at;
        return isOwn ? id : this.add(node, 'reshape', [id], { shape: this.shapeOf(id) });
      });
      own.forEach((id, at) => {
        this.places.set(id, node.outputs[at] as TensorId);
      });
      this.sections.push({ first, last: this.nodes.length - 1, condition, runsIf });
      return own;
    });
    node.outputs.forEach((output, i) => {
      const operands = [condition, then[i] as TensorId, other[i] as TensorId];
      this.nodes.push(made(node, 'select', operands, output, {}));
    });
  }

  private loop(node: Node): void {
    const [conditions, body] = node.graphs as readonly [Graph, Graph];
    const initial = node.inputs as readonly TensorId[];
    const isCarried = (i: number) => body.outputs[i] !== body.inputs[i];
    const values = initial.map((id, i) => {
      if (!isCarried(i)) return id;
      const value = this.add(node, 'reshape', [id], { shape: this.shapeOf(id) });
      this.places.set(value, value);
      return value;
    });
    const again = this.nodes.length;
    const [condition = -1] = this.call(node, conditions, values);
    const first = this.nodes.length;
    const results = this.call(node, body, values);
    const carried = this.carry(
      node,
      values.flatMap((value, i) => (isCarried(i) ? [[value, results[i] as TensorId]] : [])) as [
        TensorId,
        TensorId,
      ][],
      first,
    );
    const turns = Number(node.attrs.turns);
    const last = this.nodes.length - 1;
    this.sections.push({ first, last, condition, runsIf: true, loop: { again, turns, carried } });
    this.give(node, values);
  }

  /** Makes tensors the outputs of a node, as far as these are read. */
  private give(node: Node, results: readonly TensorId[]): void {
    node.outputs.forEach((output, i) => {
      if (!this.read.has(output)) return;
      const shape = this.shapeOf(output);
      this.nodes.push(made(node, 'reshape', [results[i] as TensorId], output, { shape }));
    });
  }

  /** Brings next values to where the loop's values lie. Returns the pairs, with what is there. */
  private carry(
    node: Node,
    pairs: readonly (readonly [value: TensorId, next: TensorId])[],
    first: number,
  ): readonly (readonly [TensorId, TensorId])[] {
    const values = new Set(pairs.map(([value]) => value));
    const isInPlace = ([value, next]: readonly [TensorId, TensorId]) => {
      const writer = this.writerOf(next);
      const isDirect = writer >= first && this.isDirect(this.nodes[writer]);
      const isRead = this.nodes.slice(writer).some(({ inputs }) => inputs.includes(value));
      const isNext = pairs.some((pair) => pair[1] === value);
      const isOnly = pairs.filter((pair) => pair[1] === next).length === 1;
      return isDirect && isOnly && !isNext && !isRead && !this.isAliased(value);
    };
    // The last node of a loop assigns: so the memory of its output is no other's before.
    const inPlace = pairs.map((pair, i) => i > 0 && isInPlace(pair));
    // A value that becomes another one is kept until all are assigned.
    const kept = pairs.map(([, next], i) => {
      const isValue = !inPlace[i] && (values.has(next) || this.isAliasOf(next, values));
      if (!isValue) return next;
      const copy = this.add(node, 'reshape', [next], { shape: this.shapeOf(next) });
      this.places.set(copy, copy);
      return copy;
    });
    return pairs.map(([value], i) => {
      const next = inPlace[i]
        ? (kept[i] as TensorId)
        : this.assign(node, value, kept[i] as TensorId);
      this.places.set(next, value);
      return [value, next] as const;
    });
  }

  /** Whether a node itself writes its output: branches write where they join, a reshape is a name. */
  private isDirect(writer: Node | undefined): boolean {
    return writer !== undefined && !isReshape(writer);
  }

  private assign(node: Node, value: TensorId, next: TensorId): TensorId {
    return this.add(node, 'assign', [value, next], {});
  }

  /** Whether a node gives the tensor's memory another shape. */
  private isAliased(id: TensorId): boolean {
    return this.nodes.some(({ op, inputs }) => isReshape({ op }) && inputs[0] === id);
  }

  private isAliasOf(id: TensorId, values: ReadonlySet<TensorId>): boolean {
    const writer = this.nodes[this.writerOf(id)];
    const [input] = writer?.inputs ?? [];
    if (writer === undefined || !isReshape(writer) || input == null) return false;
    return values.has(input) || this.isAliasOf(input, values);
  }

  /** The node that writes a tensor; −1: none. */
  private writerOf(id: TensorId): number {
    return this.nodes.findLastIndex(({ outputs }) => outputs.includes(id));
  }

  /** Appends a node whose output is as its first input. */
  private add(node: Node, op: string, inputs: readonly TensorId[], attrs: Attrs): TensorId {
    const like = this.tensors[inputs[0] as TensorId] as Tensor;
    const shape = (attrs.shape as readonly number[] | undefined) ?? like.shape;
    const output = this.tensors.push({ ...like, shape, data: null, source: null }) - 1;
    this.nodes.push(made(node, op, inputs, output, attrs));
    return output;
  }

  private shapeOf(id: TensorId): readonly number[] {
    return (this.tensors[id] as Tensor).shape;
  }
}

function made(
  { name, ops }: Node,
  op: string,
  inputs: readonly TensorId[],
  output: TensorId,
  attrs: Attrs,
): Node {
  return { op, name, inputs, outputs: [output], attrs, ops, fused: [] };
}
