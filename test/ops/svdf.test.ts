/** svdf over sequences: the outputs of tflite-micro, and C against `evaluate`. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { builtinCode } from '../../src/compiler/formats/tflite/builtins.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import { encodeModel, type RawModel, typeCode } from '../formats/fixture.js';
import { expectGolden, readGolden } from '../support/golden.js';
import { Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { optionsOf } from '../support/options.js';
import { runtimeOutputs } from '../support/tflite-runtimes.js';

interface Case {
  readonly edge: string;
  readonly state: 'int8' | 'int16';
  readonly batches?: number;
  readonly inputs: number;
  readonly units: number;
  readonly rank: number;
  readonly memory: number;
  readonly zeroPoints?: readonly [input: number, state: number, output: number];
  /** Divides the scale of the state: beyond its type it saturates. */
  readonly saturation?: number;
}

const cases: readonly Case[] = [
  { edge: 'rank 1', state: 'int16', inputs: 4, units: 3, rank: 1, memory: 5 },
  { edge: 'rank 2, odd sizes', state: 'int16', inputs: 7, units: 5, rank: 2, memory: 3 },
  { edge: 'a memory of one run', state: 'int16', inputs: 3, units: 2, rank: 1, memory: 1 },
  { edge: 'two batches', state: 'int16', batches: 2, inputs: 5, units: 2, rank: 2, memory: 4 },
  {
    edge: 'zero points of inputs and outputs',
    ...{ state: 'int16', inputs: 6, units: 4, rank: 1, memory: 6, zeroPoints: [-7, 0, 11] },
  },
  {
    edge: 'a state that saturates',
    ...{ state: 'int16', inputs: 8, units: 4, rank: 1, memory: 4, saturation: 200 },
  },
  { edge: 'a state of int8', state: 'int8', inputs: 6, units: 4, rank: 2, memory: 5 },
  {
    edge: 'a state of int8 with a zero point, which is its initial value',
    ...{ state: 'int8', inputs: 6, units: 4, rank: 1, memory: 5, zeroPoints: [3, 9, -20] },
  },
];

const runs = 12;

/** One SVDF layer as a file. */
function fileOf(given: Case, seed: number): Uint8Array {
  const { state, batches = 1, inputs, units, rank, memory, saturation = 1 } = given;
  const random = new Random(seed);
  const filters = units * rank;
  const [inputZero, stateZero, outputZero] = given.zeroPoints ?? [0, 0, 0];
  const isWide = state === 'int16';
  const inputScale = 0.05;
  const featureScale = 0.01;
  const stateScale = (isWide ? 1 / 1024 : 1 / 8) / saturation;
  const timeScale = isWide ? 1 / 4096 : 1 / 64;
  const times = Int16Array.from(
    random.int32(filters * memory, isWide ? -4000 : -127, isWide ? 4000 : 127),
  );
  const raw = (data: ArrayBufferView) => ({
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
  const tensor = (
    name: string,
    type: 'int8' | 'int16' | 'int32',
    shape: number[],
    scale: number,
    zeroPoint = 0,
    buffer = 0,
  ) => ({
    ...{ name, type: typeCode(type), shape, buffer },
    quantization: { scale: [scale], zeroPoint: [zeroPoint] },
  });
  const model: RawModel = {
    version: 3,
    operatorCodes: [
      { deprecatedBuiltinCode: builtinCode('SVDF'), builtinCode: builtinCode('SVDF'), version: 3 },
    ],
    subgraphs: [
      {
        name: 'main',
        tensors: [
          tensor('input', 'int8', [batches, inputs], inputScale, inputZero),
          tensor('features', 'int8', [filters, inputs], featureScale, 0, 1),
          tensor('times', state, [filters, memory], timeScale, 0, 2),
          tensor('bias', 'int32', [units], stateScale * timeScale, 0, 3),
          {
            ...tensor('state', state, [batches, memory * filters], stateScale, stateZero),
            isVariable: true,
          },
          tensor('output', 'int8', [batches, units], 0.02, outputZero),
        ],
        inputs: [0],
        outputs: [5],
        operators: [
          {
            ...{ opcodeIndex: 0, inputs: [0, 1, 2, 3, 4], outputs: [5], builtinOptionsType: 6 },
            builtinOptions: { fields: optionsOf('SVDF'), values: { rank } },
          },
        ],
      },
    ],
    buffers: [
      {},
      raw(random.int8(filters * inputs, -127, 127)),
      raw(isWide ? times : Int8Array.from(times)),
      raw(random.int32(units, -3000, 3000)),
    ],
  };
  return encodeModel(model);
}

const inputsOf = ({ batches = 1, inputs }: Case, seed: number) =>
  new Random(100 + seed).int8(runs * batches * inputs);

const load = (file: Uint8Array): Module =>
  importModel(file, { name: 'svdf', where: 'svdf', rounding: 'tflm' });

/** The outputs of all runs in sequence. */
function evaluated(module: Module, values: Int8Array): readonly number[] {
  const graph = mainGraph(module);
  let states = initialStates(graph);
  const size = values.length / runs;
  return Array.from({ length: runs }, (_, run) => {
    const result = evaluateGraph(graph, [values.subarray(run * size, (run + 1) * size)], states);
    states = result.states;
    return Array.from(result.outputs[0] ?? [], Number);
  }).flat();
}

describe('operator svdf', () => {
  const python = fileURLToPath(new URL('../../build/tflite/bin/python3', import.meta.url));
  const path = 'sequences/svdf.json';

  /** UPDATE_GOLDEN=1 asks tflite-micro (scripts/setup.sh --tests). */
  function answers(): readonly (readonly number[])[] {
    if (process.env.UPDATE_GOLDEN === '1' && existsSync(python)) {
      const jobs = cases.map((given, seed) => ({
        ...{ file: fileOf(given, seed), inputs: [inputsOf(given, seed)], outputs: 1 },
      }));
      const all = runtimeOutputs(python, 'tflm', jobs).map((outputs, i) => {
        if (typeof outputs === 'string') throw new Error(`${cases[i]?.edge}: ${outputs}`);
        return Array.from(outputs[0] ?? []);
      });
      expectGolden(`[\n${all.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`, path);
    }
    return JSON.parse(readGolden(path));
  }

  for (const [seed, given] of cases.entries()) {
    it(`gives the bits of tflm over a sequence: ${given.edge}`, () => {
      const expected = answers()[seed];
      expect(new Set(expected).size, 'the outputs vary').to.be.above(2);
      expect(evaluated(load(fileOf(given, seed)), inputsOf(given, seed))).to.deep.equal(expected);
    });
  }

  const modules = () => cases.map((given, seed) => load(fileOf(given, seed)));
  it('in C gives the bits of evaluate over a sequence', () =>
    expectSameBits(modules(), { runs: 9 }));
  it('in C gives the bits of evaluate over a sequence, a kernel for each shape', () =>
    expectSameBits(modules(), { runs: 9, optimize: 'speed' }));

  it('refuses shapes that do not fit each other', () => {
    const broken = { ...(cases[0] as Case), rank: 1 };
    const file = fileOf(broken, 0);
    const module = load(file);
    const graph = mainGraph(module);
    const tensors = graph.tensors.map((tensor) =>
      tensor.name === 'times' ? { ...tensor, shape: [1, 15] } : tensor,
    );
    const node = graph.nodes[0];
    expect(node?.op).to.equal('svdf');
    expect(() =>
      evaluated({ ...module, graphs: [{ ...graph, tensors }] }, inputsOf(broken, 0)),
    ).to.throw(/do not fit each other/);
  });
});
