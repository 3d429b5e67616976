/** Compiled C on this machine, under the sanitizers, against the evaluator: bit for bit. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { analyse } from '../../src/analysis/index.js';
import { emitProgram, type Program } from '../../src/codegen/program.js';
import { type Module, mainGraph, type TensorData, type TensorId } from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
import type { Plan, Port } from '../../src/plan/types.js';
import { type Both, runners } from './both.js';
import { mergeModules, randomInputs } from './module.js';
import { contextOf, type SimplePlanOptions, simplePlan } from './plan.js';

export const warnings = '-Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Werror'.split(' ');
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover'];

/** Runs a program to its end. @throws Error with its standard error when it fails */
export function execute(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly input?: Uint8Array;
    readonly env?: NodeJS.ProcessEnv;
  } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settings = {
      cwd: options.cwd,
      env: options.env ?? process.env,
      encoding: 'buffer' as const,
      maxBuffer: 2 ** 30,
      // What takes longer hangs.
      timeout: 600_000,
    };
    const child = execFile(command, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} ${args.join(' ')}\n${stderr.toString().slice(0, 8000)}`));
    });
    // A program that dies early closes its end; its exit status tells why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? new Uint8Array());
  });
}

/** A new directory under the system's temporary one, removed when `use` is done. */
export async function inTemporaryDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-test-'));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Reads inputs from stdin, run after run, and writes what each step has written. */
function driver(model: string, plan: Plan, program: Program, both: Both): string {
  const upper = model.toUpperCase();
  const bytesOf = (ports: readonly Port[]) => ports.map(({ bytes }) => bytes).join(', ');
  const spans = program.spans.map(
    ({ step, offset, bytes }) => `    { ${step}, ${offset}, ${bytes} },`,
  );
  return `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "${model}.h"
#define ARENA_BYTES ${upper}_ARENA_BYTES
${runners[both].text}
static const struct { int32_t step, offset, bytes; } spans[] = {
${spans.join('\n')}
    { -1, 0, 0 },
};

static void written(void *arena, int32_t step)
{
    for (size_t i = 0; i + 1 < sizeof spans / sizeof spans[0]; i++) {
        if (spans[i].step == step)
            fwrite((char *)arena + spans[i].offset, 1, (size_t)spans[i].bytes, stdout);
    }
}

int main(void)
{
    static const size_t input_bytes[] = { ${bytesOf(plan.inputs)} };
    static const size_t output_bytes[] = { ${bytesOf(plan.outputs)} };
    void *arena = NULL;
    /* Exactly as large as promised: the address sanitizer guards both ends. */
    if (posix_memalign(&arena, 64, ${upper}_ARENA_BYTES) != 0)
        return 1;
    for (;;) {
        memset(arena, 0xa5, ${upper}_ARENA_BYTES);
        for (int32_t i = 0; i < ${upper}_INPUTS; i++) {
            const size_t bytes = input_bytes[i];
            if (fread(${model}_input(arena, i), 1, bytes, stdin) != bytes) {
                free(arena);
                return 0;
            }
        }
        ${model}_reset(arena);
        ${model}_run_hooked(arena, written, arena);
        for (int32_t i = 0; i < ${upper}_OUTPUTS; i++)
            fwrite(${model}_output(arena, i), 1, output_bytes[i], stdout);
    }
}
`;
}

/** One run. */
export interface Trace {
  /** What every step wrote, when it had. */
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
    writeFileSync(join(directory, `${model}.c`), program.source);
    writeFileSync(join(directory, 'main.c'), driver(model, plan, program, both));
    const { model: flags, all = null } = runners[both];
    const checks = all ?? sanitizers;
    const strict = ['-std=c99', '-O1', ...checks, ...flags, ...warnings];
    const options = { cwd: directory };
    const twins = program.twins();
    if (twins !== null) writeFileSync(join(directory, `${model}_weights.c`), twins);
    const sources = [model, ...(twins === null ? [] : [`${model}_weights`])];
    await execute('gcc', [...strict, '-c', ...sources.map((name) => `${name}.c`)], options);
    const posix = ['-std=gnu99', '-O0', ...checks];
    const objects = sources.map((name) => `${name}.o`);
    await execute('gcc', [...posix, 'main.c', ...objects, '-o', 'main'], options);
    const input = Buffer.concat(
      vectors.flat().map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
    );
    const output = await execute(join(directory, 'main'), [], { input });
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

/** The first element in which C and the evaluator differ, as text; null when there is none. */
export function firstDifference(
  module: Module,
  inputs: readonly TensorData[],
  trace: Trace,
): string | null {
  const graph = mainGraph(module);
  const evaluation = evaluateGraph(graph, inputs);
  const differ = (
    name: string,
    id: TensorId,
    expected: TensorData,
    actual: Int8Array | undefined,
  ) => {
    const at = expected.findIndex((value, i) => value !== actual?.[i]);
    if (actual?.length === expected.length && at < 0) return null;
    const shape = `[${graph.tensors[id]?.shape}]`;
    return `${name}: element ${at} of ${shape} is ${actual?.[at]} in C, ${expected[at]} by evaluate`;
  };
  for (const node of graph.nodes) {
    for (const id of node.outputs) {
      // A reshape that the plan has left out is no step.
      if (!trace.written.has(id)) continue;
      const expected = evaluation.tensors.get(id) as TensorData;
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
  /** Runs of each module on different random inputs. Default 2. */
  readonly runs?: number;
  readonly seed?: number;
  /** Plan to use; default: the simplest. */
  readonly plan?: (module: Module) => Plan;
  /** Where steps have halves. */
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
  // A planner of its own plans with what analysis proves.
  const facts = planner === undefined ? planOptions.facts : analyse(mainGraph(merged));
  const plan = planner?.(merged) ?? simplePlan(merged, planOptions);
  const program = emitProgram(merged, plan, contextOf(plan, facts));
  const vectors = Array.from({ length: runs }, (_, run) => randomInputs(merged, seed + run));
  const traces = await runProgram(merged.name, plan, program, vectors, both);
  traces.forEach((trace, run) => {
    const difference = firstDifference(merged, vectors[run] ?? [], trace);
    if (difference !== null) throw new Error(`seed ${seed + run}, ${difference}`);
  });
}
