/** Bytes of a .tflite file → its tables, checked but not yet interpreted. */
import { BonsaiError } from '../../../errors.js';
import { maxModelBytes } from '../../../limits.js';
import {
  corrupt,
  type Decoded,
  decode,
  fileIdentifier,
  openSource,
  rootTable,
  type SourceFile,
} from '../flatbuffer.js';
import { type Foreign, foreignOf } from '../foreign-files.js';
import { builtinNames } from './builtins.js';
import {
  identifier,
  modelFields,
  type operatorCodeFields,
  type operatorFields,
  type subgraphFields,
  type tensorFields,
} from './schema.js';

export type RawTensor = Decoded<typeof tensorFields>;
/** `graphs`: what an IF or WHILE runs, of a model whose control flow is laid out. */
export interface RawOperator extends Decoded<typeof operatorFields> {
  readonly graphs?: readonly RawSubgraph[];
}

export interface RawSubgraph extends Omit<Decoded<typeof subgraphFields>, 'operators'> {
  readonly operators: readonly RawOperator[];
}

export interface RawModel extends Omit<Decoded<typeof modelFields>, 'subgraphs'> {
  readonly subgraphs: readonly RawSubgraph[];
  readonly source: SourceFile;
  readonly ignore: Ignore;
}

/** Records a fault in a part of the file that TFLM never reads; throws if faults are refused. */
export type Ignore = (error: BonsaiError) => void;

/**
 * @throws BonsaiError 'not-a-model', 'truncated-model', 'corrupt-model', 'too-large'
 */
export function readModel(bytes: Uint8Array, where: string, ignore: Ignore = () => {}): RawModel {
  if (fileIdentifier(bytes) !== identifier) {
    const { what, hint } = looksLike(bytes, where);
    throw new BonsaiError('not-a-model', where, `is not a TFLite model: ${what}`, hint);
  }
  if (bytes.length > maxModelBytes) {
    const message = `has ${bytes.length} bytes; at most ${maxModelBytes} can be read`;
    throw new BonsaiError('too-large', where, message, 'use a smaller model');
  }
  const source = openSource(bytes, where);
  const model = decode(rootTable(source), modelFields);
  if (model.version !== 3) {
    const message = `has version ${model.version} of the TFLite schema; only 3 is known`;
    throw new BonsaiError('not-a-model', where, message, 'convert the model with TensorFlow 2');
  }
  return { ...model, source, ignore };
}

const export_ =
  "export it as .tflite (tf.lite.TFLiteConverter), or give TensorFlow.js's model.json";

const copyAgain = 'copy the file again: it is not whole';

function looksLike(bytes: Uint8Array, where: string): Pick<Foreign, 'what' | 'hint'> {
  if (bytes.length < 8) return { what: `it has only ${bytes.length} bytes`, hint: copyAgain };
  const foreign = foreignOf(bytes, where);
  if (foreign !== null) return foreign;
  const json = 'it is JSON, and no model.json of TensorFlow.js: it has no modelTopology';
  const none = `it lacks the identifier ${identifier} at byte 4`;
  return { what: bytes[0] === 0x7b ? json : none, hint: export_ };
}

/**
 * A buffer's bytes, as a view of the file: inside the flatbuffer, or behind it at `offset` (files
 * beyond 2 GB, and files of newer converters). null: the buffer is empty.
 */
export function bufferBytes(raw: RawModel, index: number): Uint8Array | null {
  const buffer = raw.buffers[index];
  if (buffer === undefined) {
    throw corrupt(raw.source, `refers to buffer ${index}; it has ${raw.buffers.length}`);
  }
  if (buffer.data.length > 0) return buffer.data;
  // 0 and 1 mean 'no data': writers store 1 as a placeholder to patch later.
  if (buffer.offset <= 1) return null;
  const end = buffer.offset + buffer.size;
  if (end > raw.source.bytes.length) {
    const message = `buffer ${index} ends at byte ${end}, the file after ${raw.source.bytes.length}`;
    const hint = 'the file is cut short: copy it again, or convert the model again';
    throw new BonsaiError('truncated-model', raw.source.where, message, hint);
  }
  return raw.source.bytes.subarray(buffer.offset, end);
}

/** An operator's name in TensorFlow: 'CONV_2D', 'CUSTOM "Foo"'. */
export function operatorName(raw: RawModel, operator: RawOperator): string {
  const code = raw.operatorCodes[operator.opcodeIndex];
  if (code === undefined) {
    const message = `refers to operator code ${operator.opcodeIndex}`;
    throw corrupt(raw.source, `${message}; it has ${raw.operatorCodes.length}`);
  }
  return codeName(code);
}

function codeName(code: Decoded<typeof operatorCodeFields>): string {
  // Old files have only the 8-bit code; new files store 127 there for larger codes.
  const builtin = Math.max(code.deprecatedBuiltinCode, code.builtinCode);
  const name = builtinNames[builtin] ?? `operator code ${builtin}`;
  return name === 'CUSTOM' ? `CUSTOM "${printable(code.customCode)}"` : name;
}

/** Tensor `index`, which the caller has checked to be in range. */
export function rawTensor(raw: RawModel, subgraph: RawSubgraph, index: number): RawTensor {
  const tensor = subgraph.tensors[index];
  if (tensor === undefined) throw corrupt(raw.source, `has no tensor ${index}`);
  return tensor;
}

/**
 * A short name for people. The file has names of tensors only, joined from all layers that were
 * fused: 'net/act/Relu;net/bn/FusedBatchNormV3;net/conv/Conv2D'.
 */
export function layerName(subgraph: RawSubgraph, operator: RawOperator, index: number): string {
  const output = subgraph.tensors[operator.outputs[0] ?? -1];
  return printable(output?.name.split(';')[0] ?? '') || `operator_${index}`;
}

/** The place that an error names: 'operator 3 (CONV_2D) "block1/conv"'. */
export function placeOf(
  raw: RawModel,
  subgraph: RawSubgraph,
  operator: RawOperator,
  index: number,
): string {
  const name = operatorName(raw, operator);
  return `operator ${index} (${name}) "${layerName(subgraph, operator, index)}"`;
}

/** Longer than any name that a converter joins of fused layers. */
const maxNameLength = 1024;

/** Names appear in reports and in comments of the generated C, so they are cut where they are endless. */
export function printable(name: string): string {
  const cut = name.length > maxNameLength ? `${name.slice(0, maxNameLength - 1)}…` : name;
  return cut.replace(/\p{C}/gu, '?');
}
