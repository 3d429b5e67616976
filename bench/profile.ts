/**
 * Profiles the instructions of a model on a board in QEMU.
 *
 *     npx tsx bench/profile.ts MODEL --target T [--optimize O] [--blocks N] [--vectors F]
 *
 * Prints the functions that take the most instructions, then the N hottest loops in assembly. For
 * authors of kernels. Needs gcc, to build the plugin that counts.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProject } from '../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../src/boards/build/project.js';
import { seededVectors } from '../src/boards/profile/seeded-vectors.js';
import { readVectors } from '../src/boards/profile/vectors.js';
import { loadTarget } from '../src/boards/target/index.js';
import type { CompileOptions } from '../src/compiler/plan/types.js';
import { compile } from '../src/pipeline.js';
import { textTable } from '../src/report/text-table.js';
import { execute, type Instruction } from './qemu/blocks.js';
import { coreOf, estimateCycles } from './qemu/cycles.js';

interface Row {
  readonly name: string;
  readonly instructions: number;
  readonly cycles: number | null;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const runsOf = (instructions: readonly Instruction[]) => sum(instructions.map(({ runs }) => runs));

function printTable(title: string, rows: readonly Row[], estimated: string | null): void {
  const total = sum(rows.map(({ instructions }) => instructions));
  const numbers = ['instructions', 'share', ...(estimated === null ? [] : [estimated])];
  const cells = rows.map(({ name, instructions, cycles }) => [
    name,
    String(instructions),
    `${((100 * instructions) / total).toFixed(1)} %`,
    String(cycles ?? ''),
  ]);
  console.log(`${textTable([title, ...numbers], cells, { right: new Set(numbers) })}\n`);
}

/** Sequences of consecutive instructions that run equally often, such as bodies of loops. */
function straightLines(program: readonly Instruction[]): Instruction[][] {
  const lines: Instruction[][] = [];
  for (const instruction of program) {
    const line = lines.at(-1);
    const before = line?.at(-1);
    const goesOn =
      before !== undefined &&
      before.address + before.bytes === instruction.address &&
      before.runs === instruction.runs &&
      before.jumps * 100 <= before.runs; // tolerates the firmware's interrupt
    if (goesOn) line?.push(instruction);
    else lines.push([instruction]);
  }
  return lines;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: 'string', default: 'stm32f405' },
    optimize: { type: 'string', default: 'balanced' },
    blocks: { type: 'string', default: '5' },
    vectors: { type: 'string' },
  },
});
const [path = ''] = positionals;
const target = loadTarget(values.target);
const { module, plan, emission } = compile({
  bytes: readFileSync(path),
  path,
  target,
  options: {
    optimize: values.optimize as CompileOptions['optimize'],
    rounding: 'tflm',
    faithful: false,
    keepInput: false,
    xip: 'model',
  },
});
const { manifest } = emission;
const directory = mkdtempSync(join(tmpdir(), 'bonsaic-profile-'));
try {
  const project = join(directory, 'project');
  writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
  const { elf } = await buildProject(project, { target, manifest });
  const [vector] =
    values.vectors === undefined
      ? seededVectors(plan, module)
      : readVectors(readFileSync(values.vectors), values.vectors, plan);
  const { run, steps, count } = await execute(elf, target, manifest, vector?.inputs ?? []);

  const core = coreOf(target.coreName);
  const estimate = (instructions: readonly Instruction[]) =>
    core === null ? null : sum(estimateCycles(core, instructions));
  const column = core === null ? null : `${core} cycles (estimate)`;
  const row = (name: string, instructions: readonly Instruction[]): Row => ({
    name,
    instructions: runsOf(instructions),
    cycles: estimate(instructions),
  });
  const bySize = (a: Row, b: Row) => b.instructions - a.instructions;
  const symbols = [...new Set(run.map(({ symbol }) => symbol))];

  console.log(
    `${plan.model.name} on ${target.name}: ${count} instructions as the firmware counts\n`,
  );
  printTable('all', [row(plan.model.name, run)], column);
  printTable(
    'layer',
    steps.map((step, i) => row(`${i} ${plan.steps[i]?.kernel ?? ''}`, step)),
    column,
  );
  printTable(
    'function',
    symbols
      .map((symbol) =>
        row(
          symbol,
          run.filter((i) => i.symbol === symbol),
        ),
      )
      .sort(bySize),
    column,
  );
  const hottest = straightLines(run).sort((a, b) => runsOf(b) - runsOf(a));
  for (const line of hottest.slice(0, Number(values.blocks))) {
    const [first] = line;
    console.log(`${first?.symbol}: ${line.length} instructions, ${first?.runs} times`);
    for (const { address, mnemonic, operands } of line) {
      console.log(`  ${address.toString(16)}  ${mnemonic.padEnd(8)} ${operands}`);
    }
    console.log();
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
