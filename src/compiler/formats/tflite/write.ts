/** IR → .tflite, for any runtime. */
import { deepEqual } from 'fast-equals';
import { attempt, BonsaiError } from '../../../errors.js';
import {
  type Attrs,
  allocate,
  type Graph,
  type Module,
  mainGraph,
  type Node,
  type Quant,
  rawBytes,
  statesOf,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../../ir/graph.js';
import { roundings } from '../../ir/rounding.js';
import { type Encodable, encode } from '../flatbuffer-writer.js';
import { importModel } from '../index.js';
import { builtinCode } from './builtins.js';
import { plainGraph } from './plain.js';
import { type Extras, inexpressible } from './rows.js';
import {
  identifier,
  modelFields,
  type operatorFields,
  type subgraphFields,
  type tensorFields,
  tensorTypes,
} from './schema.js';
import { versionOf, writeOperator, writerOf } from './writers.js';

type RawTensor = Encodable<typeof tensorFields>;
type RawOperator = Encodable<typeof operatorFields>;

/**
 * A module as a .tflite file that gives the same bits. The names of inputs and outputs become the
 * signature 'serving_default'. Tensors keep their order; new tensors follow them: those between
 * nodes that passes had fused, and constants for shapes and axes.
 *
 * The importer reads the file back, and any node or attribute that differs is refused, whichever
 * pass has set it.
 *
 * @throws BonsaiError 'unsupported-attribute' for a node that the format cannot express
 */
export function writeTflite(module: Module): Uint8Array {
  if (statesOf(mainGraph(module)).length > 0) {
    const hint = 'keep the file that the model was read from';
    throw new BonsaiError('unsupported-attribute', module.name, 'has states', hint);
  }
  if (mainGraph(module).nodes.some(({ graphs }) => graphs !== undefined)) {
    const hint = 'keep the file that the model was read from';
    throw new BonsaiError('unsupported-attribute', module.name, 'has branches or loops', hint);
  }
  const plain = { ...module, graphs: module.graphs.map(plainGraph) };
  const bytes = encodeModule(plain);
  requireSame(plain, bytes);
  return bytes;
}

/**
 * Attributes hold the rounding of the import, so reading with one of the roundings must give
 * back all attributes.
 *
 * @throws BonsaiError 'unsupported-attribute' naming the first node that differs
 */
function requireSame(module: Module, bytes: Uint8Array): void {
  const graph = mainGraph(module);
  const differences: Difference[] = [];
  const refusals: BonsaiError[] = [];
  const named = { name: module.name, where: module.name };
  for (const rounding of roundings) {
    const again = attempt(() => importModel(bytes, { ...named, rounding }));
    // A rounding may refuse what another one takes.
    if (again instanceof BonsaiError) {
      refusals.push(again);
      continue;
    }
    const difference = differenceOf(graph.nodes, mainGraph(again).nodes);
    if (difference === null) return;
    differences.push(difference);
  }
  if (differences.length === 0) throw refusals[0];
  const [furthest] = differences.sort((a, b) => b.index - a.index);
  const view = viewOf(graph, graph.nodes[furthest?.index ?? 0] as Node);
  const [wrote, back] = [stored(view.attrs), stored(furthest?.back ?? {})];
  const names = Object.keys({ ...wrote, ...back }).filter(
    (name) => !deepEqual(wrote[name], back[name]),
  );
  const said = names
    .map((name) => `${name} ${JSON.stringify(view.attrs[name]) ?? 'by default'}`)
    .join(', ');
  throw inexpressible(view, said === '' ? `${view.node.op} here` : said);
}

/** The first node that differs, and the attributes that were read back. */
interface Difference {
  readonly index: number;
  readonly back: Attrs;
}

function differenceOf(nodes: readonly Node[], read: readonly Node[]): Difference | null {
  const index = nodes.findIndex(
    ({ op, attrs }, i) =>
      op !== read[i]?.op || !deepEqual(stored(attrs), stored(read[i]?.attrs ?? {})),
  );
  if (index >= 0) return { index, back: read[index]?.attrs ?? {} };
  return read.length === nodes.length ? null : { index: nodes.length - 1, back: {} };
}

/**
 * Attributes as a file stores them, with fractions as float32, the precision that operators use.
 */
function stored(attrs: Attrs): Attrs {
  const fraction = (value: unknown) => typeof value === 'number' && !Number.isInteger(value);
  return Object.fromEntries(
    Object.entries(attrs).map(([name, value]) => [
      name,
      fraction(value) ? Math.fround(Number(value)) : value,
    ]),
  );
}

interface OperatorCode {
  readonly name: string;
  readonly version: number;
}

function encodeModule(module: Module): Uint8Array {
  // Buffer 0 means 'no data'.
  const buffers: Uint8Array[] = [new Uint8Array(0)];
  const codes: OperatorCode[] = [];
  const subgraphs = module.graphs.map((graph) => writeGraph(graph, buffers, codes));
  const [main] = module.graphs;
  const signatureOf = (names: readonly string[], tensors: readonly TensorId[] = []) =>
    names.map((name, i) => ({ name, tensorIndex: tensors[i] ?? 0 }));
  const signature = {
    inputs: signatureOf(module.inputNames, main?.inputs),
    outputs: signatureOf(module.outputNames, main?.outputs),
    signatureKey: 'serving_default',
    subgraphIndex: 0,
  };
  const model = {
    version: 3,
    operatorCodes: codes.map(({ name, version }) => operatorCode(builtinCode(name), version)),
    subgraphs,
    description: module.name,
    buffers: buffers.map((data) => (data.length === 0 ? {} : { data })),
    signatureDefs: [signature],
  };
  const dataBytes = buffers.reduce((sum, data) => sum + data.length, 0);
  return encode(modelFields, model, identifier, dataBytes + 65536);
}

/** Readers before 2020 know only the 8-bit code; 127 there means that the other code is valid. */
function operatorCode(code: number, version: number) {
  return { deprecatedBuiltinCode: Math.min(code, 127), builtinCode: code, version };
}

function writeGraph(
  graph: Graph,
  buffers: Uint8Array[],
  codes: OperatorCode[],
): Encodable<typeof subgraphFields> {
  const tensors = graph.tensors.map((tensor) => writeTensor(tensor, buffers));
  const operators: RawOperator[] = [];
  const add = (tensor: Tensor): TensorId => tensors.push(writeTensor(tensor, buffers)) - 1;
  const extras: Extras = {
    constant: (values, shape) => add(integerTensor(values, shape)),
    scalar: (view, value) => {
      const like = tensorOf(graph, view.node.outputs[0] ?? 0);
      const data = allocate(like.dtype, 1).fill(value as never);
      return add({ ...like, name: 'parameter', shape: [], data });
    },
  };
  for (const node of graph.nodes) {
    const view = viewOf(graph, node);
    const writer = writerOf(view);
    const code = { name: writer.name, version: versionOf(writer, view) };
    const known = codes.findIndex(
      ({ name, version }) => name === code.name && version === code.version,
    );
    const { inputs, options } = writeOperator(writer, view, extras);
    // Trailing absent inputs are dropped, since the runtimes' kernels count their inputs.
    const present = inputs.slice(0, inputs.findLastIndex((id) => id !== null) + 1);
    operators.push({
      opcodeIndex: known >= 0 ? known : codes.push(code) - 1,
      inputs: present.map((id) => id ?? -1),
      outputs: node.outputs,
      ...(writer.optionsType === 0
        ? {}
        : {
            builtinOptionsType: writer.optionsType,
            builtinOptions: { fields: writer.options, values: options },
          }),
    });
  }
  const { inputs, outputs, name } = graph;
  return { tensors, inputs, outputs, operators, name };
}

function integerTensor(values: readonly number[], shape: readonly number[]): Tensor {
  const data = Int32Array.from(values);
  return { name: 'parameter', dtype: 'int32', shape, quant: null, data, source: null };
}

function writeTensor(tensor: Tensor, buffers: Uint8Array[]): RawTensor {
  const { name, dtype, shape, quant, data } = tensor;
  return {
    name,
    shape,
    type: (tensorTypes as readonly string[]).indexOf(dtype),
    buffer: data === null ? 0 : buffers.push(bytesOf(tensor.dtype === 'int4', data)) - 1,
    ...(quant === null ? {} : { quantization: writeQuant(quant) }),
  };
}

function writeQuant({ scales, zeroPoints, axis }: Quant) {
  return { scale: scales, zeroPoint: zeroPoints, quantizedDimension: axis ?? 0 };
}

function bytesOf(packed: boolean, data: TensorData): Uint8Array {
  if (!packed) return rawBytes(data);
  const nibble = (i: number) => Number(data[i] ?? 0) & 15;
  return Uint8Array.from(
    { length: Math.ceil(data.length / 2) },
    (_, i) => nibble(2 * i) | (nibble(2 * i + 1) << 4),
  );
}
