/** Where the scalars of a .tflite file lie: shapes, indices, strides, scales, zero points, sizes. */
import type { Field, Fields } from '../../src/compiler/formats/flatbuffer.js';
import { operatorName, readModel } from '../../src/compiler/formats/tflite/read.js';
import { modelFields } from '../../src/compiler/formats/tflite/schema.js';
import { optionsOf } from './options.js';

export interface Place {
  readonly at: number;
  readonly bytes: number;
  readonly isFloat: boolean;
}

const widths: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
};

/** Of a valid file. Elements of buffers are left out; of a long vector the first 64 count. */
export function scalarsOf(file: Uint8Array): readonly Place[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const places: Place[] = [];
  const take = (at: number, of: string) => {
    const bytes = widths[of] as number;
    if (at + bytes <= file.length) places.push({ at, bytes, isFloat: of === 'float32' });
  };
  const follow = (at: number) => at + view.getUint32(at, true);
  const visit = (table: number, fields: Fields, options: Fields | null) => {
    for (const field of Object.values(fields)) {
      const at = fieldAt(view, table, field.slot);
      if (at !== null) visitField(at, field, options);
    }
  };
  const visitField = (at: number, field: Field, options: Fields | null) => {
    if (field.kind === 'scalar') return take(at, field.of);
    if (field.kind === 'flag') return take(at, 'uint8');
    const start = follow(at);
    if (field.kind === 'table') return visit(start, field.fields, null);
    if (field.kind === 'union') return options === null ? undefined : visit(start, options, null);
    const count = Math.min(view.getUint32(start, true), 64);
    take(start, 'uint32');
    for (let i = 0; i < count; i++) {
      if (field.kind === 'numbers') take(start + 4 + i * (widths[field.of] as number), field.of);
      if (field.kind === 'tables') visit(follow(start + 4 + 4 * i), field.fields, null);
    }
  };
  visit(follow(0), modelFields, null);
  const raw = readModel(file, 'model');
  for (const subgraph of raw.subgraphs) {
    for (const operator of subgraph.operators) {
      const fields = optionsOf(operatorName(raw, operator));
      const { builtinOptions } = operator;
      if (builtinOptions !== null) visit(builtinOptions.position, fields, null);
    }
  }
  return places;
}

function fieldAt(view: DataView, table: number, slot: number): number | null {
  const vtable = table - view.getInt32(table, true);
  if (4 + 2 * slot + 2 > view.getUint16(vtable, true)) return null;
  const offset = view.getUint16(vtable + 4 + 2 * slot, true);
  return offset === 0 ? null : table + offset;
}
