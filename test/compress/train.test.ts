import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Candidate } from '../../src/compress/candidate.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { separated } from '../../src/compress/quantize/scheme.js';
import { makeRandom } from '../../src/compress/random.js';
import { agreement, classesOf, floatAnswers, integerAnswers } from '../../src/compress/score.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import {
  type Checkpoint,
  loadCheckpoint,
  saveCheckpoint,
} from '../../src/compress/train/checkpoint.js';
import { train, trainDefaults } from '../../src/compress/train/loop.js';
import { type Graph, type Module, mainGraph } from '../../src/ir/graph.js';
import { FloatNetwork } from '../support/float-network.js';

/** Images with a bright square whose quarter is the class. */
function squares(count: number, seed: number): Dataset {
  const random = makeRandom(seed);
  const x = new Float32Array(count * 64);
  const labels = Int32Array.from({ length: count }, (_, i) => {
    const label = i % 4;
    for (let at = 0; at < 64; at += 1) {
      const quarter = (at >= 32 ? 2 : 0) + (at % 8 >= 4 ? 1 : 0);
      x[i * 64 + at] = random() * 0.9 + (quarter === label ? 0.6 : 0);
    }
    return label;
  });
  return { where: 'squares', count, shape: [8, 8, 1], x, labels, classes: ['a', 'b', 'c', 'd'] };
}

const network = () =>
  new FloatNetwork([8, 8, 1]).conv(6).maxPool().conv(8, 3, 2).dense(4, 'none').softmax();
const dense = (graph: Graph): Candidate => ({ graph, masks: new Map(), quantization: null });
const options = { ...trainDefaults, epochs: 6, batch: 32, learningRate: 0.01 };
const head = (({ graphs: _, ...rest }: Module) => rest)(network().module());

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
    const first = await train(tf, dense(network().graph()), data, null, options);
    expect(accuracy(first.graph)).to.be.above(0.9);
    expect(tf.memory().numTensors).to.equal(tensors);
    const second = await train(tf, dense(network().graph()), data, null, options);
    expect(weights(second)).to.deep.equal(weights(first));
    const other = await train(tf, dense(network().graph()), data, null, { ...options, seed: 2 });
    expect(weights(other)).not.to.deep.equal(weights(first));
  });

  it('ends the same from the checkpoint of any epoch', async () => {
    const states: Checkpoint[] = [];
    const quantization = quantized(dense(network().graph()).graph);
    const start = { ...dense(network().graph()), quantization };
    const whole = await train(tf, start, data, null, options, { save: (s) => states.push(s) });
    const resumed = await train(tf, start, data, null, options, {}, states[1]);
    expect(weights(resumed)).to.deep.equal(weights(whole));
    expect(resumed.quantization).to.deep.equal(whole.quantization);
  });

  function quantized(graph: Graph) {
    const seen = observe(tf, runnerOf(tf, graph), data);
    return quantizationOf(graph, seen, { calibration: 'min-max', weights: 'int4' });
  }

  it('keeps pruned weights at zero', async () => {
    const graph = network().graph();
    const id = graph.nodes[2]?.inputs[1] as number;
    const mask = Uint8Array.from(graph.tensors[id]?.data as Float32Array, (_, i) => i % 3 && 1);
    const { graph: trained } = await train(
      tf,
      { ...dense(graph), masks: new Map([[id, mask]]) },
      data,
      null,
      options,
    );
    const values = trained.tensors[id]?.data as Float32Array;
    expect([...values].every((value, i) => (i % 3 === 0) === (value === 0))).to.equal(true);
  });

  it('a student without labels learns the answers of its teacher', async () => {
    const { graph: teacher } = await train(tf, dense(network().graph()), data, null, options);
    const unlabelled = { ...data, labels: null, classes: null };
    const small = new FloatNetwork([8, 8, 1], 5).conv(4).maxPool().dense(4, 'none').softmax();
    const { graph: student } = await train(tf, dense(small.graph()), unlabelled, teacher, {
      ...options,
      epochs: 8,
    });
    expect(accuracy(student)).to.be.above(0.8);
  });

  it('with fake quantization answers as the int8 graph does', async () => {
    const { graph } = await train(tf, dense(separated(network().graph())), data, null, options);
    const start = { ...dense(graph), quantization: quantized(graph) };
    const { graph: trained, quantization } = await train(tf, start, data, graph, {
      ...options,
      learningRate: 0.002,
    });
    if (quantization === null) throw new RangeError('no quantization');
    const integer = mainGraph(lower(head, trained, quantization));
    const answers = classesOf(integerAnswers(tf, integer, test));
    expect(agreement(answers, test.labels as Int32Array)).to.be.above(0.9);
  });

  it('says that there is nothing to learn from, or that the loss diverges', async () => {
    const unlabelled = { ...data, labels: null, classes: null };
    const start = dense(network().graph());
    const wild = { ...options, learningRate: 1e30 };
    for (const [what, run] of [
      [/has no labels/, () => train(tf, start, unlabelled, null, options)],
      [/not a number any more in epoch 1/, () => train(tf, start, data, null, wild)],
    ] as const) {
      const error = await run().then(
        () => null,
        (reason: Error) => reason,
      );
      expect(error?.message).to.match(what);
    }
  });
});

describe('checkpoints', () => {
  const folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'state');
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
  for (const [edge, damage] of damages) {
    it(`of ${edge} are none`, () => {
      saveCheckpoint(path, 'job', state);
      damage();
      expect(loadCheckpoint(path, 'job')).to.equal(null);
    });
  }
});
