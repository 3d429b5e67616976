/** Fields of JSON, each checked as it is read. */
import { BonsaiError } from '../../../errors.js';
import { printableLine } from '../../../printable.js';

export const convertAgain = 'save or convert the model again';

export interface Fields {
  /** For errors. */
  readonly where: string;
  /** undefined where the field is absent or null. */
  raw(name: string): unknown;
  number(name: string, otherwise?: number): number;
  boolean(name: string, otherwise: boolean): boolean;
  text(name: string, otherwise?: string): string;
  /** A list; [] where it is absent. */
  list(name: string): readonly unknown[];
  /** An integer for both axes, or one for each. */
  pair(name: string, otherwise?: number): readonly [number, number];
}

export function corrupt(where: string, message: string): BonsaiError {
  return new BonsaiError('corrupt-model', where, message, convertAgain);
}

export function unsupported(where: string, message: string, hint: string): BonsaiError {
  return new BonsaiError('unsupported-attribute', where, message, hint);
}

/** @throws BonsaiError 'corrupt-model' unless `value` is an object */
export function fieldsOf(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw corrupt(where, `holds ${shown(value)} where an object belongs`);
  }
  const entries = new Map<string, unknown>(Object.entries(value));
  const raw = (name: string): unknown => entries.get(name) ?? undefined;
  const wrong = (name: string) => corrupt(where, `its ${name} is ${shown(raw(name))}`);
  const number = (name: string, otherwise?: number): number => {
    const found = raw(name) ?? otherwise;
    if (typeof found !== 'number' || !Number.isFinite(found)) throw wrong(name);
    return found;
  };
  return {
    where,
    raw,
    number,
    boolean(name, otherwise) {
      const found = raw(name) ?? otherwise;
      if (typeof found !== 'boolean') throw wrong(name);
      return found;
    },
    text(name, otherwise) {
      const found = raw(name) ?? otherwise;
      if (typeof found !== 'string') throw wrong(name);
      return found;
    },
    list(name) {
      const found = raw(name) ?? [];
      if (!Array.isArray(found)) throw wrong(name);
      return found;
    },
    pair(name, otherwise) {
      const found = raw(name);
      if (!Array.isArray(found)) return [number(name, otherwise), number(name, otherwise)];
      const [first, second = first] = found as unknown[];
      const both = [first, second].every((extent) => Number.isInteger(extent));
      if (!both || found.length > 2 || found.length === 0) throw wrong(name);
      return [first as number, second as number];
    },
  };
}

/** A value of a file, short enough for a message. */
export function shown(value: unknown): string {
  return printableLine(value === undefined ? 'nothing' : JSON.stringify(value), 60);
}
