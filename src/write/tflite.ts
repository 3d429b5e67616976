/** IR → .tflite: a compressed model goes back to any runtime. */
import { builtinCode } from '../import/tflite/builtins.js';
import { rows } from '../import/tflite/ops.js';
import {
  identifier,
  modelFields,
  type operatorFields,
  type subgraphFields,
  type tensorFields,
  tensorTypes,
} from '../import/tflite/schema.js';
import {
  allocate,
  type Graph,
  type Module,
  type Quant,
  type Tensor,
  type TensorData,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import { type Encodable, encode } from './flatbuffer.js';
import { type Extras, type Writer, writerOf } from './tflite-ops.js';

type RawTensor = Encodable<typeof tensorFields>;
type RawOperator = Encodable<typeof operatorFields>;

/**
 * A module as a .tflite file, with its port names as the signature 'serving_default'.
 * Tensors keep their order; what TFLite takes as constants (shapes, axes) comes after them.
 *
 * @throws BonsaiError 'unsupported-attribute' for what only passes make (folded zero points)
 */
export function writeTflite(module: Module): Uint8Array {
  // Buffer 0 stands for 'no data'.
  const buffers: Uint8Array[] = [new Uint8Array(0)];
  const codes: Writer[] = [];
  const subgraphs = module.graphs.map((graph) => writeGraph(graph, buffers, codes));
  const [main] = module.graphs;
  const ports = (names: readonly string[], tensors: readonly TensorId[] = []) =>
    names.map((name, i) => ({ name, tensorIndex: tensors[i] ?? 0 }));
  const signature = {
    inputs: ports(module.inputNames, main?.inputs),
    outputs: ports(module.outputNames, main?.outputs),
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

/** Readers before 2020 know only the 8-bit code; 127 there says 'look at the other'. */
function operatorCode(code: number, version: number) {
  return { deprecatedBuiltinCode: Math.min(code, 127), builtinCode: code, version };
}

function writeGraph(
  graph: Graph,
  buffers: Uint8Array[],
  codes: Writer[],
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
    padded: (view, position, pads) => {
      const id = view.node.inputs[position] ?? 0;
      const source = tensorOf(graph, id);
      const shape = source.shape.map((e, d) => e + (pads[2 * d] ?? 0) + (pads[2 * d + 1] ?? 0));
      const output = add({ ...source, name: `${source.name}/padded`, shape, data: null });
      const amounts = add(integerTensor(pads, [pads.length / 2, 2]));
      operators.push(operator(padWriter, [id, amounts], [output], {}, codes));
      return output;
    },
  };
  for (const node of graph.nodes) {
    const view = viewOf(graph, node);
    const writer = writerOf(view);
    const { inputs, options } = writer.write(view, extras);
    operators.push(operator(writer, inputs, node.outputs, options, codes));
  }
  const { inputs, outputs, name } = graph;
  return { tensors, inputs, outputs, operators, name };
}

const padWriter = { name: 'PAD', version: 2 };

function operator(
  writer: Pick<Writer, 'name' | 'version'>,
  inputs: readonly (TensorId | null)[],
  outputs: readonly TensorId[],
  values: Readonly<Record<string, unknown>>,
  codes: Pick<Writer, 'name' | 'version'>[],
): RawOperator {
  const known = codes.findIndex(({ name }) => name === writer.name);
  const opcodeIndex = known >= 0 ? known : codes.push(writer) - 1;
  // An absent bias is left out: kernels count their inputs.
  const present = inputs.slice(0, inputs.findLastIndex((id) => id !== null) + 1);
  const row = rows[writer.name];
  const options =
    row === undefined || row.optionsType === 0
      ? {}
      : {
          builtinOptionsType: row.optionsType,
          builtinOptions: { fields: row.options, values },
        };
  return { opcodeIndex, inputs: present.map((id) => id ?? -1), outputs, ...options };
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
  if (!packed) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const nibble = (i: number) => Number(data[i] ?? 0) & 15;
  return Uint8Array.from(
    { length: Math.ceil(data.length / 2) },
    (_, i) => nibble(2 * i) | (nibble(2 * i + 1) << 4),
  );
}
