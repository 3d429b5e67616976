/** The model's own C: <model>.h and <model>.c. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { InternalError } from '../errors.js';
import {
  type Graph,
  type Module,
  mainGraph,
  type NodeView,
  type TensorId,
  tensorOf,
  viewOf,
} from '../ir/graph.js';
import type { KernelContext, KernelVariant, Table } from '../ir/op.js';
import { opOf } from '../ops/index.js';
import { lowered } from '../plan/lower.js';
import { type Move, noKernel, type Plan, type PlanStep, type Port } from '../plan/types.js';
import { float, integer, offset, string, wrap } from './c.js';
import { describeMemory, describeStep } from './describe.js';
import { type KernelFunction, kernelFunctions, type PlacedCall } from './kernels.js';
import type { Span, TableInfo } from './manifest.js';
import { TablePool } from './tables.js';
import { type Context, render } from './templates.js';

export interface Program {
  /** Text of <model>.h. */
  readonly header: string;
  /** Text of <model>.c. */
  readonly source: string;
  /** Text of <model>_weights.S: weights as code; null where there are none. */
  readonly routines: string | null;
  readonly tables: readonly TableInfo[];
  readonly spans: readonly Span[];
  /** First 4 bytes of the SHA-256 over `source` and `routines`, 8 hex digits. */
  readonly tag: string;
}

/** `labels`: names of the classes, for the output with as many elements. */
export interface ProgramOptions {
  readonly labels?: readonly string[];
}

/**
 * C of a planned module. Same input, same bytes.
 *
 * @param context what the kernels were chosen with
 * @throws InternalError when the plan names a tensor without a place or a kernel that is not there
 */
export function emitProgram(
  module: Module,
  plan: Plan,
  context: KernelContext,
  options: ProgramOptions = {},
): Program {
  const graph = mainGraph(module);
  const pool = new TablePool();
  const places = new Map(plan.placements.map(({ tensor, offset }) => [tensor, offset]));
  const lowered = plan.steps.map((step) => lowerStep(module.name, graph, step, context, pool));
  const functions = kernelFunctions(
    lowered.flatMap(({ calls }) => calls),
    plan.options.optimize,
  );
  // Pointers are settled before the tables are printed: a constant operand is one more table.
  const cases = lowered.map((step) => stepCase(module.name, graph, step, functions, places, pool));
  const kernels = functions.map(({ text }) => text);
  const code = [...supportTexts(lowered, kernels.join('')), ...kernels];
  const routines = pool.routines();
  const declarations = routines.map(
    ({ symbol }) => `void ${symbol}(const void *in, void *out, const void *args);\n`,
  );
  const body = [
    ...pool.definitions(),
    ...(declarations.length > 0 ? [`/* Weights as code. */\n${declarations.join('')}`] : []),
    ...code,
    ...functions.flatMap(({ descriptors }) => descriptors),
  ];
  const names = interfaceContext(module, plan, options);
  const source = render('project/model.c', {
    ...names,
    uses_string: /\bmem(cpy|move|set)\(/.test([...code, ...cases].join('')),
    uses_sram: pool.infos.some(({ region }) => region === 'sram'),
    body: body.map((text) => `\n${text}`).join(''),
    has_steps: plan.steps.length > 0,
    cases: cases.join('\n'),
  });
  const assembler =
    routines.length === 0
      ? null
      : render('project/weights.S', {
          ...names,
          body: routines.map(({ text }) => text).join('\n'),
        });
  const hash = createHash('sha256').update(source);
  if (assembler !== null) hash.update(assembler);
  return {
    header: render('project/model.h', names),
    source,
    routines: assembler,
    tables: pool.infos,
    spans: spansOf(graph, plan, places),
    tag: hash.digest('hex').slice(0, 8),
  };
}

interface LoweredStep {
  readonly step: PlanStep;
  readonly symbol: string;
  readonly view: NodeView;
  /** null: nothing to compute, the output lies where the input is. */
  readonly variant: KernelVariant | null;
  readonly calls: readonly PlacedCall[];
}

function lowerStep(
  model: string,
  graph: Graph,
  step: PlanStep,
  context: KernelContext,
  pool: TablePool,
): LoweredStep {
  const node = graph.nodes[step.node];
  if (node === undefined) throw new InternalError('codegen', `step ${step.index} has no node`);
  const view = viewOf(graph, node);
  const symbol = `${node.op}_${step.index}`;
  if (step.kernel === noKernel) return { step, symbol, view, variant: null, calls: [] };
  const variant = opOf(node).variants.find(({ template }) => template === step.kernel);
  if (variant === undefined) {
    throw new InternalError('codegen', `operator ${node.op} has no kernel "${step.kernel}"`);
  }
  const all = lowered(variant, view, context);
  const calls = all.map((call, position): PlacedCall => {
    const base = `${model}_${symbol}${all.length > 1 ? `_${position}` : ''}`;
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
      template: step.kernel,
      call,
      symbols: Object.fromEntries(symbols),
      argsSymbol: `${base}_args`,
    };
  });
  return { step, symbol, view, variant, calls };
}

/**
 * The helpers that are called, each once, after those that it calls itself; otherwise in the order
 * in which kernels list them. Each template is named as its function.
 */
function supportTexts(lowered: readonly LoweredStep[], kernels: string): readonly string[] {
  const names = new Set(lowered.flatMap(({ variant }) => variant?.support ?? []));
  const used = new Map<string, string>();
  const visited = new Set<string>();
  const addCalledBy = (caller: string) => {
    for (const name of names) {
      const calls = new RegExp(`\\b${posix.basename(name)}\\(`);
      if (visited.has(name) || !calls.test(caller)) continue;
      visited.add(name);
      const text = `${render(`kernels/${name}`, {}).trimEnd()}\n`;
      addCalledBy(text);
      used.set(name, text);
    }
  };
  addCalledBy(kernels);
  return [...used.values()];
}

/** The comment, the label and the calls of one step in the model's switch. */
function stepCase(
  model: string,
  graph: Graph,
  { step, symbol, view, calls }: LoweredStep,
  functions: readonly KernelFunction[],
  places: ReadonlyMap<TensorId, number>,
  pool: TablePool,
): string {
  const { node } = view;
  const { move } = step;
  const isOutput = (id: TensorId) => node.outputs.includes(id);
  const place = (id: TensorId): number => {
    const at = placeOf(places, id, step.index);
    return at === move?.from && !isOutput(id) ? move.to : at;
  };
  const pointer = (id: TensorId | null | undefined, name: string): string => {
    if (id === null || id === undefined) {
      throw new InternalError('codegen', `kernel of step ${step.index} takes an absent tensor`);
    }
    const { data } = tensorOf(graph, id);
    if (data !== null) {
      const table = { data: data as Table['data'], role: 'weights' } as const;
      return pool.add(`${model}_${symbol}_${name}`, table, { step: step.index, region: 'flash' });
    }
    return `arena + ${offset(place(id))}`;
  };
  const statements = calls.map((placed) => {
    const target = functions.find(({ calls }) => calls.includes(placed));
    if (target === undefined) throw new InternalError('codegen', 'a call without a function');
    const args = [
      ...placed.call.inputs.map((position) => pointer(node.inputs[position], `input_${position}`)),
      ...placed.call.outputs.map((position) => pointer(node.outputs[position], 'output')),
      ...(step.scratch === null ? [] : [`arena + ${offset(step.scratch.offset)}`]),
      ...(target.hasDescriptor ? [`&${placed.argsSymbol}`] : []),
    ];
    return wrap(`${target.name}(${args.join(', ')});`, 100, '        ');
  });
  const inputs = node.inputs
    .filter((id) => id !== null && tensorOf(graph, id).data === null)
    .map((id) => place(id as TensorId));
  const outputs = node.outputs.map(place);
  const text = [
    wrap(describeStep(step, symbol, view), 100, '     * ').replace('     * ', '    /* '),
    `${wrap(describeMemory(step, inputs, outputs), 97, '     * ')} */`,
    `    case ${step.index}:`,
    ...(move === null ? [] : [moveStatement(move)]),
    ...statements,
    '        break;',
  ];
  return text.join('\n');
}

/** The input moves to where the kernel reads it; neither place is another tensor's by then. */
function moveStatement({ from, to, bytes }: Move): string {
  return `        memmove(arena + ${offset(to)}, arena + ${offset(from)}, ${integer(bytes)});`;
}

function placeOf(places: ReadonlyMap<TensorId, number>, id: TensorId, step: number): number {
  const place = places.get(id);
  if (place === undefined) {
    throw new InternalError('codegen', `tensor ${id} of step ${step} has no place in the arena`);
  }
  return place;
}

function spansOf(graph: Graph, plan: Plan, places: ReadonlyMap<TensorId, number>): readonly Span[] {
  const sizes = new Map(plan.placements.map(({ tensor, bytes }) => [tensor, bytes]));
  return plan.steps.flatMap((step) =>
    (graph.nodes[step.node]?.outputs ?? []).map((tensor) => ({
      step: step.index,
      tensor,
      offset: placeOf(places, tensor, step.index),
      bytes: sizes.get(tensor) ?? 0,
    })),
  );
}

/** What the header, the source's frame and the firmware's glue say about the model. */
export function interfaceContext(
  module: Module,
  plan: Plan,
  options: ProgramOptions = {},
): Context {
  const { labels = [] } = options;
  const port =
    (upper: string) =>
    (port: Port, index: number): Context => ({
      index: String(index),
      macro: `${upper}_${index}`,
      name: string(port.name),
      shape: `[${port.shape.join(',')}]`,
      dims: port.shape.map((extent, axis) => ({ axis: String(axis), extent: integer(extent) })),
      rank: integer(port.shape.length),
      count: integer(port.shape.reduce((product, extent) => product * extent, 1)),
      bytes: integer(port.bytes),
      offset: offset(port.offset),
      scale: float(port.scale),
      zero_point: integer(port.zeroPoint),
      labelled: isLabelled(port, labels),
      labels: labels.map(string).join(', '),
    });
  const upper = module.name.toUpperCase();
  return {
    model: module.name,
    MODEL: upper,
    target: plan.target,
    sha256: module.sha256,
    arena_bytes: integer(plan.arenaBytes),
    arena_align: integer(plan.arenaAlign),
    steps: integer(plan.steps.length),
    inputs: plan.inputs.map(port(`${upper}_INPUT`)),
    outputs: plan.outputs.map(port(`${upper}_OUTPUT`)),
    input_count: integer(plan.inputs.length),
    output_count: integer(plan.outputs.length),
    input_kept: plan.options.keepInput,
  };
}

/** Whether `labels` name the elements of this output. */
export function isLabelled(port: Port, labels: readonly string[]): boolean {
  return labels.length > 0 && port.shape.at(-1) === labels.length;
}
