/** Files with any operators in them, and what may be wrong in one: field by field, not bit by bit. */

import { decode, defaults, type Fields } from '../../src/compiler/formats/flatbuffer.js';
import {
  type Encodable,
  encode,
  type Union,
} from '../../src/compiler/formats/flatbuffer-writer.js';
import { operatorName, readModel } from '../../src/compiler/formats/tflite/read.js';
import { identifier, modelFields, tensorTypes } from '../../src/compiler/formats/tflite/schema.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { BonsaiError } from '../../src/errors.js';
import { type GraphSeed, growGraph } from '../support/graphs.js';
import type { Random } from '../support/module.js';
import { optionsOf } from '../support/options.js';

type RawModel = Encodable<typeof modelFields>;
type RawOperator = { inputs: number[]; outputs: number[]; opcodeIndex: number } & {
  builtinOptions?: Union & { values: Record<string, unknown> };
};
interface RawTensor {
  shape: number[];
  type: number;
  buffer: number;
  quantization?: { scale: number[]; zeroPoint: number[]; quantizedDimension: number };
}

/** A file as plain objects that `encodeAgain` takes. */
function objectsOf(file: Uint8Array): RawModel {
  const { source: _, ...model } = readModel(file, 'grown');
  const raw = readModel(file, 'grown');
  return {
    ...model,
    subgraphs: model.subgraphs.map((subgraph) => ({
      ...subgraph,
      tensors: subgraph.tensors.map(({ quantization, sparsity: __, ...tensor }) => ({
        ...tensor,
        ...(quantization === null ? {} : { quantization: { ...quantization } }),
      })),
      operators: subgraph.operators.map(({ builtinOptions, ...operator }) => {
        const fields = optionsOf(operatorName(raw, { builtinOptions, ...operator }));
        const values = builtinOptions ? decode(builtinOptions, fields) : defaults(fields);
        const options = { builtinOptions: { fields: fields as Fields, values: { ...values } } };
        return { ...operator, ...(builtinOptions === null ? {} : options) };
      }),
    })),
  } as unknown as RawModel;
}

const integers = [
  0,
  1,
  -1,
  2,
  3,
  5,
  127,
  128,
  -128,
  1000,
  2 ** 15,
  2 ** 23,
  2 ** 31 - 1,
  -(2 ** 31),
];
const floats = [
  0,
  -0,
  1,
  -1,
  0.5,
  1e-3,
  1e-30,
  1e-45,
  1e30,
  3.4e38,
  Infinity,
  -Infinity,
  Number.NaN,
];

/** One field of a list or of an object, whichever is there. */
type Change = (
  random: Random,
  model: {
    tensors: RawTensor[];
    operators: RawOperator[];
    buffers: { data?: Uint8Array }[];
    codes: number;
  },
) => void;

const changes: readonly Change[] = [
  function option(random, { operators }) {
    const { builtinOptions } = random.pick(operators);
    if (builtinOptions === undefined) return;
    const names = Object.keys(builtinOptions.fields);
    if (names.length === 0) return;
    const name = random.pick(names);
    const field = builtinOptions.fields[name];
    if (field?.kind === 'flag') builtinOptions.values[name] = random.integer(0, 1) === 1;
    if (field?.kind !== 'scalar') return;
    builtinOptions.values[name] = random.pick(
      field.of === 'float32'
        ? floats
        : field.of === 'int8'
          ? [-128, -1, 0, 1, 2, 3, 4, 5, 6, 127]
          : integers,
    );
  },
  function scale(random, { tensors }) {
    const { quantization } = random.pick(tensors);
    if (quantization === undefined) return;
    quantization.scale = quantization.scale.map((s) =>
      random.integer(0, 1) ? s : s * random.pick([...floats, 1e-3, 1e3, 1e5]),
    );
  },
  function zeroPoint(random, { tensors }) {
    const { quantization } = random.pick(tensors);
    if (quantization !== undefined)
      quantization.zeroPoint = quantization.zeroPoint.map(() => random.pick(integers));
  },
  function axis(random, { tensors }) {
    const { quantization } = random.pick(tensors);
    if (quantization !== undefined) quantization.quantizedDimension = random.pick(integers);
  },
  function noQuantization(random, { tensors }) {
    delete random.pick(tensors).quantization;
  },
  function manyScales(random, { tensors }) {
    const tensor = random.pick(tensors);
    if (tensor.quantization === undefined) return;
    const axis = random.integer(0, 4);
    const count = tensor.shape[axis] ?? 2;
    if (count > 1000) return;
    tensor.quantization = {
      scale: Array(count).fill(0.5),
      zeroPoint: Array(count).fill(0),
      quantizedDimension: axis,
    };
  },
  function type(random, { tensors }) {
    random.pick(tensors).type = random.integer(0, tensorTypes.length);
  },
  function shape(random, { tensors }) {
    const { shape } = random.pick(tensors);
    random.pick([
      () => shape.splice(0, shape.length),
      () => shape.push(1),
      () => shape.unshift(1),
      () => shape.unshift(1, 1, 1),
      () => shape.pop(),
      () => shape.splice(random.integer(0, shape.length), 1, random.pick(integers)),
      () => shape.reverse(),
    ])();
  },
  function data(random, { tensors, buffers }) {
    random.pick(tensors).buffer = random.integer(0, buffers.length - 1);
  },
  function word(random, { buffers }) {
    const { data } = random.pick(buffers);
    if (data === undefined || data.length < 4) return;
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    view.setInt32(
      4 * random.integer(0, Math.floor(data.length / 4) - 1),
      random.pick(integers),
      true,
    );
  },
  function float(random, { tensors, buffers }) {
    const tensor = random.pick(tensors.filter(({ type, buffer }) => type === 2 && buffer > 0));
    if (tensor === undefined) return;
    tensor.type = 0;
    const { data } = buffers[tensor.buffer] ?? {};
    if (data === undefined || data.length < 4) return;
    new DataView(data.buffer, data.byteOffset).setFloat32(0, random.pick(floats), true);
  },
  function input(random, { operators, tensors }) {
    const { inputs } = random.pick(operators);
    random.pick([
      () => inputs.pop(),
      () => inputs.push(random.integer(-1, tensors.length - 1)),
      () => inputs.splice(random.integer(0, inputs.length), 1, -1),
      () =>
        inputs.splice(random.integer(0, inputs.length), 1, random.integer(0, tensors.length - 1)),
      () => inputs.reverse(),
    ])();
  },
  function output(random, { operators, tensors }) {
    const { outputs } = random.pick(operators);
    random.pick([
      () => outputs.pop(),
      () => outputs.push(random.integer(0, tensors.length - 1)),
      () => outputs.splice(0, 1, random.integer(0, tensors.length - 1)),
    ])();
  },
  function operator(random, { operators, codes }) {
    const chosen = random.pick(operators);
    chosen.opcodeIndex = random.integer(0, codes - 1);
    delete chosen.builtinOptions;
    (chosen as { builtinOptionsType?: number }).builtinOptionsType = 0;
  },
];

/** Windows of random graphs may have padding that is neither SAME nor VALID, and scales may not fit. */
function written(module: () => Module): Uint8Array | null {
  try {
    return writeTflite(module());
  } catch (error) {
    if (error instanceof BonsaiError) return null;
    throw error;
  }
}

/** A file grown from a seed, with `count` things changed; null where no file can hold the graph. */
export function mutatedFile(seed: GraphSeed, count: number, random: Random): Uint8Array | null {
  const file = written(() => growGraph(seed));
  if (file === null) return null;
  const model = objectsOf(file);
  const [main] = model.subgraphs as unknown as { tensors: RawTensor[]; operators: RawOperator[] }[];
  const buffers = model.buffers as unknown as { data?: Uint8Array }[];
  for (const buffer of buffers) if (buffer.data !== undefined) buffer.data = buffer.data.slice();
  for (let i = 0; i < count && main !== undefined; i++) {
    random.pick(changes)(random, { ...main, buffers, codes: model.operatorCodes?.length ?? 0 });
  }
  return encode(modelFields, model as Encodable<typeof modelFields>, identifier, 65536);
}
