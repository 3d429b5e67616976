/** lstm over sequences of sequences: the outputs of tflite-micro, and C against `evaluate`. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { qemuCommand } from '../../src/boards/device/qemu.js';
import { importModel } from '../../src/compiler/formats/index.js';
import { builtinCode } from '../../src/compiler/formats/tflite/builtins.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { sigmoid16, tanh16, tanhScale } from '../../src/compiler/ops/arithmetic/sigmoid16.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import { BonsaiError } from '../../src/errors.js';
import { encodeModel, type RawModel, type RawTensor, typeCode } from '../formats/fixture.js';
import { expectSameBitsOnBoard } from '../support/board.js';
import { expectGolden, readGolden } from '../support/golden.js';
import { Random } from '../support/module.js';
import { expectSameBits } from '../support/native.js';
import { optionsOf } from '../support/options.js';
import { needs } from '../support/skip.js';
import { runtimeOutputs } from '../support/tflite-runtimes.js';

interface Case {
  readonly edge: string;
  readonly batches?: number;
  readonly steps: number;
  readonly inputs: number;
  readonly units: number;
  readonly timeMajor?: boolean;
  readonly cellClip?: number;
  /** Zero points of the input and of the hidden state. */
  readonly zeroPoints?: readonly [number, number];
  /** The cell's scale is 2^power. */
  readonly power?: number;
  /** Times the weights: gates saturate. */
  readonly gain?: number;
  /** Of the input and the hidden state; biases of int16 are int64, all of float32 is. Default: int8. */
  readonly activations?: 'int16' | 'float32';
  /** Instead of the types that go with the activations. */
  readonly inputType?: 'int8';
  readonly biasType?: 'int32';
  /** Runs that the golden answers have; default 6. */
  readonly runs?: number;
  /** Values that the outputs have at least; default 9. */
  readonly distinct?: number;
  /** SMLAD's sums of 32 bits do not do. */
  readonly isWide?: boolean;
}

const cases: readonly Case[] = [
  { edge: 'one step', steps: 1, inputs: 4, units: 3 },
  { edge: 'several steps', steps: 7, inputs: 5, units: 6 },
  { edge: 'zero points', steps: 4, inputs: 3, units: 5, zeroPoints: [-20, 9] },
  { edge: 'two batches', batches: 2, steps: 3, inputs: 4, units: 4 },
  { edge: 'time first', batches: 2, steps: 3, inputs: 4, units: 4, timeMajor: true },
  { edge: 'a clipped cell', steps: 6, inputs: 4, units: 4, cellClip: 0.3 },
  { edge: 'a coarse cell: its tanh shifts left', steps: 5, inputs: 4, units: 5, power: -10 },
  { edge: 'a fine cell: its tanh shifts right', steps: 5, inputs: 4, units: 5, power: -14 },
  { edge: 'gates that saturate', steps: 6, inputs: 6, units: 5, gain: 30 },
  ...[
    { edge: 'int16, one cell', steps: 3, inputs: 4, units: 1 },
    { edge: 'int16, several steps', steps: 7, inputs: 5, units: 6 },
    { edge: 'int16, two batches', batches: 2, steps: 3, inputs: 4, units: 4 },
    { edge: 'int16, time first', batches: 2, steps: 3, inputs: 3, units: 4, timeMajor: true },
    { edge: 'int16, a clipped cell', steps: 6, inputs: 4, units: 4, cellClip: 0.3 },
    { edge: 'int16, gates that saturate', steps: 6, inputs: 6, units: 5, gain: 30 },
    {
      edge: 'int16, scales too large for sums of 32 bits',
      steps: 4,
      inputs: 6,
      units: 5,
      gain: 9000,
      isWide: true,
    },
    { edge: 'int16, zero points', steps: 4, inputs: 3, units: 5, zeroPoints: [-20, 9] as const },
    { edge: 'int16, a coarse cell', steps: 5, inputs: 7, units: 9, power: -10 },
    { edge: 'int16, a fine cell', steps: 5, inputs: 8, units: 8, power: -14 },
    { edge: 'int16, 128 cells', steps: 20, inputs: 64, units: 128, gain: 0.05, runs: 1 },
  ].map((given) => ({ ...given, activations: 'int16' as const })),
  ...[
    { edge: 'float32, one cell', steps: 3, inputs: 4, units: 1 },
    { edge: 'float32, two batches', batches: 2, steps: 3, inputs: 4, units: 5 },
    { edge: 'float32, time first', batches: 2, steps: 3, inputs: 3, units: 4, timeMajor: true },
    { edge: 'float32, a clipped cell', steps: 6, inputs: 4, units: 4, cellClip: 0.3 },
    { edge: 'float32, gates that saturate', steps: 6, inputs: 6, units: 5, gain: 30 },
    {
      ...{ edge: 'float32, gates that overflow', steps: 2, inputs: 3, units: 4 },
      ...{ gain: 1e38, distinct: 3 },
    },
  ].map((given) => ({ ...given, activations: 'float32' as const })),
];

const one16 = { activations: 'int16', steps: 2, inputs: 3, units: 2 } as const;

/** One LSTM layer as a file: 0 input, 1 to 8 weights, 9 to 12 biases, 13 and 14 states, 15 output. */
function fileOf(given: Case, seed: number): Uint8Array {
  const { batches = 1, steps, inputs, units, timeMajor = false, cellClip = 0 } = given;
  const { activations = 'int8' } = given;
  const { zeroPoints: [inputZero, hiddenZero] = [0, 0], power = -12, gain = 1 } = given;
  const [isWide, isReal] = [activations === 'int16', activations === 'float32'];
  const random = new Random(seed);
  const raw = (data: ArrayBufferView) => ({
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
  const tensor = (
    name: string,
    type: 'int8' | 'int16' | 'int32' | 'int64' | 'float32',
    shape: number[],
    scale: number,
    more: Partial<RawTensor> & { zeroPoint?: number } = {},
  ): RawTensor => {
    const { zeroPoint = 0, ...rest } = more;
    if (isReal) return { name, type: typeCode('float32'), shape, buffer: 0, ...rest };
    const quantization = { scale: [scale], zeroPoint: [zeroPoint] };
    return { name, type: typeCode(type), shape, buffer: 0, quantization, ...rest };
  };
  const [inputScale, hiddenScale] = isWide ? [0.03 / 256, 1 / 32768] : [0.03, 1 / 128];
  const { biasType = isWide ? 'int64' : 'int32' } = given;
  const biasesOf = (values: Int32Array) => {
    if (isReal) return Float32Array.from(values, (value) => value / 3000);
    return biasType === 'int64'
      ? BigInt64Array.from(values, (value) => 256n * BigInt(value))
      : values;
  };
  const weightsOf = (count: number, scale: number) => {
    const values = random.int8(count, -127, 127);
    return raw(isReal ? Float32Array.from(values, (value) => value * scale) : values);
  };
  const scaleOf = (k: number) => 0.004 * gain * (1 + k / 10);
  const gates = [0, 1, 2, 3];
  const outer = timeMajor ? [steps, batches] : [batches, steps];
  const model: RawModel = {
    version: 3,
    operatorCodes: [
      {
        deprecatedBuiltinCode: builtinCode('UNIDIRECTIONAL_SEQUENCE_LSTM'),
        builtinCode: builtinCode('UNIDIRECTIONAL_SEQUENCE_LSTM'),
        version: 1,
      },
    ],
    subgraphs: [
      {
        name: 'main',
        tensors: [
          tensor('input', given.inputType ?? activations, [...outer, inputs], inputScale, {
            zeroPoint: inputZero,
          }),
          ...gates.map((k) =>
            tensor(`w${k}`, 'int8', [units, inputs], scaleOf(k), { buffer: 1 + k }),
          ),
          ...gates.map((k) =>
            tensor(`r${k}`, 'int8', [units, units], scaleOf(k) * 1.3, { buffer: 5 + k }),
          ),
          ...gates.map((k) =>
            tensor(`b${k}`, biasType, [units], inputScale * scaleOf(k), {
              buffer: 9 + k,
            }),
          ),
          tensor('hidden', activations, [batches, units], hiddenScale, {
            ...{ zeroPoint: hiddenZero, isVariable: true },
          }),
          tensor('cell', 'int16', [batches, units], 2 ** power, { isVariable: true }),
          tensor('output', activations, [...outer, units], hiddenScale, { zeroPoint: hiddenZero }),
        ],
        inputs: [0],
        outputs: [15],
        operators: [
          {
            ...{ opcodeIndex: 0, outputs: [15], builtinOptionsType: 71 },
            inputs: [
              ...[0, 1, 2, 3, 4, 5, 6, 7, 8, -1, -1, -1, 9, 10, 11, 12],
              ...[-1, -1, 13, 14, -1, -1, -1, -1],
            ],
            builtinOptions: {
              fields: optionsOf('UNIDIRECTIONAL_SEQUENCE_LSTM'),
              values: { activation: 4, cellClip, projectionClip: 0, timeMajor },
            },
          },
        ],
      },
    ],
    buffers: [
      {},
      ...gates.map((k) => weightsOf(units * inputs, scaleOf(k))),
      ...gates.map((k) => weightsOf(units * units, scaleOf(k) * 1.3)),
      ...gates.map(() => raw(biasesOf(random.int32(units, -2000, 2000)))),
    ],
  };
  return encodeModel(model);
}

type Elements = Int8Array | Int16Array | Float32Array;

function inputsOf(
  { batches = 1, steps, inputs, activations, runs = 6 }: Case,
  seed: number,
): Elements {
  const random = new Random(100 + seed);
  const count = runs * batches * steps * inputs;
  return activations ? (random.elements(activations, count) as Elements) : random.int8(count);
}

const load = (file: Uint8Array): Module =>
  importModel(file, { name: 'lstm', where: 'lstm', rounding: 'tflm' });

/** The outputs of all runs in sequence. */
function evaluated(module: Module, values: Elements, runs = 6): readonly number[] {
  const graph = mainGraph(module);
  let states = initialStates(graph);
  const size = values.length / runs;
  return Array.from({ length: runs }, (_, run) => {
    const result = evaluateGraph(graph, [values.subarray(run * size, (run + 1) * size)], states);
    states = result.states;
    return Array.from(result.outputs[0] ?? [], Number);
  }).flat();
}

describe('operator lstm', () => {
  const python = fileURLToPath(new URL('../../build/tflite/bin/python3', import.meta.url));
  const path = 'sequences/lstm.json';

  /** UPDATE_GOLDEN=1 asks tflite-micro (scripts/setup.sh --tests). */
  function answers(): readonly (readonly number[])[] {
    if (process.env.UPDATE_GOLDEN === '1' && existsSync(python)) {
      const jobs = cases.map((given, seed) => ({
        ...{ file: fileOf(given, seed), inputs: [inputsOf(given, seed)], outputs: 1 },
      }));
      const all = runtimeOutputs(python, 'tflm', jobs).map((outputs, i) => {
        if (typeof outputs === 'string') throw new Error(`${cases[i]?.edge}: ${outputs}`);
        const bytes = outputs[0] as Int8Array<ArrayBuffer>;
        const types = { int8: Int8Array, int16: Int16Array, float32: Float32Array };
        return Array.from(new types[cases[i]?.activations ?? 'int8'](bytes.buffer));
      });
      expectGolden(`[\n${all.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`, path);
    }
    return JSON.parse(readGolden(path));
  }

  for (const [seed, given] of cases.entries()) {
    it(`gives the bits of tflm over runs that follow each other: ${given.edge}`, () => {
      const expected = answers()[seed];
      expect(new Set(expected).size, 'the outputs vary').to.be.least(given.distinct ?? 9);
      const module = load(fileOf(given, seed));
      const made = evaluated(module, inputsOf(given, seed), given.runs);
      if (given.activations !== 'float32') {
        expect(made).to.deep.equal(expected);
        return;
      }
      // tanhf of the runtime's C library is off by up to 2 units in the last place, of an output at most 1.
      for (const [i, value] of made.entries()) {
        // JSON has null for NaN.
        const wanted = expected?.[i] ?? Number.NaN;
        const isClose = Object.is(value, wanted) || Math.abs(value - wanted) <= 5e-7;
        expect(isClose, `${value}, not ${wanted} at ${i}`).to.equal(true);
      }
    });
  }

  const refusals: readonly [Case, RegExp][] = [
    [{ edge: 'biases of int32', ...one16, biasType: 'int32' }, /input 11 is int32/],
    [{ edge: 'inputs of int8', ...one16, inputType: 'int8' }, /input 2 is int8/],
    [{ edge: 'a scale beyond 2^7', ...one16, gain: 1e6 }, /unit 0 can overflow the 32 bits/],
  ];
  for (const [given, message] of refusals) {
    it(`refuses int16 with ${given.edge}`, () => {
      expect(() => load(fileOf(given, 1))).to.throw(BonsaiError, message);
    });
  }

  const modules = () => cases.map((given, seed) => load(fileOf(given, seed)));
  it('in C gives the bits of evaluate over runs that follow each other', () =>
    expectSameBits(modules(), { runs: 5 }));
  it('in C gives the bits of evaluate, a kernel for each shape', () =>
    expectSameBits(modules(), { runs: 5, optimize: 'speed' }));

  /** Depths of all remainders, and around a round of the unrolled loop; blocks of eight units. */
  const deep: readonly Case[] = [
    { edge: '8 units', steps: 2, inputs: 8, units: 8 },
    { edge: '9 units', steps: 2, inputs: 64, units: 9 },
    { edge: '17 units', steps: 2, inputs: 65, units: 17, zeroPoints: [5, -3] },
    { edge: '2 inputs', steps: 2, inputs: 2, units: 12 },
    { edge: 'weights that only fit shifted less', steps: 3, inputs: 7, units: 5, gain: 60 },
  ];
  const deep16 = deep.map((given) => ({ ...given, activations: 'int16' as const }));
  const narrow = [...cases, ...deep, ...deep16].filter(
    ({ isWide, activations }) => isWide !== true && activations !== 'float32',
  );
  const smlad = () => narrow.map((given, seed) => load(fileOf(given, seed)));
  const options = { kernel: 'dsp/lstm', runs: 5 } as const;
  it('in C with products of two, the twin of SMLAD', () => expectSameBits(smlad(), options));
  it('with SMLAD on a simulated Cortex-M4, chosen by its cost', async function () {
    needs(this, qemuCommand);
    const kernels = await expectSameBitsOnBoard(smlad(), 'stm32f405', options);
    expect(new Set(kernels)).to.deep.equal(new Set(['dsp/lstm']));
  });

  it('sigmoid and tanh saturate and are odd around their middle, as the table has it', () => {
    expect([0, 32767, -32768].map(sigmoid16)).to.deep.equal([16384, 32757, 11]);
    const scale = tanhScale(-12);
    expect([0, 32767, -32768].map((x) => tanh16(x, scale))).to.deep.equal([0, 32767, -32767]);
    for (let x = 1; x < 32768; x += 97) {
      expect(Math.abs(sigmoid16(x) + sigmoid16(-x) - 32768), `${x}`).to.be.below(2);
      expect(Math.abs(tanh16(x, scale) + tanh16(-x, scale)), `${x}`).to.be.below(2);
    }
  });
});
