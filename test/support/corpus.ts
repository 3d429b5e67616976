/** Files of other makers: what bonsaic makes of each, compared with a runtime's answers. */

import { readModel } from '../../src/compiler/formats/tflite/read.js';
import { tensorTypes } from '../../src/compiler/formats/tflite/schema.js';
import {
  type DType,
  type Module,
  mainGraph,
  type Shape,
  type Tensor,
  type TensorData,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { BonsaiError } from '../../src/errors.js';

/** An input or output as the file declares it. */
export interface FilePort {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Inputs and outputs of a .tflite file's main subgraph. @throws BonsaiError for no such file */
export function portsOf(bytes: Uint8Array, where: string) {
  const [main] = readModel(bytes, where).subgraphs;
  const ports = (indices: readonly number[] = []) =>
    indices.map((index): FilePort => {
      const { type, shape } = main?.tensors[index] ?? { type: 0, shape: [] };
      return { dtype: (tensorTypes[type] ?? 'float32') as DType, shape };
    });
  return { inputs: ports(main?.inputs), outputs: ports(main?.outputs) };
}

const arrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Elements of raw bytes. */
export function elementsOf(dtype: DType, bytes: Uint8Array): TensorData {
  const Elements = arrays[dtype as keyof typeof arrays];
  return new Elements(Uint8Array.from(bytes).buffer);
}

/** Elements from JSON, whose numbers have lost their type. */
export function elementsFrom(dtype: DType, values: readonly (number | boolean)[]): TensorData {
  if (dtype === 'int64') return BigInt64Array.from(values, BigInt);
  return arrays[dtype as Exclude<keyof typeof arrays, 'int64'>].from(values.map(Number));
}

/**
 * Runs `evaluate` on values in the types of the file. Where the importer left a conversion at the
 * edge to the caller, this converts as QUANTIZE and DEQUANTIZE do.
 */
export function evaluateFile(
  module: Module,
  ports: ReturnType<typeof portsOf>,
  inputs: readonly TensorData[],
): readonly TensorData[] {
  const graph = mainGraph(module);
  const given = graph.inputs.map((id, i) =>
    quantized(inputs[i] as TensorData, ports.inputs[i] as FilePort, tensorOf(graph, id)),
  );
  return evaluateGraph(graph, given).outputs.map((data, i) => {
    const id = graph.outputs[i] as number;
    return restored(data, ports.outputs[i] as FilePort, tensorOf(graph, id));
  });
}

function quantized(data: TensorData, { dtype }: FilePort, tensor: Tensor): TensorData {
  const { quant } = tensor;
  if (dtype === tensor.dtype || quant === null) return data;
  if (dtype === 'uint8') return Int8Array.from(data as Uint8Array, (value) => value - 128);
  const scale = Math.fround(quant.scales[0] ?? 1);
  const [least, most] = tensor.dtype === 'int16' ? [-32768, 32767] : [-128, 127];
  return elementsFrom(
    tensor.dtype,
    Array.from(data as Float32Array, (real) => {
      const ratio = Math.fround(real / scale);
      const rounded = Math.sign(ratio) * Math.floor(Math.abs(ratio) + 0.5);
      return Math.min(most, Math.max(least, rounded + (quant.zeroPoints[0] ?? 0)));
    }),
  );
}

function restored(data: TensorData, { dtype }: FilePort, tensor: Tensor): TensorData {
  const { quant } = tensor;
  if (dtype === tensor.dtype || quant === null) return data;
  const values = data as Int8Array;
  if (dtype === 'uint8') return Uint8Array.from(values, (value) => value + 128);
  const [scale = 1, zeroPoint = 0] = [quant.scales[0], quant.zeroPoints[0]];
  return Float32Array.from(values, (value) => Math.fround(scale) * (value - zeroPoint));
}

/** 'exact', 'refused: …', or how far the outputs differ. */
export type Outcome = string;

/** Compares the outputs of several runs. @param expected in the same order, or the runtime's error */
export function difference(
  actual: readonly TensorData[],
  expected: readonly TensorData[],
): Outcome {
  let [elements, differing, most] = [0, 0, 0];
  expected.forEach((values, i) => {
    const made = actual[i];
    elements += values.length;
    for (const [at, value] of Array.from<number | bigint>(values as Int8Array).entries()) {
      if (Object.is(made?.[at], value)) continue;
      differing += 1;
      most = Math.max(most, Math.abs(Number(made?.[at]) - Number(value)));
    }
  });
  if (differing === 0) return 'exact';
  return `differs: ${differing} of ${elements}, by up to ${Number(most.toPrecision(3))}`;
}

/**
 * 'refused: DEQUANTIZE is not supported', 'refused: int16 (CONV_2D)'. Other exceptions are faults of
 * bonsaic, and are thrown.
 */
export function refusalOf(error: unknown): Outcome {
  if (!(error instanceof BonsaiError)) throw error;
  const { message, where } = error;
  const operator = /^operator \d+ \((.*?)\)/.exec(where)?.[1] ?? '';
  const type = /^(?:input |output )?tensor "[^"]*" is (\w+)/.exec(message)?.[1];
  if (type !== undefined) return `refused: ${type} (${operator})`;
  // Names of tensors tell nothing about the kind of refusal.
  const short = message.replace(/ ?"[^"]*"/g, (name) =>
    operator.endsWith(name.trim()) ? name : '',
  );
  return `refused: ${operator !== '' && !short.startsWith(operator) ? `${operator} ` : ''}${short}`;
}
