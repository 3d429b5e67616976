/**
 * Each layer of Keras, converted to int8 by TensorFlow: compiles and gives the runtimes' bits, or is
 * in keras.json with what happens instead. UPDATE_GOLDEN=1 rewrites that table, which may only
 * shrink; keras_layers.py makes the models and the answers.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { strFromU8, unzipSync } from 'fflate';
import { replaceSection } from '../../bench/document.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { importModel } from '../../src/compiler/formats/index.js';
import { type Module, mainGraph, type TensorData } from '../../src/compiler/ir/graph.js';
import { type RuntimeRounding, roundings } from '../../src/compiler/ir/rounding.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import {
  difference,
  elementsFrom,
  evaluateFile,
  type FilePort,
  type Outcome,
  portsOf,
  refusalOf,
} from '../support/corpus.js';
import { expectSameBits } from '../support/native.js';
import { defaults } from '../support/plan.js';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** [run][output][element], or why the runtime refuses the model. */
type Answers = readonly (readonly (readonly number[])[])[] | string;

interface Vectors extends Readonly<Record<RuntimeRounding, Answers>> {
  readonly inputs: readonly (readonly (readonly number[])[])[];
}

const archive = unzipSync(readFileSync(here('keras.zip')));
const names = Object.keys(archive).flatMap((file) => /^(.*)\.tflite$/.exec(file)?.[1] ?? []);

function moduleOf(name: string, rounding: RuntimeRounding): Module {
  const bytes = archive[`${name}.tflite`] as Uint8Array;
  const source = importModel(bytes, { name, where: `${name}.tflite`, rounding });
  return runPasses(source, { faithful: false });
}

function outcomeOf(name: string, rounding: RuntimeRounding): Outcome {
  const bytes = archive[`${name}.tflite`] as Uint8Array;
  const vectors = JSON.parse(strFromU8(archive[`${name}.json`] as Uint8Array)) as Vectors;
  const ports = portsOf(bytes, name);
  // Where a runtime does not run a model, there are the bits of another, which its rounding gives.
  const runs = (each: RuntimeRounding) => typeof vectors[each] !== 'string';
  const asked = [rounding, 'tflite-portable' as const, 'tflm' as const].find(runs) ?? rounding;
  const answers = vectors[asked];
  if (typeof answers === 'string') return `no answer: ${answers}`;
  const typed = (all: readonly FilePort[], values: readonly (readonly number[])[]) =>
    values.map((each, i) => elementsFrom(all[i]?.dtype ?? 'int8', each));
  try {
    const module = moduleOf(name, asked);
    const made = vectors.inputs.flatMap((inputs) =>
      evaluateFile(module, ports, typed(ports.inputs, inputs)),
    );
    const expected = answers.flatMap((outputs) => typed(ports.outputs, outputs));
    return isNear(made, expected) ? near : difference(made, expected);
  } catch (error) {
    return refusalOf(error);
  }
}

/** Of outputs of float32: functions of a runtime's C library are off by a unit in the last place or two. */
const near = 'exact but for the last bits of float32';

function isNear(made: readonly TensorData[], expected: readonly TensorData[]): boolean {
  if (difference(made, expected) === 'exact') return false;
  return expected.every((values, i) =>
    Array.from(values, Number).every((value, at) => {
      const apart = Math.abs(Number(made[i]?.[at]) - value);
      return values instanceof Float32Array && apart <= 2 ** -20 * Math.max(1, Math.abs(value));
    }),
  );
}

const plan = (module: Module) =>
  makePlan(module, analyse(mainGraph(module)), loadTarget('rp2040'), {
    ...defaults,
    faithful: false,
  });

describe('layers of Keras', () => {
  const tableFile = here('keras.json');
  /** Of the cases that are not exact. */
  const table = JSON.parse(readFileSync(tableFile, 'utf8')) as Record<string, Outcome>;
  const found = new Map<string, Outcome>();

  for (const name of names) {
    it(name, () => {
      for (const rounding of roundings) {
        const row = rounding === 'tflm' ? name : `${name}, ${rounding}`;
        const outcome = outcomeOf(name, rounding);
        // A row for another rounding says what differs from the first.
        if (rounding === 'tflm' || outcome !== found.get(name)) found.set(row, outcome);
        if (process.env.UPDATE_GOLDEN === '1') continue;
        const expected = table[row] ?? (rounding === 'tflm' ? 'exact' : table[name]) ?? 'exact';
        expect(outcome, row).to.equal(expected);
      }
    });
  }

  for (const rounding of ['tflm', 'xnnpack'] as const) {
    it(`gives the same bits as C, --rounding ${rounding}, under sanitizers`, async () => {
      const modulesOf = (outcome: Outcome) =>
        names
          .filter((name) => (found.get(name) ?? 'exact') === outcome)
          .map((name) => moduleOf(name, rounding));
      await expectSameBits(modulesOf('exact'));
      // Loops need a real plan: each tensor of a simple one has memory of its own, a loop's values too.
      await expectSameBits(modulesOf(near), { plan });
    });
  }

  after(() => {
    if (process.env.UPDATE_GOLDEN !== '1') return;
    const rows = [...found].filter(([row, outcome]) => outcome !== 'exact' || row.includes(','));
    writeFileSync(tableFile, `${JSON.stringify(Object.fromEntries(rows), null, 2)}\n`);
    replaceSection('keras', summaryOf(found), 'docs/operators.md');
  });
});

/** For docs/operators.md: the outcomes of `--rounding tflm`, most frequent first. */
function summaryOf(found: ReadonlyMap<string, Outcome>): string {
  const cases = new Map<Outcome, string[]>();
  for (const name of names) {
    const outcome = found.get(name) ?? '';
    cases.set(outcome, [...(cases.get(outcome) ?? []), name]);
  }
  const rows = [...cases]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([outcome, all]) => {
      return `| ${outcome} | ${all.length} | ${outcome === 'exact' ? '' : all.join(', ')} |`;
    });
  return [
    '',
    `Of ${names.length} layers:`,
    '',
    '| outcome | layers | |',
    '|---|--:|---|',
    ...rows,
    '',
  ].join('\n');
}
