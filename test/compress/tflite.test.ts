/** What quantization writes gives the bits of evaluate in TFLite's own interpreters. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { hasWideForm } from '../../src/compiler/formats/tflite/writers.js';
import {
  elementCount,
  type Module,
  mainGraph,
  rawBytes,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { typesOf } from '../../src/compiler/ir/op.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { opOf } from '../../src/compiler/ops/index.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import {
  type ActivationType,
  activationTypes,
  separated,
} from '../../src/compress/quantize/scheme.js';
import { withTypes } from '../../src/compress/quantize/types.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { BonsaiError } from '../../src/errors.js';
import { runHere } from '../support/command.js';
import { dequantized, quantizedOps } from '../support/dequantize.js';
import { FloatNetwork } from '../support/float-network.js';
import { growGraph } from '../support/graphs.js';
import { Random, randomInputs } from '../support/module.js';
import { samples } from '../support/samples.js';
import { pythonWith, type RuntimeJob, runtimeOutputs } from '../support/tflite-runtimes.js';

const models = 3;
const inputsOfEach = 2;

/** Random graphs around an operator, quantized from float; every computed tensor is an output. */
function quantizedModels(tf: Tf, op: string, type: ActivationType): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let seed = 1; seed <= 40 && found.length < models; seed += 1) {
    const module = growGraph({ ops: [op], seed });
    try {
      found.push(writeTflite(withAllOutputs(quantized(tf, module, seed, type))));
    } catch (error) {
      // Not every padding has a form in a file.
      if (!(error instanceof BonsaiError)) throw error;
    }
  }
  return found;
}

function quantized(tf: Tf, module: Module, seed: number, activations: ActivationType): Module {
  const { graph, types } = withTypes(separated(dequantized(module)), { activations });
  const [, ...shape] = tensorOf(graph, graph.inputs[0] ?? 0).shape;
  const random = new Random(seed);
  const length = 16 * elementCount(shape);
  const x = Float32Array.from({ length }, () => random.integer(-200, 200) / 50);
  const data = { where: 'random', count: 16, shape, x, labels: null, classes: null };
  const seen = observe(tf, runnerOf(tf, graph), data);
  const options = { calibration: 'min-max', weights: 'int8', types } as const;
  return lower(module, graph, quantizationOf(graph, seen, options));
}

function withAllOutputs(module: Module): Module {
  const graph = mainGraph(module);
  const outputs = [...new Set(graph.nodes.flatMap((node) => node.outputs))];
  const outputNames = outputs.map((id) => `output ${id}`);
  return { ...module, graphs: [{ ...graph, outputs }], outputNames };
}

type Rounding = 'tflm' | 'tflite-portable';

/** The file, on several inputs. */
function jobsOf(file: Uint8Array, rounding: Rounding, seed: number): readonly Job[] {
  const module = importModel(file, { name: 'model', where: 'model', rounding });
  const graph = mainGraph(module);
  return Array.from({ length: inputsOfEach }, (_, i) => {
    const inputs = randomInputs(module, seed * 100 + i) as readonly Int8Array[];
    const { outputs } = evaluateGraph(graph, inputs);
    const wanted = outputs.map((data) => new Int8Array(rawBytes(data).slice().buffer));
    return { file, inputs, outputs: wanted.length, wanted };
  });
}

interface Job extends RuntimeJob {
  /** As bytes. */
  readonly wanted: readonly Int8Array[];
}

/** As bytes, or why the runtime refuses the file. */
type Outputs = readonly Int8Array[] | string;

/**
 * Operators that the runtime does not have. Ruy's code for AVX rounds ties upward, unlike all other
 * builds of TFLite: its portable code runs.
 */
const runtimes = [
  {
    kind: 'tflm',
    rounding: 'tflm',
    name: 'tflite_micro',
    absent: ['exp', 'gelu', 'log', 'relu_0_to_1', 'relu_n1_to_1', 'sqrt', 'tile'],
    absentWide: [
      ...['batch_to_space_nd', 'mirror_pad', 'space_to_batch_nd'],
      // These are prepared and then fail.
      ...['reduce_max', 'reduce_min', 'resize_bilinear'],
    ],
    env: {},
  },
  {
    kind: 'builtin',
    rounding: 'tflite-portable',
    name: 'ai_edge_litert',
    absent: ['cumsum'],
    absentWide: [],
    env: { RUY_PATHS: '1' },
  },
] as const;

/** Operators that quantization makes, by the type of their tensors. */
const opsOf = {
  int8: quantizedOps,
  int16: quantizedOps.filter(
    (op) => typesOf(opOf({ op })).includes('int16') && hasWideForm({ op, attrs: {} }),
  ),
} as const;

for (const { kind, rounding, name, absent, absentWide, env } of runtimes) {
  describe(`quantized models in ${name}`, () => {
    const missing: Readonly<Record<ActivationType, readonly string[]>> = {
      int8: absent,
      int16: [...absent, ...absentWide],
    };
    const rows = activationTypes.flatMap((type) =>
      opsOf[type]
        .filter((op) => !missing[type].includes(op))
        .map((op) => ({ op, type, jobs: [] as Job[] })),
    );
    let outputsOf: (jobs: readonly Job[]) => readonly Outputs[];
    const outputs = new Map<Job, Outputs>();
    before(async function () {
      const python = pythonWith(this, name);
      outputsOf = (some) => runtimeOutputs(python, kind, some, { ...process.env, ...env });
      const { tf } = await loadBackend('wasm');
      for (const { op, type, jobs } of rows) {
        jobs.push(...quantizedModels(tf, op, type).flatMap((file, i) => jobsOf(file, rounding, i)));
      }
      const all = rows.flatMap(({ jobs }) => jobs);
      outputsOf(all).forEach((made, i) => {
        outputs.set(all[i] as Job, made);
      });
    });

    for (const { op, type, jobs } of rows) {
      it(`${op}, ${type}: the bits of evaluate in every tensor`, () => {
        expect(jobs).to.have.length(models * inputsOfEach);
        for (const job of jobs) expect(outputs.get(job)).to.deep.equal(job.wanted);
      });
    }

    for (const type of activationTypes) {
      it(`the file that bonsaic quantize --activations ${type} writes`, async () => {
        const folder = mkdtempSync(join(tmpdir(), 'quantize-'));
        try {
          const [model, data] = [join(folder, 'net.tflite'), join(folder, 'x.csv')];
          const network = new FloatNetwork([6, 6, 2], 4).conv(6).depthwise(3, 2).maxPool();
          network.conv(8, 1).conv(5, 1, 1, 'none').mean();
          if (!missing[type].includes('fully_connected')) network.dense(5, 'none');
          writeFileSync(model, writeTflite(network.softmax().module()));
          const { x } = samples(60, [72]);
          const rows = Array.from({ length: 60 }, (_, i) => x.subarray(i * 72, i * 72 + 72).join());
          const titles = Array.from({ length: 72 }, (_, i) => `f${i}`).join();
          writeFileSync(data, `${titles}\n${rows.join('\n')}\n`);
          const out = join(folder, 'out');
          const args = ['quantize', model, '--data', data, '-o', out, '--backend', 'wasm'];
          const { status, stderr } = await runHere([...args, '--activations', type]);
          expect(status, stderr).to.equal(0);
          const own = jobsOf(readFileSync(join(out, 'model.tflite')), rounding, 1);
          expect(outputsOf(own)).to.deep.equal(own.map(({ wanted }) => wanted));
          expect(own[0]?.inputs[0]).to.be.instanceOf(type === 'int8' ? Int8Array : Int16Array);
        } finally {
          rmSync(folder, { recursive: true });
        }
      });
    }
  });
}
