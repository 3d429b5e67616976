/**
 * A model.json of TensorFlow.js and its weights: binary files beside it, cut into shards
 * (tfjs-core/src/io/types.ts, io_utils.ts).
 */

import { includesWord, joined, latin1 } from '../../../bytes.js';
import { BonsaiError } from '../../../errors.js';
import { maxModelBytes } from '../../../limits.js';
import { printableLine } from '../../../printable.js';
import { elementCount, type Shape } from '../../ir/graph.js';
import { floatOfHalf } from '../half.js';
import { convertAgain, corrupt, type Fields, fieldsOf, shown } from './fields.js';

export interface Weight {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

export interface RawModel {
  readonly where: string;
  readonly json: Fields;
  readonly topology: Fields;
  /** By name, without the output number ':0'. */
  readonly weights: ReadonlyMap<string, Weight>;
  /** The bytes of all shards, in order. */
  readonly shards: readonly Uint8Array[];
}

/** The file `name` of the model's folder. @throws BonsaiError when it cannot be read */
export type ReadBeside = (name: string) => Uint8Array;

/** JSON becomes a string, which holds half of what Node's largest does. */
const maxJsonBytes = 2 ** 28;

/** The converter writes shards of 4 MB: 256 of them hold the largest model. */
const maxShards = 4096;

/** Whether a file is a model.json: JSON that has a topology. */
export function isTfjs(bytes: Uint8Array): boolean {
  const start = latin1(bytes.subarray(0, 64));
  if (!/^(\u00ef\u00bb\u00bf)?\s*\{/.test(start)) return false;
  return includesWord(bytes, '"modelTopology"');
}

/** @throws BonsaiError 'corrupt-model', 'truncated-model', 'unsupported-type', 'too-large' … */
export function readModel(bytes: Uint8Array, where: string, beside: ReadBeside): RawModel {
  if (bytes.length > maxJsonBytes) {
    throw tooLarge(where, `has ${bytes.length} bytes of JSON; at most ${maxJsonBytes} can be read`);
  }
  const json = fieldsOf(parse(bytes, where), where);
  const topology = fieldsOf(json.raw('modelTopology'), `${where}: modelTopology`);
  const weights = new Map<string, Weight>();
  const shards: Uint8Array[] = [];
  let bytesRead = 0;
  for (const group of json.list('weightsManifest')) {
    const fields = fieldsOf(group, `${where}: weightsManifest`);
    const paths = fields.list('paths');
    if (shards.length + paths.length > maxShards) {
      throw tooLarge(where, `names more than ${maxShards} files of weights`);
    }
    const files = paths.map((path) => {
      const file = shardOf(path, where, beside);
      bytesRead += file.length;
      // A file may be named again and again.
      if (bytesRead <= maxModelBytes) return file;
      throw tooLarge(where, `has weights of more than ${maxModelBytes} bytes`);
    });
    for (const file of files) shards.push(file);
    takeWeights(fields, files, weights);
  }
  return { where, json, topology, weights, shards };
}

function tooLarge(where: string, message: string): BonsaiError {
  return new BonsaiError('too-large', where, message, 'use a smaller model');
}

function parse(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    const reason = printableLine(error instanceof Error ? error.message : String(error));
    throw new BonsaiError('corrupt-model', where, `is not whole JSON: ${reason}`, convertAgain);
  }
}

function shardOf(path: unknown, where: string, beside: ReadBeside): Uint8Array {
  const isInside =
    typeof path === 'string' &&
    path !== '' &&
    path.split(/[/\\]/).every((part) => !['', '.', '..'].includes(part)) &&
    !/[\0:]/.test(path);
  if (isInside) return wholeShard(path, where, beside);
  const message = `names the weights ${shown(path)}; only files of its own folder are read`;
  throw new BonsaiError('corrupt-model', where, message, 'put the weights beside model.json');
}

function wholeShard(path: string, where: string, beside: ReadBeside): Uint8Array {
  try {
    return beside(path);
  } catch (error) {
    if (!(error instanceof BonsaiError) || error.code !== 'usage') throw error;
    const message = `${error.message}; ${where} has its weights there`;
    const hint = 'copy the whole folder of the model: model.json and its .bin files';
    throw new BonsaiError('truncated-model', error.where, message, hint);
  }
}

/** Reads one group: its weights lie in its shards without gaps, in the order of the manifest. */
function takeWeights(
  group: Fields,
  files: readonly Uint8Array[],
  weights: Map<string, Weight>,
): void {
  const bytes = files.length === 1 ? (files[0] as Uint8Array) : joined(files);
  let at = 0;
  for (const entry of group.list('weights')) {
    const fields = fieldsOf(entry, group.where);
    const name = fields.text('name');
    const where = `weight "${printableLine(name)}"`;
    const shape = shapeOf(fields, where);
    const { stored, type, size } = storedAs(fields, where);
    const length = elementCount(shape) * size;
    if (at + length > bytes.length) {
      const message = `needs bytes ${at} to ${at + length} of its shards, which have ${bytes.length}`;
      throw new BonsaiError('truncated-model', where, message, 'copy all shards again');
    }
    // A copy, so that elements are aligned.
    const raw = new Uint8Array(bytes.subarray(at, at + length)).buffer;
    at += length;
    if (type === 'string') continue;
    weights.set(name.replace(/:0$/, ''), { name, shape, data: decoded(raw, stored, type, fields) });
  }
  if (at === bytes.length) return;
  const message = `its shards have ${bytes.length} bytes, its weights ${at}`;
  throw corrupt(group.where, message);
}

function shapeOf(fields: Fields, where: string): Shape {
  const shape = fields.list('shape');
  const isShape = shape.every((extent) => Number.isInteger(extent) && Number(extent) >= 0);
  if (!isShape || !Number.isSafeInteger(elementCount(shape as Shape))) {
    throw corrupt(where, `has the shape ${shown(shape)}`);
  }
  return shape as Shape;
}

const bytesOf: ReadonlyMap<string, number> = new Map([
  ['float32', 4],
  ['int32', 4],
  ['float16', 2],
  ['uint16', 2],
  ['uint8', 1],
  ['bool', 1],
]);

/** The type in the shard, and that of the values. */
function storedAs(fields: Fields, where: string) {
  const type = fields.text('dtype');
  const quantization = fields.raw('quantization');
  const stored =
    quantization === undefined ? type : fieldsOf(quantization, where).text('dtype', type);
  const size = bytesOf.get(stored);
  const isKnown = ['float32', 'int32', 'bool'].includes(type);
  if (size !== undefined && isKnown) return { stored, type, size };
  const message = `has the type ${shown(type)}, stored as ${shown(stored)}, which is not supported`;
  const hint = 'use float32, or quantization to float16, uint16 or uint8';
  throw new BonsaiError('unsupported-type', where, message, hint);
}

/** Quantized weights become q · scale + min (tfjs-core's decodeWeights). */
function decoded(raw: ArrayBuffer, stored: string, type: string, fields: Fields) {
  const values = storedValues(raw, stored);
  const quantization = fields.raw('quantization');
  const isFloat = type === 'float32';
  if (quantization === undefined || stored === 'float16' || stored === 'float32') {
    return isFloat ? Float32Array.from(values) : Int32Array.from(values);
  }
  const given = fieldsOf(quantization, fields.where);
  const [scale, min] = [given.number('scale'), given.number('min')];
  const real = (q: number) => q * scale + min;
  return isFloat
    ? Float32Array.from(values, real)
    : Int32Array.from(values, (q) => Math.round(real(q)));
}

function storedValues(raw: ArrayBuffer, stored: string): Float32Array | Int32Array | Uint8Array {
  switch (stored) {
    case 'float32':
      return new Float32Array(raw);
    case 'int32':
      return new Int32Array(raw);
    case 'float16':
      return Float32Array.from(new Uint16Array(raw), floatOfHalf);
    case 'uint16':
      return Int32Array.from(new Uint16Array(raw));
    default:
      return new Uint8Array(raw);
  }
}
