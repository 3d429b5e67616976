/**
 * Writes test/golden/ops/<operator>.json: what the reference runtimes compute for the cases of
 * test/support/golden-cases.ts.
 *
 *     npx tsx bench/golden.ts [--python PYTHON] [OPERATOR …]
 *
 * PYTHON has the packages tflite-micro and ai-edge-litert; default: build/tflite, as
 * `npm run setup -- --tests` installs it. Without operators all of the cases are run; operators
 * without cases there keep their files. Rows of a file that have no case are kept too.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { importModel } from '../src/compiler/formats/index.js';
import { writeTflite } from '../src/compiler/formats/tflite/write.js';
import {
  type Attrs,
  allocate,
  type DType,
  dtypes,
  mainGraph,
  rawBytes,
  tensorOf,
} from '../src/compiler/ir/graph.js';
import { BonsaiError } from '../src/errors.js';
import { type GoldenCase, goldenCases, moduleOfCase } from '../test/support/golden-cases.js';
import { runtimeOutputs } from '../test/support/tflite-runtimes.js';

const runtimes = [
  { name: 'tflm', kind: 'tflm', env: {} },
  // Convolutions of ruy's portable code round as those of other machines.
  { name: 'tflite-portable', kind: 'builtin', env: { RUY_PATHS: '1' } },
] as const;

interface Answer {
  readonly runtimes: string[];
  readonly attrs: Attrs;
  readonly outputs: readonly (readonly number[])[];
}

/** The elements of an output of type `dtype` from its bytes. */
function elementsOf(bytes: Int8Array, dtype: DType = 'int8'): readonly number[] {
  const elements = allocate(dtype, bytes.length / dtypes[dtype].bytes);
  rawBytes(elements).set(rawBytes(bytes));
  return Array.from(elements, Number);
}

/** The attributes that the importer gives the node of a file. */
function importedAttrs(file: Uint8Array, rounding: 'tflm' | 'tflite-portable'): Attrs {
  const module = importModel(file, { name: 'model', where: 'golden', rounding });
  return mainGraph(module).nodes[0]?.attrs ?? {};
}

/** What each runtime that takes the file answers; equal answers are one. */
function answersOf(python: string, file: Uint8Array, given: GoldenCase): readonly Answer[] {
  const inputs = given.inputs.flatMap((input) =>
    input === null || input.constant === true ? [] : [input.values],
  );
  const answers: Answer[] = [];
  for (const { name, kind, env } of runtimes) {
    if (given.onlyTflm === true && name !== 'tflm') continue;
    const job = { file, inputs, outputs: given.outputs ?? 1 };
    const [made] = runtimeOutputs(python, kind, [job], { ...process.env, ...env });
    if (made === undefined || typeof made === 'string') {
      console.log(`  ${given.edge}: ${name} refuses it`);
      continue;
    }
    const answer = {
      attrs: importedAttrs(file, name),
      outputs: made.map((x) => elementsOf(x, given.dtype)),
    };
    const same = answers.find(
      (other) =>
        JSON.stringify({ ...other, runtimes: [] }) === JSON.stringify({ runtimes: [], ...answer }),
    );
    if (same === undefined) answers.push({ runtimes: [name], ...answer });
    else same.runtimes.push(name);
  }
  return answers;
}

function rowOf(python: string, op: string, given: GoldenCase) {
  const module = moduleOfCase(op, given);
  const file = writeTflite(module);
  const graph = mainGraph(module);
  const described = (id: number) => {
    const { shape, quant, dtype } = tensorOf(graph, id);
    const [scale, zeroPoint] = [quant?.scales[0], quant?.zeroPoints[0]];
    const channels = quant?.axis == null ? {} : { scales: quant.scales, axis: quant.axis };
    return { shape, scale, zeroPoint, ...channels, ...(dtype === 'int8' ? {} : { dtype }) };
  };
  const ids = graph.nodes[0]?.inputs ?? [];
  return {
    edge: given.edge,
    inputs: given.inputs.map((input, i) => {
      if (input === null) return null;
      const own = described(ids[i] as number);
      return input.constant === true ? { ...own, constant: true } : own;
    }),
    outputs: (graph.nodes[0]?.outputs ?? []).map(described),
    values: given.inputs.map((input) => input && Array.from(input.values, Number)),
    expected: answersOf(python, file, given),
  };
}

const { values, positionals } = parseArgs({
  options: { python: { type: 'string', default: 'build/tflite/bin/python3' } },
  allowPositionals: true,
});
for (const [op, cases] of Object.entries(goldenCases)) {
  if (positionals.length > 0 && !positionals.includes(op)) continue;
  console.log(op);
  const path = new URL(`../test/golden/ops/${op}.json`, import.meta.url);
  const old = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as { edge: string }[])
    : [];
  const kept = old.filter(({ edge }) => !cases.some((given) => given.edge === edge));
  const rows = cases.map((given) => {
    try {
      return rowOf(values.python, op, given);
    } catch (error) {
      if (error instanceof BonsaiError) console.log(`  ${given.edge}: ${error.message}`);
      throw error;
    }
  });
  writeFileSync(path, `${JSON.stringify([...kept, ...rows])}\n`);
}
