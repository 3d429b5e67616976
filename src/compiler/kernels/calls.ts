/** Calls of kernels: which calls share a function, and the bytes of their constants. */
import { isSame } from '../../bytes.js';
import { rawBytes } from '../ir/graph.js';
import type { Optimize } from '../ir/op.js';
import type {
  CallBytes,
  CallOutline,
  Kernel,
  KernelCall,
  MatchedKernel,
  Routine,
  Table,
} from './variant.js';
import { once } from './variant.js';

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

/**
 * The kernel that `match` gives, without what it lays out: that is let go when its work and the outlines of
 * its calls are known, and made again for the kernels that a plan takes.
 */
export function matched(
  template: string,
  optimize: Optimize,
  match: () => Kernel | null,
): MatchedKernel | null {
  const first = match();
  if (first === null) return null;
  const { work: _, calls: __, ...rest } = first;
  const learn = (kernel: Kernel) => {
    const outlineOf = (call: KernelCall): CallOutline => ({
      bytes: callBytes(call),
      functionKey: functionKey(template, call, optimize),
    });
    return { work: kernel.work(), outlines: kernel.calls().map(outlineOf) };
  };
  const again = () => match() as Kernel;
  // One that is refused is asked for by its name alone.
  const known = rest.refusal === undefined ? learn(first) : null;
  const learned = once(() => known ?? learn(again()));
  return {
    ...rest,
    work: () => learned().work,
    outlines: () => learned().outlines,
    calls: () => again().calls(),
  };
}
