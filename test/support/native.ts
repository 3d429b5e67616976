/** Compares compiled C on this machine, under sanitizers, with the evaluator, bit for bit. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as shlex from 'shlex';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { emitProgram, type Program } from '../../src/compiler/codegen/program.js';
import {
  allocate,
  byteCount,
  type Module,
  mainGraph,
  rawBytes,
  type TensorData,
  type TensorId,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import type { Planned } from '../../src/compiler/plan/index.js';
import type { IoTensor, Plan } from '../../src/compiler/plan/types.js';
import { type Both, runners, sanitizers } from './both.js';
import { driverHeader, driverObject } from './driver.js';
import { execute } from './execute.js';
import { type Group, mergedGroup, mergePlans } from './merged-plan.js';
import { mergeModules, randomInputs } from './module.js';
import { type SimplePlanOptions, simplePlan } from './plan.js';

export const warnings = '-Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Werror'.split(' ');

/** A new temporary directory, removed after `use`. */
export async function inTemporaryDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-test-'));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the driver, test/support/driver.ts, knows of a program: C behind the model's own. */
function describe(model: string, plan: Plan, program: Program): string {
  const bytesOf = (ports: readonly IoTensor[]) => ports.map(({ bytes }) => bytes).join(', ');
  const spans = program.spans.map(
    ({ step, offset, bytes }) => `    { ${step}, ${offset}, ${bytes} },`,
  );
  const upper = model.toUpperCase();
  return `
#include "driver.h"
static const struct driver_span driver_spans[] = {
${spans.join('\n')}
    { -1, 0, 0 },
};
static int8_t *driver_input(void *arena, int32_t index)
{
    return (int8_t *)${model}_input(arena, index);
}
static int8_t *driver_output(void *arena, int32_t index)
{
    return (int8_t *)${model}_output(arena, index);
}
static const size_t driver_input_bytes[] = { ${bytesOf(plan.inputs)} };
static const size_t driver_output_bytes[] = { ${bytesOf(plan.outputs)} };
const struct driver_program driver_program = {
    ${upper}_ARENA_BYTES, ${upper}_INPUTS, ${upper}_OUTPUTS, ${program.spans.length},
    driver_input_bytes, driver_output_bytes, driver_spans,
    driver_input, driver_output, ${model}_reset, ${model}_run_hooked,
};
`;
}

/** One run. */
export interface Trace {
  /** The tensors that each step wrote, read right after the step. */
  readonly written: ReadonlyMap<TensorId, Int8Array>;
  /** The outputs after the run. */
  readonly outputs: readonly Int8Array[];
}

/** Compiles an emitted model and runs it on every vector. */
export async function runProgram(
  model: string,
  plan: Plan,
  program: Program,
  vectors: readonly (readonly TensorData[])[],
  both: Both = 'in order',
): Promise<readonly Trace[]> {
  return inTemporaryDirectory(async (directory) => {
    writeFileSync(join(directory, `${model}.h`), program.header);
    const source = `${program.source}${describe(model, plan, program)}`;
    writeFileSync(join(directory, `${model}.c`), source);
    writeFileSync(join(directory, 'driver.h'), driverHeader);
    const { model: flags, all } = runners[both];
    // gcc takes four times as long for sanitized code at -O1; test/build/compilers.test.ts has its
    // warnings. At -O0 the thread sanitizer calls functions that 'recorded' does not implement.
    const level = all === null ? '-O0' : '-O1';
    const strict = ['-std=c99', level, ...(all ?? sanitizers), ...flags, ...warnings];
    const twins = program.twins();
    if (twins !== null) writeFileSync(join(directory, `${model}_weights.c`), twins);
    const sources = [model, ...(twins === null ? [] : [`${model}_weights`])];
    const objects = [await driverObject(both), ...sources.map((name) => `${name}.o`)];
    // By one shell: a process of Node's size takes longer to start another one than gcc to link.
    const commands = [
      ['gcc', ...strict, '-c', ...sources.map((name) => `${name}.c`)],
      ['gcc', ...(all ?? sanitizers), ...objects, '-o', 'main'],
      ['./main'],
    ];
    const script = commands.map((words) => shlex.join(words)).join(' && ');
    const input = Buffer.concat(
      vectors.flat().map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
    );
    const output = await execute('sh', ['-c', script], { cwd: directory, input });
    let position = 0;
    const take = (bytes: number) => {
      position += bytes;
      return Int8Array.from(
        output.subarray(position - bytes, position),
        (byte) => (byte << 24) >> 24,
      );
    };
    return vectors.map(() => ({
      written: new Map(program.spans.map(({ tensor, bytes }) => [tensor, take(bytes)])),
      outputs: plan.outputs.map(({ bytes }) => take(bytes)),
    }));
  });
}

/** The first element in which C and the evaluator differ, as text; null if there is none. */
export function firstDifference(
  module: Module,
  inputs: readonly TensorData[],
  trace: Trace,
  states: readonly TensorData[] = initialStates(mainGraph(module)),
): string | null {
  const graph = mainGraph(module);
  const evaluation = evaluateGraph(graph, inputs, states);
  const differ = (
    name: string,
    id: TensorId,
    expected: TensorData,
    bytes: Int8Array | undefined,
  ) => {
    if (bytes !== undefined && Buffer.compare(rawBytes(bytes), rawBytes(expected)) === 0)
      return null;
    const { dtype, shape } = tensorOf(graph, id);
    const actual = allocate(dtype, expected.length);
    const isWhole = bytes?.length === byteCount({ dtype, shape });
    if (isWhole) rawBytes(actual).set(rawBytes(bytes));
    // Processors differ in the bits of the NaN that they make.
    if (isWhole && expected.every((value, i) => Object.is(value, actual[i]))) return null;
    const at = expected.findIndex((value, i) => !Object.is(value, actual[i]));
    return `${name}: element ${at} of [${shape}] is ${actual[at]} in C, ${expected[at]} by evaluate`;
  };
  for (const node of graph.nodes) {
    for (const id of node.outputs) {
      // A reshape that the plan left out has no step.
      if (!trace.written.has(id)) continue;
      const expected = evaluation.tensors.get(id);
      // A branch that was not taken.
      if (expected === undefined) continue;
      const difference = differ(node.name, id, expected, trace.written.get(id));
      if (difference === null) continue;
      const shapes = node.inputs.map(
        (input) => `[${input === null ? '-' : graph.tensors[input]?.shape}]`,
      );
      const attrs = JSON.stringify(node.attrs);
      return `${difference}\n  ${node.op} inputs ${shapes.join(' ')} attrs ${attrs}`;
    }
  }
  const differences = graph.outputs.map((id, i) =>
    differ(`output ${i}`, id, evaluation.outputs[i] as TensorData, trace.outputs[i]),
  );
  return differences.find((difference) => difference !== null) ?? null;
}

export interface CompareOptions extends SimplePlanOptions {
  /** Number of runs, on different random inputs. Default 2. */
  readonly runs?: number;
  readonly seed?: number;
  /** Makes the plan; by default the simplest plan. */
  readonly plan?: (module: Module) => Planned;
  /** How to run the halves of steps. */
  readonly both?: Both;
}

/**
 * Compiles all modules as one program, runs it on random inputs, and compares the output of every
 * step with `evaluateGraph`.
 *
 * @throws Error that names the first case, node and element that differ
 */
export async function expectSameBits(
  modules: readonly Module[],
  options: CompareOptions = {},
): Promise<void> {
  const { runs = 2, seed = 1, plan: planner, both, ...planOptions } = options;
  const merged = mergeModules(modules);
  const planned = planner?.(merged) ?? simplePlan(merged, planOptions);
  const { plan } = planned;
  const program = emitProgram(merged, planned, packageTemplates());
  const vectors = Array.from({ length: runs }, (_, run) => randomInputs(merged, seed + run));
  const traces = await runProgram(merged.name, plan, program, vectors, both);
  const graph = mainGraph(merged);
  let states = initialStates(graph);
  traces.forEach((trace, run) => {
    const inputs = vectors[run] ?? [];
    const difference = firstDifference(merged, inputs, trace, states);
    if (difference !== null) throw new Error(`seed ${seed + run}, ${difference}`);
    if (states.length > 0) states = evaluateGraph(graph, inputs, states).states;
  });
}

/**
 * Like `expectSameBits` of each group, all for the same goal, as one program: gcc compiles what
 * they share once.
 *
 * @throws Error that names the group's kernel and what `expectSameBits` names
 */
export function expectSameBitsOfAll(groups: readonly Group[], both?: Both): Promise<void> {
  const merged = groups.map(mergedGroup);
  const plan = (all: Module) =>
    mergePlans(
      all,
      merged,
      merged.map((one, i) => simplePlan(one, groups[i]?.options)),
    );
  return expectSameBits(merged, { plan, ...(both === undefined ? {} : { both }) });
}
