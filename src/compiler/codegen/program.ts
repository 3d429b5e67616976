/** The model's own C: <model>.h and <model>.c. */

import { sha256 } from '../../bytes.js';
import { BonsaiError, InternalError } from '../../errors.js';
import {
  at,
  dtypes,
  type Graph,
  type Module,
  mainGraph,
  type NodeView,
  rawBytes,
  statesOf,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import type { KernelCall, Table, VariantTraits } from '../kernels/variant.js';
import { aligned } from '../plan/arena/arena.js';
import { sectionSteps } from '../plan/arena/lifetimes.js';
import type { Planned } from '../plan/index.js';
import { type Implementation, type Part, scratchOffsets } from '../plan/schedule/parts.js';
import { type Move, noKernel, type Plan, type PlanStep } from '../plan/types.js';
import { inC, integer, offset, wrap } from './c.js';
import { describeChoice, describeStep } from './describe.js';
import { format } from './format.js';
import { interfaceContext, type ProgramOptions } from './interface.js';
import { type KernelFunction, kernelFunctions, type PlacedCall } from './kernels.js';
import type { Span, TableInfo } from './manifest.js';
import { type Places, placeOf, placesOf, spansOf, stateMemory } from './places.js';
import { TablePool } from './tables.js';
import { Composition, type Context, type Templates } from './templates.js';
import { twinsText } from './twins.js';

export interface Program {
  /** Text of <model>.h. */
  readonly header: string;
  /** Text of <model>.c. */
  readonly source: string;
  /** Text of <model>_weights.S: weights as code; null if there are none. */
  readonly routines: string | null;
  /** Text of <model>_weights.c: the same computations in C. */
  twins(): string | null;
  readonly tables: readonly TableInfo[];
  readonly spans: readonly Span[];
  /** First 4 bytes of the SHA-256 over `source` and `routines`, 8 hex digits. */
  readonly tag: string;
}

/**
 * The C of a planned module. The same input gives the same bytes.
 *
 * @throws InternalError if a tensor of the plan has no place, or if a step has another kernel
 */
export function emitProgram(
  module: Module,
  { plan, implementations }: Planned,
  templates: Templates,
  options: ProgramOptions = {},
): Program {
  const graph = mainGraph(module);
  const pool = new TablePool();
  const places = placesOf(plan);
  const placed = plan.steps.map((step, i) =>
    placeStep(module.name, graph, step, implementations[i] ?? null, pool),
  );
  const composition = new Composition(templates);
  const functions = kernelFunctions(
    placed.flatMap(({ parts }) => parts.flatMap(({ calls }) => calls)),
    plan.options.optimize,
    composition,
  );
  // Pointers are resolved before the tables are printed, since a constant operand is a table too.
  const texts = placed.map((step) => stepText(module.name, graph, step, functions, places, pool));
  const cases = texts.map(({ label }) => label);
  const halves = texts.flatMap((text) => text.halves);
  const resets = resetStatements(module.name, graph, plan, pool);
  const kernels = functions.map(({ text }) => text);
  const code = [...composition.helpers, ...kernels].map(format);
  const routines = pool.routines();
  const sections = [
    pool.declarations(),
    ...code,
    ...functions.flatMap(({ descriptors }) => descriptors),
    ...halves.map(format),
  ];
  const names = interfaceContext(module, plan, options);
  const source = templates.render('project/model.c', {
    ...names,
    uses_string:
      composition.usesString || resets.length > 0 || plan.steps.some(({ move }) => move !== null),
    uses_sram: pool.infos.some(({ region }) => region === 'sram'),
    body: paragraphs(sections),
    tables: paragraphs(pool.definitions()),
    has_steps: plan.steps.length > 0,
    has_halves: halves.length > 0,
    ...jumpsOf(graph, plan, places),
    cases: format(cases.join('\n')),
    resets,
  });
  const assembler =
    routines.length === 0
      ? null
      : templates.render('project/weights.S', {
          ...names,
          thumb: routines.some(({ isa }) => isa === 'thumb'),
          body: routines.map(({ text }) => text).join('\n'),
        });
  return {
    header: format(templates.render('project/model.h', names)),
    source,
    routines: assembler,
    twins: () => (routines.length === 0 ? null : twinsText(templates, module.name, routines)),
    tables: pool.infos,
    spans: spansOf(graph, plan, places),
    tag: sha256(source, assembler ?? '').slice(0, 8),
  };
}

/** The non-empty texts, each after an empty line. */
function paragraphs(texts: readonly string[]): string {
  return texts.flatMap((text) => (text === '' ? [] : [`\n${text}`])).join('');
}

interface PlacedStep {
  readonly step: PlanStep;
  readonly symbol: string;
  readonly view: NodeView;
  /** One part, or two halves; none if the output already lies in the input's memory. */
  readonly parts: readonly PlacedPart[];
}

interface PlacedPart extends Part {
  readonly calls: readonly PlacedCall[];
  /** Offset of its scratch in the step's scratch; null if it has none. */
  readonly scratchOffset: number | null;
}

function placeStep(
  model: string,
  graph: Graph,
  step: PlanStep,
  implementation: Implementation | null,
  pool: TablePool,
): PlacedStep {
  const node = graph.nodes[step.node];
  if (node === undefined) throw new InternalError('codegen', `step ${step.index} has no node`);
  const view = viewOf(graph, node);
  const symbol = `${node.op}_${step.index}`;
  if (step.kernel !== (implementation?.variant.template ?? noKernel)) {
    throw new InternalError('codegen', `step ${step.index} has another kernel than its plan`);
  }
  if (implementation === null) return { step, symbol, view, parts: [] };
  const { variant, parts } = implementation;
  const scratches = scratchOffsets(parts);
  return {
    step,
    symbol,
    view,
    parts: parts.map((part, i) => ({
      ...part,
      calls: placeCalls(`${model}_${symbol}`, step, variant, part, i > 0 ? '_second' : '', pool),
      scratchOffset: scratches[i] ?? null,
    })),
  };
}

/** @throws BonsaiError 'too-large' for a stride or an extent that C's int32 does not hold */
function requireInt32(numbers: KernelCall['numbers'], where: string): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (value === (value | 0)) continue;
    const message = `takes ${value} as ${name.replaceAll('_', ' ')}, beyond 32 bits`;
    throw new BonsaiError('too-large', where, message, 'use smaller extents and strides');
  }
}

/** Equal constants of both halves are emitted once, under the first half's names. */
function placeCalls(
  prefix: string,
  step: PlanStep,
  { template, text = template, file = text }: VariantTraits,
  { kernel, view }: Part,
  suffix: string,
  pool: TablePool,
): readonly PlacedCall[] {
  const all = kernel.calls();
  for (const { numbers } of all) requireInt32(numbers, at(view.node));
  return all.map((call, position): PlacedCall => {
    const base = `${prefix}${suffix}${all.length > 1 ? `_${position}` : ''}`;
    const home = { step: step.index, region: step.regions[position] ?? 'flash' };
    const symbols = [
      ...Object.entries(call.tables).map(([name, table]) => [
        name,
        pool.add(`${base}_${name}`, table, home),
      ]),
      ...Object.entries(call.routines ?? {}).map(([name, routine]) => [
        name,
        pool.addRoutine(`${base}_${name}`, routine, home),
      ]),
    ];
    return {
      step: step.index,
      ...{ template: text, file },
      call,
      symbols: Object.fromEntries(symbols),
      type: typeOf(view, call),
      argsSymbol: `${base}_args`,
    };
  });
}

/** The type in the name of a call's function: that of its first output, else of its input. */
function typeOf({ inputs, outputs }: NodeView, call: KernelCall): string {
  const written = outputs[call.outputs[0] ?? -1] ?? inputs[call.inputs[0] ?? -1];
  return call.bytes || written == null ? dtypes.int8.short : dtypes[written.dtype].short;
}

interface StepText {
  /** The step's comment, label and calls in the model's switch. */
  readonly label: string;
  /** The functions that compute its halves, if it has any. */
  readonly halves: readonly string[];
}

function stepText(
  model: string,
  graph: Graph,
  placed: PlacedStep,
  functions: readonly KernelFunction[],
  places: Places,
  pool: TablePool,
): StepText {
  const { step, symbol, view, parts } = placed;
  const { node } = view;
  const { move } = step;
  const pointer = pointersOf(model, graph, placed, places, pool);
  const statements = (part: PlacedPart, indent: string) =>
    part.calls.map((each) => {
      const target = functions.find(({ calls }) => calls.includes(each));
      if (target === undefined) throw new InternalError('codegen', 'a call without a function');
      const { inputs, outputs, outputBytes = 0, bytes = false } = each.call;
      const { scratchOffset } = part;
      const scratch = (step.scratch?.offset ?? 0) + (scratchOffset ?? 0);
      const args = [
        ...inputs.map((i) => pointer(node.inputs[i], `input_${i}`, bytes, part.inputBytes[i])),
        ...outputs.map((i) =>
          pointer(node.outputs[i], 'output', bytes, part.outputBytes + outputBytes),
        ),
        ...(scratchOffset === null ? [] : [`arena + ${offset(scratch)}`]),
        ...(target.hasDescriptor ? [`&${each.argsSymbol}`] : []),
      ];
      return `${indent}${target.name}(${args.join(', ')});`;
    });
  const names = parts.length > 1 ? [`${symbol}_first`, `${symbol}_second`] : [];
  const label = [
    `${[describeStep(step, symbol, view), describeChoice(step)]
      .map((text) => wrap(text, 97, '     * '))
      .join('\n')
      .replace('     * ', '    /* ')} */`,
    `    case ${step.index}:`,
    ...(move === null ? [] : [moveStatement(move)]),
    ...(names.length > 0
      ? [`        BONSAI_BOTH(${names.join(', ')}, arena);`]
      : parts.flatMap((part) => statements(part, '        '))),
    '        break;',
  ];
  return {
    label: label.join('\n'),
    halves: names.map((name, i) =>
      [
        `static void ${name}(int8_t *arena)`,
        '{',
        ...statements(parts[i] as PlacedPart, '    '),
        '}\n',
      ].join('\n'),
    ),
  };
}

/** Where the run goes on after a step: loops go back, then branches that are not taken are skipped. */
function jumpsOf(graph: Graph, { steps }: Plan, places: Places): Context {
  const sections = sectionSteps(
    graph,
    steps.map(({ node }) => node),
  );
  return {
    has_jumps: graph.flow !== undefined,
    has_loops: sections.some(({ again }) => again !== null),
    loops: sections.flatMap(({ again, last }) =>
      again === null ? [] : [{ last: integer(last), again: integer(again) }],
    ),
    skips: sections.map(({ first, last, condition, runsIf }) => {
      const { memory, offset: at } = placeOf(places, condition, first);
      const isOther = `${memory}[${offset(at)}] ${runsIf ? '==' : '!='} 0`;
      return { first: integer(first), isOther, next: integer(last + 1) };
    }),
  };
}

/** @param isBytes whether it is an int8_t *, whatever the tensor's type */
type Pointer = (
  id: TensorId | null | undefined,
  name: string,
  isBytes: boolean,
  bytes?: number,
) => string;

/** What a call of the step passes for a tensor, `bytes` from its begin. */
function pointersOf(
  model: string,
  graph: Graph,
  { step, symbol, view }: PlacedStep,
  places: Places,
  pool: TablePool,
): Pointer {
  const { index, move } = step;
  return (id, name, isBytes, bytes = 0) => {
    if (id === null || id === undefined) {
      throw new InternalError('codegen', `kernel of step ${index} takes an absent tensor`);
    }
    const { data, dtype } = tensorOf(graph, id);
    const type = inC(dtype);
    if (data !== null) {
      const table = { data: data as Table['data'], role: 'weights' } as const;
      const home = { step: index, region: 'flash' } as const;
      const array = pool.add(`${model}_${symbol}_${name}`, table, home);
      return isBytes && type !== 'int8_t' ? `(const int8_t *)${array}` : array;
    }
    const { memory, offset: at } = placeOf(places, id, index);
    const isMoved = memory === 'arena' && at === move?.from && !view.node.outputs.includes(id);
    const place = `${memory} + ${offset((isMoved ? move.to : at) + bytes)}`;
    // By way of void *: every tensor begins at a word, which compilers cannot know.
    return isBytes || type === 'int8_t' ? place : `(${type} *)(void *)(${place})`;
  };
}

/** Moves the input to where the kernel reads it. No other tensor uses either place at that time. */
function moveStatement({ from, to, bytes }: Move): string {
  return `        memmove(arena + ${offset(to)}, arena + ${offset(from)}, ${integer(bytes)});`;
}

/**
 * The statements that set all states to their initial values: neighbours with one byte in common
 * together, others from tables.
 */
function resetStatements(
  model: string,
  graph: Graph,
  plan: Plan,
  pool: TablePool,
): readonly string[] {
  const fills: { begin: number; end: number; value: number }[] = [];
  const copies: string[] = [];
  statesOf(graph).forEach(({ initial }, index) => {
    const { offset: begin = 0, bytes = 0 } = plan.states[index] ?? {};
    const raw = rawBytes(initial);
    const [value = 0] = raw;
    if (raw.some((byte) => byte !== value)) {
      const data = new Int8Array(raw.buffer, raw.byteOffset, raw.byteLength);
      const table = { data, role: 'table' } as const;
      const symbol = pool.add(`${model}_initial_${index}`, table, { step: 0, region: 'flash' });
      copies.push(`memcpy(${stateMemory} + ${offset(begin)}, ${symbol}, ${integer(bytes)});`);
      return;
    }
    const last = fills.at(-1);
    const end = begin + aligned(bytes);
    if (last !== undefined && last.end === begin && last.value === value) last.end = end;
    else fills.push({ begin, end, value });
  });
  return [
    ...fills.map(({ begin, end, value }) => {
      const at = `${stateMemory} + ${offset(begin)}`;
      return `memset(${at}, ${integer(value)}, ${integer(end - begin)});`;
    }),
    ...copies,
  ];
}
