/** The invariants of a module, checked after import and after each pass. */
import { BonsaiError, type ErrorCode, InternalError } from '../../errors.js';
import {
  allocate,
  at,
  dtypes,
  elementCount,
  type Graph,
  type Module,
  type Node,
  type Quant,
  type Shape,
  statesOf,
  type Tensor,
  type TensorId,
  tensorOf,
  viewOf,
} from './graph.js';
import { isJudged, type OpTable } from './op.js';

/** Reports a fault; never returns. */
type Fault = (code: ErrorCode, where: string, message: string, hint: string) => never;

/**
 * Checks a module's structure (every tensor written once, before it is read), types, shapes (as
 * declared and as each operator infers them), quantization and, for integer nodes, attributes.
 *
 * @throws BonsaiError at stage 'import', where the model is at fault; at any other stage
 *   InternalError naming the stage, since a pass has then broken a valid module
 */
export function checkModule(module: Module, operators: OpTable, stage: string): void {
  const fault: Fault = (code, where, message, hint) => {
    if (stage === 'import') throw new BonsaiError(code, where, message, hint);
    throw new InternalError(stage, `${where}: ${message}`);
  };
  const main = module.graphs[0];
  if (main === undefined) fault('bad-graph', 'model', 'has no graph', convertAgain);
  if (module.inputNames.length !== main.inputs.length) throw nameFault(stage, 'input');
  if (module.outputNames.length !== main.outputs.length) throw nameFault(stage, 'output');
  for (const graph of module.graphs) checkGraph(graph, operators, fault);
}

/** Checks a graph and those that its nodes own. */
function checkGraph(graph: Graph, operators: OpTable, fault: Fault): void {
  graph.tensors.forEach((tensor) => {
    checkTensor(tensor, fault);
  });
  checkOrder(graph, fault);
  checkStates(graph, fault);
  checkFlow(graph, fault);
  for (const node of graph.nodes) {
    checkNode(graph, node, operators, fault);
  }
}

/** Sections lie in the graph, within one another or apart, and their conditions are bools. */
function checkFlow({ flow, nodes, tensors }: Graph, fault: Fault): void {
  for (const { first, last, condition, loop } of flow?.sections ?? []) {
    const bad = (message: string) =>
      fault('bad-graph', `section ${first} to ${last}`, message, convertAgain);
    const begin = loop?.again ?? first;
    if (!(0 <= begin && begin <= first && first <= last && last < nodes.length)) {
      bad(`is not part of the ${nodes.length} nodes`);
    }
    if (tensors[condition]?.dtype !== 'bool') bad('its condition is no bool');
    const crossing = flow?.sections.find(
      (other) => other.first < begin && begin <= other.last && other.last < last,
    );
    if (crossing !== undefined) bad(`crosses the section ${crossing.first} to ${crossing.last}`);
  }
}

/**
 * Checks one node of a graph that is not valid as a whole.
 *
 * @throws BonsaiError
 */
export function checkNodeAlone(graph: Graph, node: Node, operators: OpTable): void {
  checkNode(graph, node, operators, (code, where, message, hint) => {
    throw new BonsaiError(code, where, message, hint);
  });
}

const convertAgain = 'convert the model again';

function nameFault(stage: string, kind: string): InternalError {
  return new InternalError(stage, `the module has not one name for each ${kind}`);
}

function checkTensor(tensor: Tensor, fault: Fault): void {
  const where = `tensor "${tensor.name}"`;
  if (!tensor.shape.every((extent) => Number.isSafeInteger(extent) && extent >= 1)) {
    fault('bad-shape', where, `has the shape ${text(tensor.shape)}`, 'fix every extent above zero');
  }
  if (tensor.quant !== null) checkQuant(tensor, tensor.quant, where, fault);
  if (tensor.data === null) return;
  if (tensor.data.length !== elementCount(tensor.shape)) {
    const lengths = `has ${tensor.data.length} elements, its shape ${text(tensor.shape)}`;
    fault('bad-shape', where, `${lengths} has ${elementCount(tensor.shape)}`, convertAgain);
  }
  if (tensor.data.constructor !== allocate(tensor.dtype, 0).constructor) {
    fault('unsupported-type', where, `has not the data of its type ${tensor.dtype}`, convertAgain);
  }
}

function checkQuant(tensor: Tensor, quant: Quant, where: string, fault: Fault): void {
  const bad = (message: string) =>
    fault('bad-quantization', where, message, 'quantize the model again');
  const { scales, zeroPoints, axis } = quant;
  const scale = scales.find((value) => !(value > 0 && Number.isFinite(value)));
  if (scale !== undefined) bad(`has the scale ${scale}; a scale is finite and above zero`);
  const channels = axis === null ? 1 : tensor.shape[axis];
  if (channels === undefined) bad(`is quantized along dimension ${axis}, which it has not`);
  if (scales.length !== channels) {
    bad(`has ${scales.length} scales for ${channels} ${axis === null ? 'tensor' : 'channels'}`);
  }
  if (zeroPoints.length !== scales.length) {
    bad(`has ${zeroPoints.length} zero points for ${scales.length} scales`);
  }
  const [low, high] = dtypes[tensor.dtype].range ?? dtypes.int32.range;
  const zeroPoint = zeroPoints.find((z) => !(Number.isInteger(z) && low <= z && z <= high));
  if (zeroPoint !== undefined) {
    bad(`has the zero point ${zeroPoint}; ${tensor.dtype} holds ${low} to ${high}`);
  }
}

/** Every id exists, every tensor has one writer, and it comes before all readers. */
function checkOrder(graph: Graph, fault: Fault): void {
  const exists = (id: TensorId, where: string) => {
    if (graph.tensors[id] !== undefined) return;
    const count = graph.tensors.length;
    fault('bad-graph', where, `refers to tensor ${id}; the graph has ${count}`, convertAgain);
  };
  const name = (id: TensorId) => `tensor ${id} "${graph.tensors[id]?.name}"`;
  const written = new Set<TensorId>();
  const write = (id: TensorId, where: string) => {
    exists(id, where);
    if (graph.tensors[id]?.data !== null) {
      fault('bad-graph', where, `writes ${name(id)}, which is a constant`, convertAgain);
    }
    if (written.has(id)) {
      fault('bad-graph', where, `writes ${name(id)}, which is written already`, convertAgain);
    }
    written.add(id);
  };
  const read = (id: TensorId, where: string) => {
    exists(id, where);
    if (written.has(id) || graph.tensors[id]?.data !== null) return;
    const later = graph.nodes.find((node) => node.outputs.includes(id));
    if (later === undefined) {
      fault('bad-graph', where, `reads ${name(id)}, which nothing writes`, convertAgain);
    }
    const hint = 'the graph has a cycle, or its operators are not in the order of execution';
    fault('bad-graph', where, `reads ${name(id)} before ${at(later)} writes it`, hint);
  };
  for (const id of graph.inputs) write(id, 'inputs of the graph');
  for (const { tensor, name } of statesOf(graph)) write(tensor, `state "${name}"`);
  for (const node of graph.nodes) {
    for (const id of node.inputs) if (id !== null) read(id, at(node));
    for (const id of node.outputs) write(id, at(node));
  }
  for (const id of graph.outputs) read(id, 'outputs of the graph');
}

/**
 * A node changes each state in place: it reads the value before, and no later node does. Outputs
 * have places of their own.
 */
function checkStates(graph: Graph, fault: Fault): void {
  for (const { name, tensor, next, initial } of statesOf(graph)) {
    const bad = (message: string) => fault('bad-graph', `state "${name}"`, message, convertAgain);
    const [before, after] = [tensorOf(graph, tensor), graph.tensors[next]];
    const kindOf = ({ dtype, shape }: Tensor) => `${dtype}${text(shape)}`;
    if (after === undefined || kindOf(before) !== kindOf(after)) {
      bad(`is ${kindOf(before)}, its next value ${after && kindOf(after)}`);
    }
    const isData = initial.constructor === allocate(before.dtype, 0).constructor;
    if (!isData || initial.length !== elementCount(before.shape)) {
      bad(`has ${initial.length} initial elements that are no ${kindOf(before)}`);
    }
    const writer = graph.nodes.findIndex(({ outputs }) => outputs.includes(next));
    if (!graph.nodes[writer]?.inputs.includes(tensor)) {
      bad(`its next value is written by no node that reads it`);
    }
    const late = graph.nodes.slice(writer + 1).find(({ inputs }) => inputs.includes(tensor));
    if (late !== undefined) bad(`is read by ${at(late)} after it has changed`);
    if ([tensor, next].some((id) => graph.outputs.includes(id))) bad('is an output of the graph');
  }
}

function checkNode(graph: Graph, node: Node, operators: OpTable, fault: Fault): void {
  const op = operators.get(node.op);
  if (op === undefined) {
    fault('unsupported-operator', at(node), 'is not known', "see 'bonsaic operators'");
  }
  for (const inner of node.graphs ?? []) checkGraph(inner, operators, fault);
  const view = viewOf(graph, node);
  try {
    const shapes = op.infer(view);
    if (shapes.length !== view.outputs.length) {
      const counts = `has ${view.outputs.length} outputs; the operator has ${shapes.length}`;
      fault('bad-graph', at(node), counts, convertAgain);
    }
    view.outputs.forEach((output, position) => {
      const inferred = shapes[position] ?? [];
      if (text(inferred) === text(output.shape)) return;
      const declared = `output "${output.name}" is declared ${text(output.shape)}`;
      fault('bad-shape', at(node), `${declared}, but is ${text(inferred)}`, convertAgain);
    });
    // A float constant of an integer node is an error here.
    if (isJudged(op, view)) op.check(view);
  } catch (error) {
    if (error instanceof BonsaiError) fault(error.code, error.where, error.message, error.hint);
    throw error;
  }
}

function text(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
