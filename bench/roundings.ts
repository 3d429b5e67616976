/**
 * Layers over the whole grid of windows, and operators on elements with scales at random, against the runtimes of
 * `--rounding`, bit for bit: kernels of 1 to 5, strides of 1 to 4, dilations, SAME and VALID, groups, multipliers of depth,
 * weights of int8 and int4, int8 and int16.
 *
 *     npx tsx bench/roundings.ts --python PYTHON [--count N] [--seed N] [--ops conv2d,…] [--roundings xnnpack,…]
 *
 * PYTHON has the packages tflite-micro and tensorflow-cpu. With another wheel of tflite-micro than that of package.json
 * (config.tflite_micro, whose bits `--rounding tflm` has) it says so: what differs then is what changed there. Prints each layer that differs or is refused here
 * alone, then for each rounding, operator and types the outcomes of COUNT layers and the elements compared.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { importModel } from '../src/compiler/formats/index.js';
import type { TensorData } from '../src/compiler/ir/graph.js';
import type { RuntimeRounding } from '../src/compiler/ir/rounding.js';
import { elementsOf, evaluateFile, portsOf, refusalOf } from '../test/support/corpus.js';
import { type RuntimeKind, runtimeOutputs } from '../test/support/tflite-runtimes.js';
import { elementLayer, elementOps } from './operators/elements.js';
import { type FileLayer, windowLayer, windowOps } from './operators/windows.js';

const runtimes: Readonly<Record<RuntimeRounding, RuntimeKind>> = {
  tflm: 'tflm',
  tflite: 'builtin',
  'tflite-portable': 'builtin',
  xnnpack: 'default',
};
/** Products of matrices in portable code. */
const portable = { ...process.env, RUY_PATHS: '1' };
const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    count: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    ops: { type: 'string' },
    roundings: { type: 'string' },
  },
});
const pinned = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    readonly config: { readonly tflite_micro: string };
  }
).config.tflite_micro;
const versionOf = "import importlib.metadata as m; print(m.version('tflite-micro'), end='')";
const { stdout: wheel } = spawnSync(values.python, ['-c', versionOf], { encoding: 'utf8' });
console.log(`tflite-micro ${wheel}${wheel === pinned ? '' : `, not ${pinned} of package.json`}`);

/** Whether a list of an option has a name; without the option all have. */
const isChosen = (list: string | undefined, name: string) =>
  list === undefined || list.split(',').includes(name);

const seeds = Array.from({ length: Number(values.count) }, (_, i) => Number(values.seed) + i);

/** A layer of each operator and seed. */
const layersOf = <Op extends string>(
  ops: readonly Op[],
  make: (op: Op, seed: number) => FileLayer | null,
) =>
  ops
    .filter((op) => isChosen(values.ops, op))
    .flatMap((op) => seeds.map((seed) => make(op, seed)))
    .filter((layer) => layer !== null);

const layers = [...layersOf(windowOps, windowLayer), ...layersOf(elementOps, elementLayer)];

/** How many elements differ, and by how much. */
function differenceOf(made: TensorData, wanted: TensorData): string | null {
  const errors = Array.from({ length: wanted.length }, (_, i) =>
    Math.abs(Number(wanted[i]) - Number(made[i])),
  );
  const wrong = errors.filter((error) => error !== 0);
  if (wrong.length === 0) return null;
  return `${wrong.length} of ${wanted.length}, by up to ${Math.max(...wrong)}`;
}

interface Outcome {
  readonly kind: 'exact' | 'differs' | 'refused here' | 'refused there' | 'refused by both';
  readonly elements: number;
  readonly why: string;
}

/** @param answer the runtime's outputs, or why it refuses the file */
function outcomeOf(
  { file, inputs }: FileLayer,
  answer: readonly Int8Array[] | string,
  rounding: RuntimeRounding,
): Outcome {
  const isRefused = typeof answer === 'string';
  try {
    const module = importModel(file, { name: 'layer', where: 'layer', rounding });
    if (isRefused) return { kind: 'refused there', elements: 0, why: answer };
    const ports = portsOf(file, 'layer');
    const [made] = evaluateFile(module, ports, inputs) as readonly [TensorData];
    const bytes = new Uint8Array((answer[0] as Int8Array).buffer);
    const wanted = elementsOf(ports.outputs[0]?.dtype ?? 'int8', bytes);
    const why = differenceOf(made, wanted);
    return { kind: why === null ? 'exact' : 'differs', elements: wanted.length, why: why ?? '' };
  } catch (error) {
    const kind = isRefused ? 'refused by both' : 'refused here';
    return { kind, elements: 0, why: refusalOf(error) };
  }
}

for (const [rounding, kind] of Object.entries(runtimes) as [RuntimeRounding, RuntimeKind][]) {
  if (!isChosen(values.roundings, rounding)) continue;
  const jobs = layers.map((layer) => ({ ...layer, outputs: 1 }));
  const env = rounding === 'tflite-portable' ? portable : process.env;
  const answers = runtimeOutputs(values.python, kind, jobs, env);
  const groups = new Map<string, Record<string, number>>();
  for (const [i, layer] of layers.entries()) {
    const { kind: outcome, elements, why } = outcomeOf(layer, answers[i] ?? '', rounding);
    const counts = groups.get(layer.group) ?? { elements: 0 };
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    counts.elements = (counts.elements ?? 0) + elements;
    groups.set(layer.group, counts);
    const isNews = outcome === 'differs' || outcome === 'refused here';
    if (isNews) console.log(`${rounding}, ${outcome}: ${layer.text}: ${why}`);
  }
  for (const [group, counts] of groups) console.log(rounding, group, JSON.stringify(counts));
}
