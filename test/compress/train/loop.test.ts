import {
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Graph, type Module, mainGraph } from '../../../src/compiler/ir/graph.js';
import type { Candidate } from '../../../src/compress/candidate.js';
import { subset } from '../../../src/compress/data/dataset.js';
import { lower } from '../../../src/compress/quantize/lower.js';
import { observe } from '../../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../../src/compress/quantize/ptq.js';
import { separated, type WeightType } from '../../../src/compress/quantize/scheme.js';
import { agreement, classesOf, floatAnswers, integerAnswers } from '../../../src/compress/score.js';
import { loadBackend, type Tf } from '../../../src/compress/tensorflow.js';
import { runnerOf } from '../../../src/compress/trace.js';
import {
  type Checkpoint,
  loadCheckpoint,
  saveCheckpoint,
} from '../../../src/compress/train/checkpoint.js';
import {
  type EpochReport,
  type TrainHooks,
  type TrainOptions,
  type TrainTask,
  train,
  trainDefaults,
} from '../../../src/compress/train/loop.js';
import { BonsaiError } from '../../../src/errors.js';
import { FloatNetwork } from '../../support/float-network.js';
import { squares, squaresNetwork } from '../../support/squares.js';

const network = squaresNetwork;
const dense = (graph: Graph): Candidate => ({ graph, masks: new Map(), quantization: null });
const options = { ...trainDefaults, epochs: 6, batch: 32, learningRate: 0.01 };
const head = (({ graphs: _, ...rest }: Module) => rest)(network().module());

const folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
const path = join(folder, 'state');
after(() => rmSync(folder, { recursive: true }));

describe('training', () => {
  let tf: Tf;
  const data = squares(256, 1);
  const test = squares(100, 2);
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const accuracy = (graph: Graph) =>
    agreement(classesOf(floatAnswers(tf, graph, test)), test.labels as Int32Array);
  const weights = ({ graph }: Candidate) => graph.tensors.map(({ data: values }) => values);

  it('learns, repeats to the bit, and leaves no tensor behind', async () => {
    const tensors = tf.memory().numTensors;
    const first = await train(tf, dense(network().graph()), { data, options });
    expect(accuracy(first.graph)).to.be.above(0.9);
    expect(tf.memory().numTensors).to.equal(tensors);
    const second = await train(tf, dense(network().graph()), { data, options });
    expect(weights(second)).to.deep.equal(weights(first));
    const seeded = { ...options, seed: 2 };
    const other = await train(tf, dense(network().graph()), { data, options: seeded });
    expect(weights(other)).not.to.deep.equal(weights(first));
  });

  function quantized(graph: Graph, type: WeightType = 'int4') {
    const seen = observe(tf, runnerOf(tf, graph), data);
    return quantizationOf(graph, seen, { calibration: 'min-max', weights: type });
  }

  /** Masks a third of the second layer's smallest weights from epoch 2 on. */
  function thinning(graph: Graph): NonNullable<TrainHooks['masks']> {
    const id = graph.nodes[2]?.inputs[1] as number;
    return (epoch, values) => {
      if (epoch !== 2) return null;
      const own = values.get(id) as Float32Array;
      const limit = [...own].map(Math.abs).sort((a, b) => a - b)[own.length / 3] as number;
      return new Map([[id, Uint8Array.from(own, (value) => (Math.abs(value) < limit ? 0 : 1))]]);
    };
  }

  const jobs: readonly (readonly [edge: string, job: (graph: Graph) => Job])[] = [
    ['in float32', () => ({})],
    ['that changes samples', () => ({ augmentation: { kind: 'image', shift: 0.2 } })],
    ['of scales', () => ({ quantization: true })],
    ['with earlier weights as a teacher', () => ({ averageDecay: 0.9 })],
    ['that stops early at its best', () => ({ patience: 2, learningRate: 0.05 })],
    ['that masks weights on its way', (graph) => ({ masks: thinning(graph) })],
    ['that began anew', () => ({ learningRate: 1e4, restarts: 10 })],
  ];
  interface Job extends Partial<TrainOptions> {
    readonly quantization?: true;
    readonly masks?: NonNullable<TrainHooks['masks']>;
  }
  for (const [edge, job] of jobs) {
    it(`a training ${edge} ends the same from a kill after any epoch`, async () => {
      const graph = network().graph();
      const { quantization, masks, ...changed } = job(graph);
      const start = { ...dense(graph), quantization: quantization ? quantized(graph) : null };
      const states: Checkpoint[] = [];
      const task: TrainTask = {
        data,
        validation: test,
        options: { ...options, ...changed },
        hooks: { save: (state) => states.push(state), ...(masks && { masks }) },
      };
      const whole = await train(tf, start, task);
      const last = states.length;
      expect(last).to.be.above(1);
      for (let epoch = 1; epoch < last; epoch += 1) {
        saveCheckpoint(path, edge, states[epoch - 1] as Checkpoint);
        const resume = loadCheckpoint(path, edge);
        expect(resume).not.to.equal(null);
        const resumed = await train(tf, start, { ...task, resume });
        expect(weights(resumed), `epoch ${epoch}`).to.deep.equal(weights(whole));
        expect(resumed.masks).to.deep.equal(whole.masks);
        expect(resumed.quantization).to.deep.equal(whole.quantization);
      }
    });
  }

  it('keeps the epoch with the best validation, and stops where none gets better', async () => {
    const seen: EpochReport[] = [];
    const byEpoch: Candidate['graph']['tensors'][] = [];
    const task: TrainTask = {
      data,
      validation: test,
      options: {
        ...options,
        epochs: 30,
        patience: 2,
        learningRate: 0.03,
        rateSchedule: 'constant',
      },
      hooks: {
        epoch: (report) => seen.push(report),
        save: ({ arrays }) =>
          byEpoch.push(
            network().tensors.map((tensor, id) => ({
              ...tensor,
              data: arrays.get(`weight/${id}`) ?? null,
            })),
          ),
      },
    };
    const trained = await train(tf, dense(network().graph()), task);
    const best = seen.findLastIndex(({ isBest }) => isBest);
    expect(seen).to.have.length(best + 3);
    expect(best).to.be.above(0);
    const { accuracy: wanted } = seen[best]?.validation ?? { accuracy: null };
    expect(accuracy(trained.graph)).to.equal(wanted);
    expect(weights(trained)).to.deep.equal(byEpoch[best]?.map(({ data: values }) => values));
    const last = await train(tf, dense(network().graph()), {
      ...task,
      options: { ...task.options, keepBest: false },
    });
    expect(weights(last)).to.deep.equal(byEpoch.at(-1)?.map(({ data: values }) => values));
  });

  it('keeps pruned weights at zero, whatever decays', async () => {
    const graph = network().graph();
    const id = graph.nodes[2]?.inputs[1] as number;
    const mask = Uint8Array.from(graph.tensors[id]?.data as Float32Array, (_, i) => i % 3 && 1);
    const start = { ...dense(graph), masks: new Map([[id, mask]]) };
    const { graph: trained } = await train(tf, start, {
      data,
      options: { ...options, weightDecay: 0.1 },
    });
    const values = trained.tensors[id]?.data as Float32Array;
    expect([...values].every((value, i) => (i % 3 === 0) === (value === 0))).to.equal(true);
  });

  it('decays weights, not biases', async () => {
    const graph = network().graph();
    const still = { ...options, learningRate: 1e-9, weightDecay: 1e7, epochs: 1 };
    const { graph: trained } = await train(tf, dense(graph), { data, options: still });
    graph.tensors.forEach(({ data: before, shape }, id) => {
      const [a, b] = [before, trained.tensors[id]?.data] as [Float32Array, Float32Array];
      const largest = (values: Float32Array) => Math.max(...values.map(Math.abs));
      if (a === null) return;
      if (shape.length === 1) expect(largest(b)).to.be.below(1e-6);
      else expect(largest(b) / largest(a)).to.be.within(0.9, 0.99);
    });
  });

  it('a clipped gradient is no longer than asked', async () => {
    // Adam is blind to the length of all gradients alike; a step after longer ones is not.
    const run = (clipNorm: number | null) =>
      train(tf, dense(network().graph()), { data, options: { ...options, epochs: 1, clipNorm } });
    const [free, wide, tight] = [await run(null), await run(1e9), await run(1e-3)];
    expect(weights(wide)).to.deep.equal(weights(free));
    expect(weights(tight)).not.to.deep.equal(weights(free));
  });

  it('balanced classes: a rare class is learned', async () => {
    const rare = (label: number, i: number) => label !== 3 || i < 16;
    const kept = [...(data.labels as Int32Array)].flatMap((label, i) =>
      rare(label, i) ? [i] : [],
    );
    const few = subset(data, kept);
    const right = async (classWeights: TrainOptions['classWeights']) => {
      const epochs = { ...options, epochs: 3, classWeights };
      const { graph } = await train(tf, dense(network().graph()), { data: few, options: epochs });
      const answers = classesOf(floatAnswers(tf, graph, test));
      return answers.filter((label, i) => label === 3 && test.labels?.[i] === 3).length;
    };
    expect(await right('balanced')).to.be.above(await right('equal'));
  });

  it('with fake quantization answers as the int8 graph does', async () => {
    const { graph } = await train(tf, dense(separated(network().graph())), { data, options });
    const start = { ...dense(graph), quantization: quantized(graph) };
    const { graph: trained, quantization } = await train(tf, start, {
      data,
      teachers: [graph],
      options: { ...options, learningRate: 0.002 },
    });
    if (quantization === null) throw new RangeError('no quantization');
    const integer = mainGraph(lower(head, trained, quantization));
    const answers = classesOf(integerAnswers(tf, integer, test));
    expect(agreement(answers, test.labels as Int32Array)).to.be.above(0.9);
  });

  const types = ['int8', 'int4', 'int3', 'int2', 'ternary', 'binary'] as const;
  for (const type of types) {
    it(`learns with ${type} weights`, async () => {
      const { graph } = await train(tf, dense(separated(network().graph())), { data, options });
      const start = { ...dense(graph), quantization: quantized(graph, type) };
      const losses: number[] = [];
      const trained = await train(tf, start, {
        data,
        options: { ...options, epochs: 4 },
        hooks: { epoch: ({ loss }) => losses.push(loss) },
      });
      if (trained.quantization === null) throw new RangeError('no quantization');
      const integer = mainGraph(lower(head, trained.graph, trained.quantization));
      const answers = classesOf(integerAnswers(tf, integer, test));
      expect(agreement(answers, test.labels as Int32Array)).to.be.above(0.9);
      expect(losses.at(-1)).to.be.below(losses[0] as number);
    });
  }

  it('begins anew at a tenth of the rate where it diverges, and says so', async () => {
    const said: string[] = [];
    const run = (learningRate: number, restarts: number) =>
      train(tf, dense(network().graph()), {
        data,
        options: { ...options, epochs: 2, learningRate, restarts },
        hooks: { say: (text) => said.push(text) },
      });
    const wild = await run(1e4, 10);
    expect(said[0]).to.match(/beyond all bounds in epoch 1; .* anew .* 1000$/);
    const rates = said.map((text) => Number(/\S+$/.exec(text)?.[0]));
    expect(weights(await run(rates.at(-1) as number, 0))).to.deep.equal(weights(wild));
  });

  const unlabelled = { ...data, labels: null, classes: null };
  const refusals: readonly (readonly [what: RegExp, task: Partial<TrainTask>])[] = [
    [/has no labels/, { data: unlabelled }],
    [/beyond all bounds in epoch 1/, { options: { ...options, learningRate: 1e30 } }],
    [/epochs: is 1.5/, { options: { ...options, epochs: 1.5 } }],
    [/warmup: is 2/, { options: { ...options, warmup: 2 } }],
    [/there are 4 classes/, { options: { ...options, classWeights: [1, 2] } }],
    [/there are 0, and 1 weights/, { options: { ...options, teacherWeights: [1] } }],
    [/has no teacher to compare/, { options: { ...options, featureWeight: 1 } }],
    [/takes 8×8×1 and gives 5 classes/, { teachers: [other(5).graph()] }],
  ];
  function other(classes: number) {
    return new FloatNetwork([8, 8, 1]).dense(classes, 'none').softmax();
  }
  for (const [what, task] of refusals) {
    it(`refuses: ${what.source}`, async () => {
      const error = await train(tf, dense(network().graph()), { data, options, ...task }).then(
        () => null,
        (reason: Error) => reason,
      );
      expect(`${error instanceof BonsaiError && error.where}: ${error?.message}`).to.match(what);
    });
  }
});

describe('checkpoints', () => {
  const state = {
    progress: { epochs: 3 },
    arrays: new Map([['a', Float32Array.of(1, Number.NaN, -0)]]),
  };

  it('come back as they were', () => {
    saveCheckpoint(path, 'job', state);
    expect(loadCheckpoint(path, 'job')).to.deep.equal(state);
  });

  const damages: readonly (readonly [edge: string, damage: () => void])[] = [
    ['another job', () => saveCheckpoint(path, 'other', state)],
    ['cut short', () => truncateSync(path, readFileSync(path).length - 1)],
    [
      'a flipped byte',
      () => {
        const bytes = readFileSync(path);
        bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
    ],
    ['not a checkpoint', () => writeFileSync(path, 'hello')],
    ['an empty file', () => writeFileSync(path, '')],
    ['no file', () => rmSync(path)],
  ];
  it('a link to a device that never ends is refused', () => {
    saveCheckpoint(path, 'job', state);
    rmSync(path);
    symlinkSync('/dev/zero', path);
    expect(() => loadCheckpoint(path, 'job')).to.throw(BonsaiError, /^is a device or a pipe/);
    rmSync(path);
  });

  for (const [edge, damage] of damages) {
    it(`of ${edge} are none`, () => {
      saveCheckpoint(path, 'job', state);
      damage();
      expect(loadCheckpoint(path, 'job')).to.equal(null);
    });
  }
});
