/** Calls of kernels: which calls share a function, and the bytes of their constants. */
import { isSame } from '../../../bytes.js';
import { rawBytes } from '../../ir/graph.js';
import type { Facts, Optimize, TargetTraits } from '../../ir/op.js';
import type { KernelCall, KernelContext, Routine, Table } from '../../kernels/variant.js';
import type { CompileOptions } from '../types.js';

/** What the kernels of a plan may know. Flash without misses has no regions. */
export function kernelContext(
  facts: Facts,
  target: TargetTraits,
  { optimize, xip }: Pick<CompileOptions, 'optimize' | 'xip'>,
): KernelContext {
  const { regions, ...flat } = target;
  const hasRegions = xip !== 'ideal' && regions !== undefined;
  return { facts, target: hasRegions ? target : flat, optimize };
}

/**
 * Calls with the same key call one C function. For speed every distinct shape has its own, with all
 * numbers constant in it.
 */
export function functionKey(template: string, call: KernelCall, optimize: Optimize): string {
  const sorted = (record: Readonly<Record<string, unknown>>) => Object.entries(record).sort();
  const numbers = optimize === 'speed' ? sorted(call.numbers) : [];
  const types = call.types === undefined ? [] : [sorted(call.types)];
  const expressions = call.expressions === undefined ? [] : [sorted(call.expressions)];
  const words = sorted(call.words ?? {});
  return JSON.stringify([template, sorted(call.flags), numbers, ...types, ...expressions, words]);
}

/** Bytes of a call's constants. */
export interface CallBytes {
  /** Weights, as tables or as code. */
  readonly weights: number;
  /** Biases, multipliers, look-up tables. */
  readonly tables: number;
}

export function callBytes({ tables, routines = {} }: KernelCall): CallBytes {
  const of = (wanted: 'weights' | 'table') =>
    Object.values(tables).reduce(
      (sum, { role, data }) => sum + (role === wanted ? data.byteLength : 0),
      0,
    );
  const code = Object.values(routines).reduce((sum, { bytes }) => sum + bytes, 0);
  return { weights: of('weights') + code, tables: of('table') };
}

/**
 * The constants of `call` that `other` does not have under the same name. Equal constants are
 * emitted once.
 */
export function withoutShared(call: KernelCall, other: KernelCall): KernelCall {
  const isSameTable = (name: string, table: Table) => {
    const twin = other.tables[name];
    return twin !== undefined && isSame(rawBytes(table.data), rawBytes(twin.data));
  };
  const isSameRoutine = (name: string, routine: Routine) =>
    routine.text('') === other.routines?.[name]?.text('');
  const { tables, routines = {} } = call;
  return {
    ...call,
    tables: Object.fromEntries(Object.entries(tables).filter(([k, v]) => !isSameTable(k, v))),
    routines: Object.fromEntries(Object.entries(routines).filter(([k, v]) => !isSameRoutine(k, v))),
  };
}
