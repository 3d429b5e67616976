/**
 * Kernel functions: calls of one template with the same flags share one C function.
 *
 * Numbers and tables that are equal in all calls are constants in the function's text. Those that
 * differ are fields of `const struct <function>_args`, one struct per call.
 */
import { InternalError } from '../../errors.js';
import { cNames } from '../ir/c-names.js';
import { functionKey } from '../kernels/calls.js';
import type { Flags, KernelCall, Table } from '../kernels/variant.js';
import type { Optimize } from '../plan/types.js';
import { ctypeBytes, ctypeOf, inC, integer, narrowest, wrap } from './c.js';
import { expressionText } from './expression.js';
import type { Composition, TemplateValue } from './templates.js';

/** One call of a kernel, with its tables placed. */
export interface PlacedCall {
  /** Index of the step. */
  readonly step: number;
  /** The variant's template, which names its functions. */
  readonly template: string;
  /** The text below templates/kernels. */
  readonly file: string;
  readonly call: KernelCall;
  /** Symbol of each table and routine of the call. */
  readonly symbols: Readonly<Record<string, string>>;
  /** The tensors' type in the name of the function: 's8'. */
  readonly type: string;
  /** Symbol of the call's descriptor, if it needs one. */
  readonly argsSymbol: string;
}

export interface KernelFunction {
  readonly name: string;
  /** C text: the descriptor's struct, if any, and the function. */
  readonly text: string;
  /** Definitions of the descriptors. */
  readonly descriptors: readonly string[];
  readonly calls: readonly PlacedCall[];
  readonly hasDescriptor: boolean;
}

/** Groups calls into functions, in the order of first use. `composition` collects their helpers. */
export function kernelFunctions(
  calls: readonly PlacedCall[],
  optimize: Optimize,
  composition: Composition,
): readonly KernelFunction[] {
  const groups = new Map<string, PlacedCall[]>();
  for (const call of calls) {
    const key = functionKey(call.template, call.call, optimize);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [call]);
    else group.push(call);
  }
  const all = [...groups.values()];
  const names = functionNames(all);
  return all.map((group, i) => kernelFunction(names[i] as string, group, composition));
}

/**
 * 'portable/conv2d' of int8 becomes conv2d_s8. Functions of one template are distinguished by the flags in
 * which they differ, then by the first step that calls them.
 */
function functionNames(groups: readonly PlacedCall[][]): readonly string[] {
  const firsts = groups.map((group) => group[0] as PlacedCall);
  const plain = firsts.map(({ template, call, type }) => {
    const [isa = '', ...path] = template.split('/');
    const siblings = firsts.filter((other) => other.template === template);
    const telling = toldBy(call.flags).filter((word) =>
      siblings.some((other) => !toldBy(other.call.flags).includes(word)),
    );
    return [...path, type, ...(isa === 'portable' ? [] : [isa]), ...telling].join('_');
  });
  const named = plain.map((name, i) =>
    plain.indexOf(name) === plain.lastIndexOf(name) ? name : `${name}_${firsts[i]?.step}`,
  );
  // A step may call several functions of one template.
  return cNames(named, 'kernel');
}

/** What flags say in a name: 'dilated', and 'single_rounding' of the rounding 'single'. */
function toldBy(flags: Flags): readonly string[] {
  const words = Object.entries(flags).map(([name, value]) => {
    if (typeof value === 'string') return value === '' ? '' : `${value}_${name}`;
    return value ? name : '';
  });
  return words.filter((word) => word !== '').sort();
}

interface Field {
  readonly name: string;
  /** As a field of a struct: 'const int8_t *weights'. */
  readonly declaration: string;
  /** Alignment. Fields are sorted from the widest to the narrowest, so the struct has no holes. */
  readonly bytes: number;
  value(call: PlacedCall): string;
}

function kernelFunction(
  name: string,
  calls: readonly PlacedCall[],
  composition: Composition,
): KernelFunction {
  const [first] = calls;
  if (first === undefined) throw new InternalError('codegen', `kernel ${name} has no calls`);
  const fields: Field[] = [];
  const types = Object.entries(first.call.types ?? {}).map(([key, type]) => [key, inC(type)]);
  const expressions = Object.entries(first.call.expressions ?? {}).map(
    ([key, { of, isWhole }]) =>
      [key, { ...expressionText(of, { isWhole, use: (path) => composition.use(path) }) }] as const,
  );
  const context: Record<string, TemplateValue> = {
    ...{ name, ...first.call.flags, ...first.call.words },
    ...Object.fromEntries([...types, ...expressions]),
  };
  /** The text for one number or table in the function. */
  const settle = (parameter: string, values: readonly string[], field: () => Field) => {
    if (parameter in context) {
      throw new InternalError('codegen', `${first.template} has two parameters "${parameter}"`);
    }
    const same = values.every((value) => value === values[0]);
    context[parameter] = same ? (values[0] as string) : `args->${parameter}`;
    if (!same) fields.push(field());
  };
  for (const parameter of namesOf(calls, (call) => call.symbols)) {
    const symbol = (call: PlacedCall) => call.symbols[parameter] as string;
    const isRoutine = first.call.routines?.[parameter] !== undefined;
    settle(parameter, calls.map(symbol), () => ({
      name: parameter,
      declaration: isRoutine
        ? `void (*${parameter})(const void *, void *, const void *)`
        : `const ${elementType(calls, parameter)} *${parameter}`,
      bytes: 8,
      value: symbol,
    }));
  }
  for (const parameter of namesOf(calls, (call) => call.call.numbers)) {
    const number = (call: PlacedCall) => call.call.numbers[parameter] as number;
    settle(
      parameter,
      calls.map((call) => integer(number(call))),
      () => {
        const type = narrowest(calls.map(number));
        return {
          name: parameter,
          declaration: `${type} ${parameter}`,
          bytes: ctypeBytes[type],
          value: (call) => integer(number(call)),
        };
      },
    );
  }
  Object.assign(context, operandTexts(first.call, context));
  fields.sort((a, b) => b.bytes - a.bytes);
  const hasDescriptor = fields.length > 0;
  context.descriptor = hasDescriptor ? `, const struct ${name}_args *restrict args` : '';
  const struct = fields.map(({ declaration }) => `    ${declaration};\n`).join('');
  const text = composition.render(`kernels/${first.file}`, context).trimEnd();
  return {
    name,
    text: hasDescriptor ? `struct ${name}_args {\n${struct}};\n\n${text}\n` : `${text}\n`,
    descriptors: hasDescriptor ? calls.map((call) => descriptor(name, fields, call)) : [],
    calls,
    hasDescriptor,
  };
}

/** Operands that are parameters, each with a comma behind it, and definitions of the constant ones. */
function operandTexts({ operands = {} }: KernelCall, context: Record<string, TemplateValue>) {
  const all = Object.entries(operands).map(([name, type]) => ({
    pointer: `const ${inC(type)} *${name}`,
    table: context[`${name}_data`],
  }));
  return {
    operands: all.flatMap(({ pointer, table }) => (table ? [] : [`${pointer}, `])).join(''),
    constants: all.flatMap(({ pointer, table }) => (table ? [`${pointer} = ${table};`] : [])),
  };
}

function descriptor(name: string, fields: readonly Field[], call: PlacedCall): string {
  const values = fields.map((field) => `.${field.name} = ${field.value(call)},`);
  const words = ['static const', `struct ${name}_args`, call.argsSymbol, 'BONSAI_FLASH = {'];
  return `${wrap(words, 100, '    ').trimStart()}\n${wrap(values, 100, '    ')}\n};\n`;
}

/** Names of one kind of parameter. All calls of a function must have the same names. */
function namesOf(
  calls: readonly PlacedCall[],
  parameters: (call: PlacedCall) => Readonly<Record<string, unknown>>,
): readonly string[] {
  const lists = calls.map((call) => Object.keys(parameters(call)).sort().join(' '));
  const other = lists.findIndex((list) => list !== lists[0]);
  if (other >= 0) {
    const why = `calls with the same flags differ: ${lists[0]} | ${lists[other]}`;
    throw new InternalError('codegen', `${calls[0]?.template}: ${why}`);
  }
  return Object.keys(parameters(calls[0] as PlacedCall));
}

function elementType(calls: readonly PlacedCall[], parameter: string): string {
  const types = new Set(calls.map((call) => ctypeOf((call.call.tables[parameter] as Table).data)));
  if (types.size > 1) {
    const why = `table "${parameter}" is ${[...types].join(' and ')} in calls with the same flags`;
    throw new InternalError('codegen', `${calls[0]?.template}: ${why}`);
  }
  return [...types][0] as string;
}
