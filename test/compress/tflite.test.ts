/** What quantization writes gives the bits of evaluate in TFLite's own interpreters. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { separated } from '../../src/compress/quantize/scheme.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { BonsaiError } from '../../src/errors.js';
import { importModel } from '../../src/import/index.js';
import {
  elementCount,
  type Module,
  mainGraph,
  type TensorData,
  tensorOf,
} from '../../src/ir/graph.js';
import { evaluateGraph } from '../../src/ops/evaluate.js';
import { writeTflite } from '../../src/write/tflite.js';
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
function quantizedModels(tf: Tf, op: string): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let seed = 1; seed <= 40 && found.length < models; seed += 1) {
    const module = growGraph({ ops: [op], seed });
    try {
      found.push(writeTflite(withAllOutputs(quantized(tf, module, seed))));
    } catch (error) {
      // Not every padding has a form in a file.
      if (!(error instanceof BonsaiError)) throw error;
    }
  }
  return found;
}

function quantized(tf: Tf, module: Module, seed: number): Module {
  const graph = separated(dequantized(module));
  const [, ...shape] = tensorOf(graph, graph.inputs[0] ?? 0).shape;
  const random = new Random(seed);
  const length = 16 * elementCount(shape);
  const x = Float32Array.from({ length }, () => random.integer(-200, 200) / 50);
  const data = { where: 'random', count: 16, shape, x, labels: null, classes: null };
  const seen = observe(tf, runnerOf(tf, graph), data);
  const options = { calibration: 'min-max', weights: 'int8' } as const;
  return lower(module, graph, quantizationOf(graph, seen, options));
}

function withAllOutputs(module: Module): Module {
  const graph = mainGraph(module);
  const outputs = [...new Set(graph.nodes.flatMap((node) => node.outputs))];
  const outputNames = outputs.map((id) => `output ${id}`);
  return { ...module, graphs: [{ ...graph, outputs }], outputNames };
}

type Rounding = 'tflm' | 'tflite';

/** The file, on several inputs. */
function jobsOf(file: Uint8Array, rounding: Rounding, seed: number): readonly Job[] {
  const module = importModel(file, { name: 'model', where: 'model', rounding });
  const graph = mainGraph(module);
  return Array.from({ length: inputsOfEach }, (_, i) => {
    const inputs = randomInputs(module, seed * 100 + i) as readonly Int8Array[];
    const { outputs: wanted } = evaluateGraph(graph, inputs);
    return { file, inputs, outputs: wanted.length, wanted };
  });
}

interface Job extends RuntimeJob {
  readonly wanted: readonly TensorData[];
}

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
    env: {},
  },
  {
    kind: 'builtin',
    rounding: 'tflite',
    name: 'ai_edge_litert',
    absent: [],
    env: { RUY_PATHS: '1' },
  },
] as const;

for (const { kind, rounding, name, absent, env } of runtimes) {
  describe(`quantized models in ${name}`, () => {
    const ops = quantizedOps.filter((one) => !absent.some((missing) => missing === one));
    let outputsOf: (jobs: readonly Job[]) => ReturnType<typeof runtimeOutputs>;
    const jobs: Job[] = [];
    const outputs = new Map<Job, readonly Int8Array[] | string>();
    const byOp = new Map<string, readonly Job[]>();
    before(async function () {
      const python = pythonWith(this, name);
      outputsOf = (some) => runtimeOutputs(python, kind, some, { ...process.env, ...env });
      const { tf } = await loadBackend('wasm');
      for (const op of ops) {
        const own = quantizedModels(tf, op).flatMap((file, i) => jobsOf(file, rounding, i));
        byOp.set(op, own);
        jobs.push(...own);
      }
      outputsOf(jobs).forEach((made, i) => {
        outputs.set(jobs[i] as Job, made);
      });
    });

    for (const op of ops) {
      it(`${op}: the bits of evaluate in every tensor`, () => {
        const own = byOp.get(op) ?? [];
        expect(own).to.have.length(models * inputsOfEach);
        for (const job of own) expect(outputs.get(job)).to.deep.equal(job.wanted);
      });
    }

    it('the file that bonsaic quantize writes', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'quantize-'));
      try {
        const [model, data] = [join(folder, 'net.tflite'), join(folder, 'x.csv')];
        const network = new FloatNetwork([6, 6, 2], 4).conv(6).depthwise(3, 2).maxPool();
        writeFileSync(
          model,
          writeTflite(network.conv(8, 1).mean().dense(5, 'none').softmax().module()),
        );
        const { x } = samples(60, [72]);
        const rows = Array.from({ length: 60 }, (_, i) => x.subarray(i * 72, i * 72 + 72).join());
        writeFileSync(
          data,
          `${Array.from({ length: 72 }, (_, i) => `f${i}`).join()}\n${rows.join('\n')}\n`,
        );
        const out = join(folder, 'out');
        const args = ['quantize', model, '--data', data, '-o', out, '--backend', 'wasm'];
        const { status, stderr } = await runHere(args);
        expect(status, stderr).to.equal(0);
        const own = jobsOf(readFileSync(join(out, 'model.tflite')), rounding, 1);
        expect(outputsOf(own)).to.deep.equal(own.map(({ wanted }) => wanted));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
}
