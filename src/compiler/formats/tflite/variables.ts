/** Variables of a .tflite file (VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE) → states. */
import { BonsaiError } from '../../../errors.js';
import {
  allocate,
  elementCount,
  type Graph,
  type Node,
  rawBytes,
  type State,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
} from '../../ir/graph.js';
import { inStateOrder } from '../../ir/order.js';
import { corrupt, decode, spend } from '../flatbuffer.js';
import type { RawModel, RawOperator } from './read.js';
import { callOnceOptions, varHandleOptions } from './schema.js';

export const variableOperators: ReadonlySet<string> = new Set([
  'ASSIGN_VARIABLE',
  'CALL_ONCE',
  'READ_VARIABLE',
  'VAR_HANDLE',
]);

const [callOnceType, varHandleType] = [103, 111];

/** The subgraph that a CALL_ONCE runs before everything else. */
export function initialSubgraph(raw: RawModel, operator: RawOperator, where: string): number {
  const { builtinOptions, builtinOptionsType } = operator;
  if (builtinOptions !== null && builtinOptionsType === callOnceType) {
    return decode(builtinOptions, callOnceOptions).initSubgraph;
  }
  throw corrupt(raw.source, `${where} has no subgraph`);
}

/** A variable's name, which is the same in all subgraphs. */
function variableName(raw: RawModel, operator: RawOperator, where: string): string {
  const { builtinOptions, builtinOptionsType } = operator;
  if (builtinOptions !== null && builtinOptionsType === varHandleType) {
    const { container, sharedName } = decode(builtinOptions, varHandleOptions);
    return container === '' ? sharedName : `${container}/${sharedName}`;
  }
  throw corrupt(raw.source, `${where} has no variable`);
}

/** The graph that is being made: its tensors and nodes so far. */
export interface Making {
  readonly tensors: Tensor[];
  readonly nodes: Node[];
}

interface Variable {
  readonly name: string;
  /** The tensor that holds the value before the run. */
  readonly before: TensorId;
  /** The tensor that holds the value now. */
  now: TensorId;
  /** The node that takes the place of the last assignment, without its operands. */
  assigned: Pick<Node, 'name' | 'ops'> | null;
}

/**
 * The variables of one subgraph while its operators are read in order. A read gives the tensor that
 * holds the variable's value at that point: the state's, or that of the last assignment.
 */
export class Variables {
  private readonly handles = new Map<number, string>();
  private readonly variables = new Map<string, Variable>();
  private readonly ownStates: State[] = [];

  constructor(
    private readonly raw: RawModel,
    private readonly making: Making,
  ) {}

  /** VAR_HANDLE: tensor `handle` names a variable. */
  addHandle(handle: number, operator: RawOperator, where: string): void {
    this.handles.set(handle, variableName(this.raw, operator, where));
  }

  /** READ_VARIABLE: the tensor that holds the value, as `tensor` describes it. */
  read(handle: number, tensor: Tensor, at: Pick<Node, 'name' | 'ops'>, where: string): TensorId {
    const { now } = this.variableOf(handle, tensor, where);
    const held = this.making.tensors[now] as Tensor;
    const kindOf = ({ dtype, shape, quant }: Tensor) => JSON.stringify([dtype, shape, quant]);
    return kindOf(held) === kindOf(tensor) ? now : copied(this.making, now, tensor, at);
  }

  /** ASSIGN_VARIABLE. */
  assign(handle: number, value: TensorId, at: Pick<Node, 'name' | 'ops'>, where: string): void {
    const tensor = this.making.tensors[value] as Tensor;
    const variable = this.variableOf(handle, { ...tensor, data: null }, where);
    const before = this.making.tensors[variable.before] as Tensor;
    if (
      elementCount(before.shape) !== elementCount(tensor.shape) ||
      before.dtype !== tensor.dtype
    ) {
      const kinds = `${tensor.dtype}[${tensor.shape}] to ${before.dtype}[${before.shape}]`;
      throw new BonsaiError('bad-shape', where, `assigns ${kinds}`, 'convert the model again');
    }
    variable.now = value;
    variable.assigned = at;
  }

  /**
   * A state that one operator alone has. It begins as TFLM resets variable tensors: int8 with the
   * zero point, other types with 0 (micro_interpreter_graph.cc).
   */
  own(tensor: Tensor): State {
    const { tensors } = this.making;
    const made = { ...tensor, source: null };
    const before = tensors.push(made) - 1;
    const next = tensors.push({ ...made, name: `${tensor.name}/next` }) - 1;
    spend(this.raw.source, elementCount(tensor.shape));
    const initial = allocate(tensor.dtype, elementCount(tensor.shape));
    if (tensor.dtype === 'int8') rawBytes(initial).fill(tensor.quant?.zeroPoints[0] ?? 0);
    const state = { name: tensor.name, tensor: before, next, initial };
    this.ownStates.push(state);
    return state;
  }

  /** The values that have been assigned, by variable. */
  assigned(): ReadonlyMap<string, TensorId> {
    const changed = [...this.variables.values()].filter(({ assigned }) => assigned !== null);
    return new Map(changed.map(({ name, now }) => [name, now]));
  }

  /**
   * The graph with its states. A variable that no operator assigns is a constant.
   *
   * @param initial values that CALL_ONCE has assigned; others begin with their zero point, as TFLM
   *   does
   */
  finish(graph: Graph, initial: ReadonlyMap<string, TensorData>): Graph {
    const { tensors, nodes } = this.making;
    const states: State[] = [...this.ownStates];
    for (const { name, before, now, assigned } of this.variables.values()) {
      const tensor = tensors[before] as Tensor;
      const data = initialOf(name, tensor, initial);
      if (assigned === null || now === before) {
        tensors[before] = { ...tensor, data };
        continue;
      }
      const next = tensors.push({ ...tensor, name: `${name}/next`, source: null }) - 1;
      const value = { ...tensor, source: null };
      const isSame = tensors[now]?.shape.join() === tensor.shape.join();
      const from = isSame ? now : copied(this.making, now, value, assigned);
      const attrs = {};
      nodes.push({
        op: 'assign',
        attrs,
        ...assigned,
        inputs: [before, from],
        outputs: [next],
        fused: [],
      });
      states.push({ name, tensor: before, next, initial: data });
    }
    return ordered({ ...graph, tensors, nodes, ...(states.length > 0 ? { states } : {}) });
  }

  private variableOf(handle: number, tensor: Tensor, where: string): Variable {
    const name = this.handles.get(handle);
    if (name === undefined) {
      throw new BonsaiError('bad-graph', where, 'refers to no variable', 'convert the model again');
    }
    const known = this.variables.get(name);
    if (known !== undefined) return known;
    spend(this.raw.source, elementCount(tensor.shape));
    const before = this.making.tensors.push({ ...tensor, name, source: null }) - 1;
    const made = { name, before, now: before, assigned: null };
    this.variables.set(name, made);
    return made;
  }
}

/** The same elements in a tensor of their own. */
function copied(
  { tensors, nodes }: Making,
  from: TensorId,
  tensor: Tensor,
  at: Pick<Node, 'name' | 'ops'>,
): TensorId {
  const copy = tensors.push({ ...tensor, data: null }) - 1;
  const attrs = { shape: tensor.shape };
  nodes.push({ op: 'reshape', attrs, ...at, inputs: [from], outputs: [copy], fused: [] });
  return copy;
}

function initialOf(
  name: string,
  { dtype, shape, quant }: Tensor,
  initial: ReadonlyMap<string, TensorData>,
): TensorData {
  const data = allocate(dtype, elementCount(shape));
  const given = initial.get(name);
  if (given === undefined) rawBytes(data).fill(quant?.zeroPoints[0] ?? 0);
  else rawBytes(data).set(rawBytes(given));
  return data;
}

/**
 * The nodes in an order that states allow, and outputs in memory of their own. Where a reader of
 * the old value needs the new one, the readers get a copy of the old value.
 */
function ordered(graph: Graph): Graph {
  const held = new Set((graph.states ?? []).flatMap(({ tensor, next }) => [tensor, next]));
  const exposed = graph.outputs.filter((id) => held.has(id));
  const apart = exposed.reduce((given, id) => withCopy(given, id, true), graph);
  const inOrder = inStateOrder(apart);
  if (inOrder !== null) return inOrder;
  const tensors = (apart.states ?? []).map(({ tensor }) => tensor);
  return inStateOrder(tensors.reduce((given, id) => withCopy(given, id, false), apart)) ?? apart;
}

/** Readers of a tensor, or only the graph's outputs, read a copy of it instead. */
function withCopy(graph: Graph, id: TensorId, ofOutputs: boolean): Graph {
  const tensor = tensorOf(graph, id);
  const copy = graph.tensors.length;
  const tensors = [...graph.tensors, { ...tensor, name: `${tensor.name}/copy`, source: null }];
  const copying: Node = {
    ...{ op: 'reshape', name: tensor.name, attrs: { shape: tensor.shape } },
    ...{ inputs: [id], outputs: [copy], ops: [], fused: [] },
  };
  const states = new Map((graph.states ?? []).map((state) => [state.next, state.tensor]));
  const read = (node: Node) => (from: TensorId | null, position: number) => {
    // The state itself is input 0 of the node that changes it.
    const isChange = position === 0 && node.outputs.some((output) => states.get(output) === id);
    return from === id && !isChange ? copy : from;
  };
  if (ofOutputs) {
    const outputs = graph.outputs.map((output) => (output === id ? copy : output));
    return { ...graph, tensors, nodes: [...graph.nodes, copying], outputs };
  }
  const nodes = graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(read(node)) }));
  return { ...graph, tensors, nodes: [copying, ...nodes] };
}
