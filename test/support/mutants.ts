/** Mutants of .tflite files, by number, and what becomes of each on the whole way to C. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';
import { loadTarget } from '../../src/boards/target/index.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { BonsaiError } from '../../src/errors.js';
import { inspectModel } from '../../src/pipeline/inspect.js';
import type { CompileRequest } from '../../src/pipeline/types.js';
import { compile } from '../../src/pipeline.js';
import { makeReport } from '../../src/report/index.js';
import { mutatedFile } from '../formats/mutations.js';
import { damaged } from './fuzz-import.js';
import { growths } from './graphs.js';
import { Random } from './module.js';
import { once } from './once.js';
import { type Place, scalarsOf } from './scalars.js';

export interface Mutant {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly target: string;
  readonly options: CompileOptions;
}

interface Origin {
  readonly name: string;
  readonly bytes: Uint8Array;
  places: readonly Place[] | null;
}

/** Small files of each kind that Keras makes, of control flow, and the example. */
const origins = once((): readonly Origin[] => {
  const read = (path: string) => readFileSync(fileURLToPath(new URL(path, import.meta.url)));
  const archive = unzipSync(read('../corpus/keras.zip'));
  const flows = ['turns', 'nested', 'branches', 'many'];
  return [
    ...Object.entries(archive).filter(([name]) => name.endsWith('.tflite')),
    ...flows.map((name) => [name, read(`../corpus/control-flow/${name}.tflite`)] as const),
    ['activity', read('../../examples/activity/activity.tflite')] as const,
  ].map(([name, bytes]) => ({ name, bytes: Uint8Array.from(bytes), places: null }));
});

const integers = [
  ...[0, 1, -1, 2, 3, 4, 5, 7, 8, 16, 127, 128, -128, 255, 1000, 4096, 32767, 65535, 65536],
  ...[2 ** 20, 2 ** 22 + 1, 2 ** 24, 2 ** 30, 2 ** 31 - 1, -(2 ** 31)],
];
const floats = [
  ...[0, -0, 1, -1, 0.5, 1e-3, 1e-30, 1e-45, 1e30, 3.4e38],
  ...[Infinity, -Infinity, Number.NaN],
];

/** One scalar replaced by a value at an edge, or by a near one. */
function scalarChanged(bytes: Uint8Array, { at, bytes: width, isFloat }: Place, random: Random) {
  const view = new DataView(bytes.buffer);
  if (isFloat) {
    const near = view.getFloat32(at, true) * random.pick([0, -1, 1e-3, 1e3, 2, 1e9]);
    return view.setFloat32(at, random.integer(0, 1) ? near : random.pick(floats), true);
  }
  const now = width === 1 ? view.getInt8(at) : view.getInt32(at, true);
  const near = random.pick([now + 1, now - 1, 2 * now, -now, now << 8, now >> 1]);
  const value = random.integer(0, 2) === 0 ? near : random.pick(integers);
  if (width === 1) view.setInt8(at, value & 0xff);
  else view.setInt32(at, value, true);
}

function mutatedOrigin(random: Random, largest: number): { name: string; bytes: Uint8Array } {
  const origin = random.pick(origins().filter(({ bytes }) => bytes.length <= largest));
  if (random.integer(0, 4) === 0) return { ...origin, bytes: damaged(origin.bytes, random) };
  origin.places ??= scalarsOf(origin.bytes);
  const bytes = origin.bytes.slice();
  for (let n = random.integer(1, 3); n > 0; n--) {
    scalarChanged(bytes, random.pick(origin.places), random);
  }
  return { name: origin.name, bytes };
}

const targets = ['rp2040', 'stm32f405', 'esp32c3', 'mps3-an547', 'host'];
const operators = Object.keys(growths);

/** Mutant `number`: the same bytes and options for the same number. `largest`: of files, in bytes. */
export function mutantOf(number: number, largest = 20_000): Mutant {
  const random = new Random(number * 7_919 + 17);
  const grown = () => {
    const ops = Array.from({ length: random.integer(1, 3) }, () => random.pick(operators));
    const bytes = mutatedFile({ ops, seed: number }, random.integer(1, 3), random);
    return bytes === null ? null : { name: ops.join('+'), bytes };
  };
  const file = (number % 2 === 0 ? grown() : null) ?? mutatedOrigin(random, largest);
  return {
    ...file,
    target: random.pick(targets),
    options: {
      optimize: random.pick(['speed', 'balanced', 'size'] as const),
      rounding: random.pick(['tflm', 'tflm', 'tflite-portable', 'tflite', 'xnnpack'] as const),
      faithful: random.integer(0, 4) === 0,
      keepInput: random.integer(0, 4) === 0,
      xip: 'model',
      ...(random.integer(0, 9) === 0 ? { stream: { axis: 1, hop: random.integer(1, 3) } } : {}),
    },
  };
}

/**
 * 'compiled', 'inspected', or the code of the error that refuses the mutant.
 *
 * @param most what is done with it at most
 *
 * @throws any other exception, which is a fault of bonsaic
 */
export function outcomeOfMutant(
  { bytes, name, target, options }: Mutant,
  most: 'inspect' | 'compile' = 'compile',
): string {
  const path = `${name.slice(0, 40)}.tflite`;
  const request: CompileRequest = { bytes, path, options, target: loadTarget(target) };
  try {
    const { fault } = inspectModel(request);
    if (most === 'inspect') return fault?.code ?? 'inspected';
    const { emission } = compile(request);
    makeReport({ manifest: emission.manifest, target: request.target });
    return 'compiled';
  } catch (error) {
    if (error instanceof BonsaiError) return error.code;
    throw error;
  }
}
