/** Tensors and tables on their way to and from a device, in pieces that fit a frame's body. */

import { allocate, elementCount, rawBytes, type TensorData } from '../../compiler/ir/graph.js';
import type { IoTensor } from '../../compiler/plan/types.js';
import { BonsaiError } from '../../errors.js';
import { answerBody, requestBody, writeInputHeaderBytes } from './protocol.js';

/** A device that answers requests which may be repeated. */
export interface Answering {
  /** The most bytes of a body. */
  readonly maxBodyBytes: number;
  ask<T>(command: Repeatable, body: Uint8Array, decode: (body: Uint8Array) => T): Promise<T>;
}

export type Repeatable =
  | 'info'
  | 'writeInput'
  | 'readOutput'
  | 'readCounts'
  | 'readChecksums'
  | 'memory'
  | 'reset';

/** @throws BonsaiError 'bad-vectors' for an input of another length */
export async function writeInputs(
  device: Answering,
  tensors: readonly IoTensor[],
  inputs: readonly TensorData[],
): Promise<void> {
  const chunk = device.maxBodyBytes - writeInputHeaderBytes;
  for (const [index, tensor] of tensors.entries()) {
    const bytes = bytesOf(inputs[index], tensor);
    for (let offset = 0; offset < bytes.length; offset += chunk) {
      const body = requestBody.writeInput(index, offset, bytes.subarray(offset, offset + chunk));
      await device.ask('writeInput', body, answerBody.empty);
    }
  }
}

export async function readOutputs(
  device: Answering,
  tensors: readonly IoTensor[],
): Promise<TensorData[]> {
  const outputs: TensorData[] = [];
  for (const [index, tensor] of tensors.entries()) {
    const bytes = new Uint8Array(tensor.bytes);
    for (let offset = 0; offset < bytes.length; offset += device.maxBodyBytes) {
      const length = Math.min(device.maxBodyBytes, bytes.length - offset);
      const body = requestBody.readOutput(index, offset, length);
      bytes.set(await device.ask('readOutput', body, (b) => answerBody.bytes(b, length)), offset);
    }
    outputs.push(elementsOf(bytes, tensor));
  }
  return outputs;
}

/** Reads a table of `total` entries. */
export async function readTable(
  device: Answering,
  command: 'readCounts' | 'readChecksums',
  total: number,
  entryBytes: number,
  decode: (body: Uint8Array, n: number) => number[],
): Promise<number[]> {
  const chunk = Math.floor(device.maxBodyBytes / entryBytes);
  const entries: number[] = [];
  while (entries.length < total) {
    const n = Math.min(chunk, total - entries.length);
    const body = requestBody.range(entries.length, n);
    entries.push(...(await device.ask(command, body, (b) => decode(b, n))));
  }
  return entries;
}

/** @throws BonsaiError 'bad-vectors' for another length */
function bytesOf(data: TensorData | undefined, tensor: IoTensor): Uint8Array {
  const bytes = data === undefined ? new Uint8Array(0) : rawBytes(data);
  if (bytes.length !== tensor.bytes) {
    throw new BonsaiError(
      'bad-vectors',
      `input "${tensor.name}"`,
      `has ${bytes.length} bytes, the model takes ${tensor.bytes}`,
      'give the raw quantized integers of the whole tensor',
    );
  }
  return bytes;
}

function elementsOf(bytes: Uint8Array, tensor: IoTensor): TensorData {
  const elements = allocate(tensor.dtype, elementCount(tensor.shape));
  new Uint8Array(elements.buffer).set(bytes);
  return elements;
}
