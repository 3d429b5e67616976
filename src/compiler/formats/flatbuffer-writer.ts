/** The inverse of flatbuffer.ts: values of a format's tables → bytes. */
import { Builder, type Offset } from 'flatbuffers';
import type { Field, Fields, PlainTypes, Scalar } from './flatbuffer.js';

/** A table with its type, for a field whose type is in another field. */
export interface Union {
  readonly fields: Fields;
  readonly values: Readonly<Record<string, unknown>>;
}

type Written<F extends Field> = F extends { kind: infer K extends keyof PlainTypes }
  ? PlainTypes[K]
  : F extends { kind: 'table'; fields: infer T extends Fields }
    ? Encodable<T>
    : F extends { kind: 'tables'; fields: infer T extends Fields }
      ? readonly Encodable<T>[]
      : Union;

/** Values of a table's fields; a field left out is absent in the file. */
export type Encodable<T extends Fields> = {
  readonly [K in keyof T]?: Written<T[K]> | undefined;
};

/**
 * A file with one root table.
 *
 * @param sizeHint estimated size in bytes, so that the buffer need not grow
 */
export function encode<T extends Fields>(
  fields: T,
  values: Encodable<T>,
  identifier: string,
  sizeHint: number,
): Uint8Array {
  const builder = new Builder(sizeHint);
  builder.finish(writeTable(builder, fields, values), identifier);
  return builder.asUint8Array();
}

function writeTable(
  builder: Builder,
  fields: Fields,
  values: Readonly<Record<string, unknown>>,
): Offset {
  const present = Object.entries(fields).filter(([name]) => values[name] !== undefined);
  // A table's parts must be complete before the table begins.
  const parts = present.map(([name, field]) => [field, writePart(builder, field, values[name])]);
  builder.startObject(Math.max(-1, ...Object.values(fields).map(({ slot }) => slot)) + 1);
  for (const [field, part] of parts as [Field, unknown][]) addField(builder, field, part);
  return builder.endObject();
}

/** The offset of a value outside its table; the value itself if it lies inside. */
function writePart(builder: Builder, field: Field, value: unknown): unknown {
  switch (field.kind) {
    case 'scalar':
    case 'flag':
      return value;
    case 'string':
      return builder.createString(value as string);
    case 'numbers': {
      const list = value as readonly number[];
      const { bytes, add } = elements[field.of];
      builder.startVector(bytes, list.length, bytes);
      for (const element of list.toReversed()) add(builder, element);
      return builder.endVector();
    }
    case 'bytes': {
      const bytes = value as Uint8Array;
      builder.prep(field.align, bytes.length);
      return builder.createByteVector(bytes);
    }
    case 'table':
      return writeTable(builder, field.fields, value as Encodable<Fields>);
    case 'tables': {
      const offsets = (value as readonly Encodable<Fields>[]).map((table) =>
        writeTable(builder, field.fields, table),
      );
      builder.startVector(4, offsets.length, 4);
      for (const offset of offsets.toReversed()) builder.addOffset(offset);
      return builder.endVector();
    }
    case 'union': {
      const { fields, values } = value as Union;
      return writeTable(builder, fields, values);
    }
  }
}

function addField(builder: Builder, field: Field, part: unknown): void {
  if (field.kind === 'flag') {
    builder.addFieldInt8(field.slot, part === true ? 1 : 0, 0);
  } else if (field.kind === 'scalar') {
    addScalar(builder, field, part as number);
  } else {
    builder.addFieldOffset(field.slot, part as Offset, 0);
  }
}

function addScalar(builder: Builder, field: Field & { kind: 'scalar' }, value: number): void {
  const { slot, default: absent } = field;
  switch (field.of) {
    case 'bool':
    case 'int8':
    case 'uint8':
      builder.addFieldInt8(slot, value, absent);
      break;
    case 'int32':
    case 'uint32':
      builder.addFieldInt32(slot, value, absent);
      break;
    case 'float32':
      builder.addFieldFloat32(slot, value, absent);
      break;
    case 'int64':
    case 'uint64':
      builder.addFieldInt64(slot, BigInt(value), BigInt(absent));
      break;
  }
}

type Add = (builder: Builder, value: number) => void;
const addInt8: Add = (builder, value) => builder.addInt8(value);
const addInt32: Add = (builder, value) => builder.addInt32(value);
const addInt64: Add = (builder, value) => builder.addInt64(BigInt(value));

const elements: Readonly<Record<Scalar, { readonly bytes: number; readonly add: Add }>> = {
  bool: { bytes: 1, add: addInt8 },
  int8: { bytes: 1, add: addInt8 },
  uint8: { bytes: 1, add: addInt8 },
  int32: { bytes: 4, add: addInt32 },
  uint32: { bytes: 4, add: addInt32 },
  float32: { bytes: 4, add: (builder, value) => builder.addFloat32(value) },
  int64: { bytes: 8, add: addInt64 },
  uint64: { bytes: 8, add: addInt64 },
};
