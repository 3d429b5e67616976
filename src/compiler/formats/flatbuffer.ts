/**
 * FlatBuffers without generated code: the tables of a format are data, and one checked reader
 * decodes them.
 *
 * A model file may come from anywhere, so every position, length and table header is checked before
 * it is used. In a hostile file all vectors may point at the same bytes; a budget proportional to
 * the file's length keeps time and memory linear.
 * Source: the FlatBuffers internals document (offsets, vtables, vectors; all little-endian).
 */
import { BonsaiError } from '../../errors.js';

const scalars = {
  bool: { bytes: 1, read: (view: DataView, at: number) => view.getUint8(at) },
  int8: { bytes: 1, read: (view: DataView, at: number) => view.getInt8(at) },
  uint8: { bytes: 1, read: (view: DataView, at: number) => view.getUint8(at) },
  int32: { bytes: 4, read: (view: DataView, at: number) => view.getInt32(at, true) },
  uint32: { bytes: 4, read: (view: DataView, at: number) => view.getUint32(at, true) },
  float32: { bytes: 4, read: (view: DataView, at: number) => view.getFloat32(at, true) },
  // Inexact beyond 2^53. No field allows values that large, and range checks still refuse them.
  int64: { bytes: 8, read: (view: DataView, at: number) => Number(view.getBigInt64(at, true)) },
  uint64: { bytes: 8, read: (view: DataView, at: number) => Number(view.getBigUint64(at, true)) },
} as const;

export type Scalar = keyof typeof scalars;

/** A field of a table: its slot in the vtable and its kind. */
export type Field =
  | {
      readonly slot: number;
      readonly kind: 'scalar';
      readonly of: Scalar;
      readonly default: number;
    }
  | { readonly slot: number; readonly kind: 'flag' }
  | { readonly slot: number; readonly kind: 'string' }
  | { readonly slot: number; readonly kind: 'numbers'; readonly of: Scalar }
  | { readonly slot: number; readonly kind: 'bytes'; readonly align: number }
  | { readonly slot: number; readonly kind: 'table'; readonly fields: Fields }
  | { readonly slot: number; readonly kind: 'tables'; readonly fields: Fields }
  | { readonly slot: number; readonly kind: 'union' };

/** A table type. Slots of the published schema that bonsaic does not read are left out. */
export type Fields = Readonly<Record<string, Field>>;

/** The types of fields without tables. */
export interface PlainTypes {
  readonly scalar: number;
  readonly flag: boolean;
  readonly string: string;
  readonly numbers: readonly number[];
  readonly bytes: Uint8Array;
}

/** The decoded type of a field; an absent vector or string decodes as empty. */
type Value<F extends Field> = F extends { kind: infer K extends keyof PlainTypes }
  ? PlainTypes[K]
  : F extends { kind: 'table'; fields: infer T extends Fields }
    ? Decoded<T> | null
    : F extends { kind: 'tables'; fields: infer T extends Fields }
      ? readonly Decoded<T>[]
      : FlatTable | null;

export type Decoded<T extends Fields> = { readonly [K in keyof T]: Value<T[K]> };

// Constructors of fields, for the tables of a format.
export const scalar = (slot: number, of: Scalar, fallback = 0) =>
  ({ slot, kind: 'scalar', of, default: fallback }) as const;
export const int32 = (slot: number, fallback = 0) => scalar(slot, 'int32', fallback);
export const flag = (slot: number) => ({ slot, kind: 'flag' }) as const;
export const string = (slot: number) => ({ slot, kind: 'string' }) as const;
export const numbers = (slot: number, of: Scalar) => ({ slot, kind: 'numbers', of }) as const;
export const bytes = (slot: number, align = 1) => ({ slot, kind: 'bytes', align }) as const;
export const table = <T extends Fields>(slot: number, fields: T) =>
  ({ slot, kind: 'table', fields }) as const;
export const tables = <T extends Fields>(slot: number, fields: T) =>
  ({ slot, kind: 'tables', fields }) as const;
/** A table whose type is in another field; decoded later, with `decode`. */
export const union = (slot: number) => ({ slot, kind: 'union' }) as const;

/** A file being read. */
export interface SourceFile {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** For errors: the file's path. */
  readonly where: string;
  /** Bytes that may still be decoded or copied before the file counts as hostile. */
  budget: number;
}

/** A table found in the file, its vtable checked. */
export interface FlatTable {
  readonly source: SourceFile;
  readonly position: number;
  readonly bytes: number;
  readonly vtable: number;
  readonly slots: number;
}

/** How often a valid file may refer to the same bytes, on average: writers share short vectors. */
const sharing = 8;
/** The least budget that a decoded object takes, in bytes. */
const objectCost = 64;

export function openSource(file: Uint8Array, where: string): SourceFile {
  return {
    bytes: file,
    view: new DataView(file.buffer, file.byteOffset, file.byteLength),
    where,
    budget: sharing * file.byteLength + 65536,
  };
}

/** The four characters at bytes 4 to 7 that identify the format; '' for a shorter file. */
export function fileIdentifier(file: Uint8Array): string {
  return String.fromCharCode(...file.subarray(4, 8));
}

export function rootTable(source: SourceFile): FlatTable {
  return tableAt(source, follow(source, 0));
}

/**
 * Takes `count` bytes of work off the budget.
 * @throws BonsaiError 'corrupt-model' when the decoded data far exceeds the file
 */
export function spend(source: SourceFile, count: number): void {
  source.budget -= count;
  if (source.budget < 0) {
    throw corrupt(source, 'its parts overlap: it describes far more data than it contains');
  }
}

export function corrupt(source: SourceFile, message: string): BonsaiError {
  return new BonsaiError('corrupt-model', source.where, message, damaged);
}

const damaged = 'the file is cut short or damaged: copy it again, or convert the model again';

function need(source: SourceFile, start: number, count: number): void {
  if (start < 0) throw corrupt(source, `an offset leads to byte ${start}, before its beginning`);
  if (start + count > source.bytes.length) {
    throw new BonsaiError(
      'truncated-model',
      source.where,
      `refers to byte ${start + count - 1}, but ends after ${source.bytes.length} bytes`,
      damaged,
    );
  }
}

function uint32At(source: SourceFile, position: number): number {
  need(source, position, 4);
  return source.view.getUint32(position, true);
}

/** The target of the offset at `position`. */
function follow(source: SourceFile, position: number): number {
  const target = position + uint32At(source, position);
  need(source, target, 4);
  return target;
}

function tableAt(source: SourceFile, position: number): FlatTable {
  need(source, position, 4);
  const vtable = position - source.view.getInt32(position, true);
  need(source, vtable, 4);
  const vtableBytes = source.view.getUint16(vtable, true);
  const size = source.view.getUint16(vtable + 2, true);
  if (vtableBytes < 4 || vtableBytes % 2 !== 0 || size < 4) {
    throw corrupt(source, `the table at byte ${position} has no valid header`);
  }
  need(source, vtable, vtableBytes);
  need(source, position, size);
  spend(source, objectCost + size);
  return { source, position, bytes: size, vtable, slots: (vtableBytes - 4) / 2 };
}

/** Position of a field's value; null when the field is absent. */
function fieldAt(table: FlatTable, slot: number, width: number): number | null {
  if (slot >= table.slots) return null;
  const offset = table.source.view.getUint16(table.vtable + 4 + 2 * slot, true);
  if (offset === 0) return null;
  if (offset + width > table.bytes) {
    throw corrupt(table.source, `a field of the table at byte ${table.position} lies outside it`);
  }
  return table.position + offset;
}

/** First element and count of the vector that a field refers to; empty when the field is absent. */
function vectorAt(
  table: FlatTable,
  slot: number,
  width: number,
): readonly [start: number, n: number] {
  const field = fieldAt(table, slot, 4);
  if (field === null) return [0, 0];
  const start = follow(table.source, field);
  const count = uint32At(table.source, start);
  need(table.source, start + 4, count * width);
  return [start + 4, count];
}

const utf8 = new TextDecoder();

function readField(table: FlatTable, field: Field): unknown {
  const { source } = table;
  switch (field.kind) {
    case 'scalar': {
      const { bytes: width, read } = scalars[field.of];
      const at = fieldAt(table, field.slot, width);
      return at === null ? field.default : read(source.view, at);
    }
    case 'flag': {
      const at = fieldAt(table, field.slot, 1);
      return at !== null && source.view.getUint8(at) !== 0;
    }
    case 'string': {
      const [start, count] = vectorAt(table, field.slot, 1);
      spend(source, count);
      return utf8.decode(source.bytes.subarray(start, start + count));
    }
    case 'numbers': {
      const { bytes: width, read } = scalars[field.of];
      const [start, count] = vectorAt(table, field.slot, width);
      spend(source, count * width);
      return Array.from({ length: count }, (_, i) => read(source.view, start + i * width));
    }
    case 'bytes': {
      const [start, count] = vectorAt(table, field.slot, 1);
      return source.bytes.subarray(start, start + count);
    }
    case 'table': {
      const at = fieldAt(table, field.slot, 4);
      return at === null ? null : decode(tableAt(source, follow(source, at)), field.fields);
    }
    case 'tables': {
      const [start, count] = vectorAt(table, field.slot, 4);
      // Before the allocation, so that a count in the millions is refused here.
      spend(source, count * 4);
      return Array.from({ length: count }, (_, i) =>
        decode(tableAt(source, follow(source, start + 4 * i)), field.fields),
      );
    }
    case 'union': {
      const at = fieldAt(table, field.slot, 4);
      return at === null ? null : tableAt(source, follow(source, at));
    }
  }
}

/**
 * The fields of a table, nested tables included. The depth is that of `fields`, so decoding also
 * ends for a file whose tables refer to themselves.
 *
 * @throws BonsaiError 'truncated-model' or 'corrupt-model'
 */
export function decode<T extends Fields>(table: FlatTable, fields: T): Decoded<T> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, readField(table, field)]),
  ) as Decoded<T>;
}

/** A table with every field at its default, for one that is absent in the file. */
export function defaults<T extends Fields>(fields: T): Decoded<T> {
  const nothing = new Uint8Array(4);
  const source = openSource(nothing, '');
  return decode({ source, position: 0, bytes: 4, vtable: 0, slots: 0 }, fields);
}
