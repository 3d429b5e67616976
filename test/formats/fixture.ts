/** A small .tflite file as plain objects: tests change one thing and encode it. */

import { encode, type Union } from '../../src/compiler/formats/flatbuffer-writer.js';
import { builtinCode } from '../../src/compiler/formats/tflite/builtins.js';
import { identifier, modelFields, tensorTypes } from '../../src/compiler/formats/tflite/schema.js';
import { optionsOf } from '../support/options.js';

export interface RawTensor {
  name: string;
  shape: number[];
  type: number;
  buffer: number;
  quantization?: {
    scale?: number[];
    zeroPoint?: number[];
    quantizedDimension?: number;
    detailsType?: number;
  };
  isVariable?: boolean;
  sparsity?: Record<string, never>;
  shapeSignature?: number[];
}

export interface RawOperator {
  opcodeIndex: number;
  inputs: number[];
  outputs: number[];
  builtinOptionsType?: number;
  builtinOptions?: Union & { values: Record<string, unknown> };
}

export interface RawSubgraph {
  name: string;
  tensors: RawTensor[];
  inputs: number[];
  outputs: number[];
  operators: RawOperator[];
}

export interface RawModel {
  version: number;
  operatorCodes: {
    deprecatedBuiltinCode?: number;
    builtinCode?: number;
    customCode?: string;
    version?: number;
  }[];
  subgraphs: RawSubgraph[];
  buffers: { data?: Uint8Array; offset?: number; size?: number }[];
  signatureDefs?: {
    inputs: { name: string; tensorIndex: number }[];
    outputs: { name: string; tensorIndex: number }[];
    signatureKey: string;
    subgraphIndex: number;
  }[];
}

/** Codes by TensorType's names. */
export function typeCode(name: (typeof tensorTypes)[number]): number {
  return tensorTypes.indexOf(name);
}

export function tensor(
  name: string,
  type: (typeof tensorTypes)[number],
  shape: number[],
  buffer = 0,
  scale: number[] = type === 'int8' ? [0.5] : [],
): RawTensor {
  const quantization = { scale, zeroPoint: scale.map(() => 0) };
  const plain = { name, type: typeCode(type), shape, buffer };
  return scale.length === 0 ? plain : { ...plain, quantization };
}

/** An operator's code, which files have in two fields: the older one ends at 127. */
export function codeOf(name: string) {
  const builtin = builtinCode(name);
  return { builtinCode: builtin, deprecatedBuiltinCode: Math.min(builtin, 127) };
}

/** Adds the code of an operator. What it has besides inputs and outputs; type 0: no options. */
export function operatorOf(
  model: RawModel,
  name: string,
  type = 0,
  fields: Union['fields'] = {},
  values: Record<string, unknown> = {},
): Pick<RawOperator, 'opcodeIndex' | 'builtinOptionsType' | 'builtinOptions'> {
  const opcodeIndex = model.operatorCodes.push(codeOf(name)) - 1;
  if (type === 0) return { opcodeIndex };
  return { opcodeIndex, builtinOptionsType: type, builtinOptions: { fields, values } };
}

/** Adds a constant of int32. Its index. */
export function addConstant(
  model: RawModel,
  main: RawSubgraph,
  name: string,
  shape: number[],
  values: readonly number[],
): number {
  const buffer = model.buffers.push({ data: bytesOf(values) }) - 1;
  return main.tensors.push(tensor(name, 'int32', shape, buffer)) - 1;
}

/** Integers as a buffer of int32 has them. */
export function bytesOf(values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

/** Operators of the file, by index. */
export const conv = 0;
export const reshape = 1;
export const dense = 2;
export const softmax = 3;

/** The last operator becomes one that has no kernel of float32: its input and output are bools. */
export function withLogical(model: RawModel, main: RawSubgraph): void {
  const { builtinOptions: _, builtinOptionsType: __, ...operator } = at(main.operators, softmax);
  main.operators.splice(softmax, 1, operator);
  Object.assign(at(model.operatorCodes, softmax), codeOf('LOGICAL_NOT'));
}

/**
 * input [1,4,4,2] → CONV_2D 3×3 SAME, 3 channels, per channel → RESHAPE → FULLY_CONNECTED → SOFTMAX.
 * Tensors: 0 input, 1 to 3 convolution, 4 and 5 reshape, 6 to 8 dense, 9 output.
 */
export function smallModel(): RawModel {
  const bytes = (data: Int8Array | Int32Array) => ({ data: new Uint8Array(data.buffer) });
  const ramp = (count: number) =>
    Int8Array.from({ length: count }, (_, i) => ((i * 37) % 200) - 99);
  const channelScales = [0.01, 0.02, 0.03];
  return {
    version: 3,
    operatorCodes: ['CONV_2D', 'RESHAPE', 'FULLY_CONNECTED', 'SOFTMAX'].map((name) => ({
      ...codeOf(name),
      version: 1,
    })),
    subgraphs: [
      {
        name: 'main',
        tensors: [
          tensor('input', 'int8', [1, 4, 4, 2]),
          tensor('conv/weights', 'int8', [3, 3, 3, 2], 1, channelScales),
          tensor(
            'conv/bias',
            'int32',
            [3],
            2,
            channelScales.map((scale) => scale * 0.5),
          ),
          tensor('conv/Relu;bn/mul;conv', 'int8', [1, 4, 4, 3]),
          tensor('shape', 'int32', [2], 3),
          tensor('flat', 'int8', [1, 48]),
          tensor('dense/weights', 'int8', [5, 48], 4, [0.02]),
          tensor('dense/bias', 'int32', [5], 5, [0.01]),
          tensor('dense', 'int8', [1, 5]),
          {
            ...tensor('output', 'int8', [1, 5]),
            quantization: { scale: [1 / 256], zeroPoint: [-128] },
          },
        ],
        inputs: [0],
        outputs: [9],
        operators: [
          {
            opcodeIndex: 0,
            inputs: [0, 1, 2],
            outputs: [3],
            builtinOptionsType: 1,
            builtinOptions: {
              fields: optionsOf('CONV_2D'),
              values: { padding: 0, strideH: 1, strideW: 1, activation: 1 },
            },
          },
          {
            opcodeIndex: 1,
            inputs: [3, 4],
            outputs: [5],
            builtinOptionsType: 17,
            builtinOptions: { fields: optionsOf('RESHAPE'), values: { newShape: [1, 48] } },
          },
          {
            opcodeIndex: 2,
            inputs: [5, 6, 7],
            outputs: [8],
            builtinOptionsType: 8,
            builtinOptions: { fields: optionsOf('FULLY_CONNECTED'), values: {} },
          },
          {
            opcodeIndex: 3,
            inputs: [8],
            outputs: [9],
            builtinOptionsType: 9,
            builtinOptions: { fields: optionsOf('SOFTMAX'), values: { beta: 1 } },
          },
        ],
      },
    ],
    buffers: [
      {},
      bytes(ramp(54)),
      bytes(Int32Array.of(10, -20, 30)),
      bytes(Int32Array.of(1, 48)),
      bytes(ramp(240)),
      bytes(Int32Array.of(1, 2, 3, 4, 5)),
    ],
  };
}

export function encodeModel(model: RawModel): Uint8Array {
  return encode(modelFields, model, identifier, 4096);
}

/** The small model with one thing changed. */
export function changed(change: (model: RawModel, main: RawSubgraph) => void): Uint8Array {
  const model = smallModel();
  const [main] = model.subgraphs;
  if (main !== undefined) change(model, main);
  return encodeModel(model);
}

/** Element `index` of an array that has one. */
export function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}

/** The same model with the data of its buffers after the flatbuffer. */
export function withDataOutside(model: RawModel): Uint8Array {
  const datas = model.buffers.map(({ data }) => data);
  const place = (start: number) => {
    let offset = start;
    const buffers = datas.map((data) => {
      if (data === undefined) return {};
      const placed = { offset, size: data.length };
      offset += Math.ceil(data.length / 16) * 16;
      return placed;
    });
    return { bytes: encodeModel({ ...model, buffers }), end: offset };
  };
  // Offsets are numbers of fixed width: their values do not change the flatbuffer's length.
  const start = Math.ceil(place(4096).bytes.length / 16) * 16;
  const { bytes, end } = place(start);
  const file = new Uint8Array(end);
  file.set(bytes);
  let offset = start;
  for (const data of datas) {
    if (data === undefined) continue;
    file.set(data, offset);
    offset += Math.ceil(data.length / 16) * 16;
  }
  return file;
}
