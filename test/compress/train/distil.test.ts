import { expect } from 'chai';
import type { Graph } from '../../../src/compiler/ir/graph.js';
import type { Candidate } from '../../../src/compress/candidate.js';
import { agreement, classesOf, floatAnswers } from '../../../src/compress/score.js';
import { loadBackend, type Tf, type TfTensor } from '../../../src/compress/tensorflow.js';
import {
  type TrainOptions,
  type TrainTask,
  train,
  trainDefaults,
} from '../../../src/compress/train/loop.js';
import { attentionLoss, pairsOf } from '../../../src/compress/train/match.js';
import { makeObjective } from '../../../src/compress/train/objective.js';
import { BonsaiError } from '../../../src/errors.js';
import { FloatNetwork } from '../../support/float-network.js';
import { squares, squaresNetwork } from '../../support/squares.js';

describe('distillation', () => {
  let tf: Tf;
  let teacher: Graph;
  const data = squares(256, 1);
  const unlabelled = { ...data, labels: null, classes: null };
  const test = squares(100, 2);
  const options: TrainOptions = { ...trainDefaults, epochs: 10, batch: 32, learningRate: 0.01 };
  const start = (graph: Graph): Candidate => ({ graph, masks: new Map(), quantization: null });
  const small = (seed = 5) =>
    new FloatNetwork([8, 8, 1], seed).conv(4).maxPool().conv(5, 3, 2).dense(4, 'none').softmax();
  const accuracy = ({ graph }: Candidate) =>
    agreement(classesOf(floatAnswers(tf, graph, test)), test.labels as Int32Array);
  const weights = ({ graph }: Candidate) => graph.tensors.map(({ data: values }) => values);
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
    ({ graph: teacher } = await train(tf, start(squaresNetwork().graph()), { data, options }));
  });

  const run = (changes: Partial<TrainOptions>, task: Partial<TrainTask> = {}) =>
    train(tf, start(small().graph()), {
      data: unlabelled,
      teachers: [teacher],
      options: { ...options, ...changes },
      ...task,
    });

  const kinds: readonly (readonly [edge: string, changes: Partial<TrainOptions>])[] = [
    ['soft labels', {}],
    ['features of other widths, by regressors', { featureWeight: 0.5 }],
    ['attention', { attentionWeight: 5 }],
    ['samples that change', { augmentation: { kind: 'image', shift: 0.05 } }],
  ];
  for (const [edge, changes] of kinds) {
    it(`a student without labels learns from ${edge}, and leaves no tensor behind`, async () => {
      const tensors = tf.memory().numTensors;
      const student = await run(changes);
      expect(tf.memory().numTensors).to.equal(tensors);
      expect(accuracy(student)).to.be.above(0.8);
      expect(student.graph.tensors).to.have.length(small().tensors.length);
    });
  }

  it('the first step keeps no more tensors than the second, however many samples there are', () => {
    // More than a teacher answers at once.
    const many = { ...squares(600, 3), labels: null, classes: null };
    const graph = small().graph();
    const objective = makeObjective(tf, graph, { data: many, teachers: [teacher], options });
    const id = graph.nodes[0]?.inputs[1] as number;
    const { data: values, shape = [] } = graph.tensors[id] ?? {};
    const kept = () => {
      let tensors = 0;
      tf.tidy(() => {
        const weights = tf.variable(tf.tensor(values as Float32Array, [...shape]));
        const model = {
          quantizer: null,
          parameter: (one: number) => (one === id ? weights : null),
          average: () => null,
        };
        const lossOf = () => {
          const loss = objective.loss(many.x.subarray(0, 2 * 64), Uint32Array.of(0, 1), model);
          tensors = tf.memory().numTensors;
          return loss;
        };
        tf.variableGrads(lossOf as never, [weights]);
        weights.dispose();
      });
      return tensors;
    };
    expect(kept()).to.equal(kept());
  });

  it('what teachers say about a sample is the same, asked once or in each step', async () => {
    const still = { kind: 'image', shift: 0, brightness: 0 } as const;
    const [once, often] = [await run({ epochs: 1 }), await run({ epochs: 1, augmentation: still })];
    const distance = weights(once).map((values, id) => {
      const other = weights(often)[id] as Float32Array | null;
      if (values === null || other === null) return 0;
      return Math.max(...(values as Float32Array).map((v, i) => Math.abs(v - (other[i] ?? 0))));
    });
    expect(Math.max(...distance)).to.be.below(1e-3);
  });

  it('several teachers count by their weights', async () => {
    const wrong = squaresNetwork(9).graph();
    const teachers = [teacher, wrong];
    const one = await run({ epochs: 2 });
    const first = await run({ epochs: 2, teacherWeights: [1, 0] }, { teachers });
    const both = await run({ epochs: 2 }, { teachers });
    expect(weights(first)).to.deep.equal(weights(one));
    expect(weights(both)).not.to.deep.equal(weights(one));
  });

  it('earlier weights teach beside labels', async () => {
    const student = await train(tf, start(small().graph()), {
      data,
      options: { ...options, averageDecay: 0.9 },
    });
    expect(accuracy(student)).to.be.above(0.9);
  });

  it('a student of values learns them from a teacher, and is validated by them', async () => {
    const values = () => new FloatNetwork([8, 8, 1], 3).conv(3, 3, 2).dense(6, 'none').graph();
    const losses: number[] = [];
    await train(tf, start(new FloatNetwork([8, 8, 1], 4).dense(6, 'none').graph()), {
      data: unlabelled,
      validation: { ...test, labels: null, classes: null },
      teachers: [values()],
      options,
      hooks: { epoch: ({ validation }) => losses.push(validation?.loss ?? Number.NaN) },
    });
    expect(losses.at(-1)).to.be.below(0.8 * (losses[0] as number));
  });

  it('pairs tensors by name where layers are shared, else stage by stage', () => {
    const own = squaresNetwork().graph();
    const names = (student: Graph, given: Graph) =>
      pairsOf(student, given).map((pair) => [
        student.tensors[pair.student]?.name,
        given.tensors[pair.teacher]?.name,
      ]);
    expect(names(own, small().graph())).to.deep.equal([
      ['conv2d_0', 'conv2d_0'],
      ['conv2d_2', 'conv2d_2'],
    ]);
    const deep = new FloatNetwork([8, 8, 1]).conv(3).conv(3).conv(3).maxPool().conv(2, 3, 2);
    const renamed = deep.dense(4, 'none').graph();
    const other = {
      ...renamed,
      tensors: renamed.tensors.map((tensor) => ({ ...tensor, name: `t/${tensor.name}` })),
    };
    expect(names(own, other)).to.deep.equal([
      ['conv2d_0', 't/conv2d_2'],
      ['conv2d_2', 't/conv2d_4'],
    ]);
    const vectors = (layers: number, name: string) => {
      const network = new FloatNetwork([8, 8, 1]);
      for (let i = 0; i < layers; i += 1) network.dense(5);
      const graph = network.dense(4, 'none').graph();
      return { ...graph, tensors: graph.tensors.map((t) => ({ ...t, name: `${name}/${t.name}` })) };
    };
    expect(names(vectors(2, 's'), vectors(4, 't'))).to.deep.equal([
      ['s/fully_connected_1', 't/fully_connected_2'],
      ['s/fully_connected_2', 't/fully_connected_4'],
    ]);
  });

  it('refuses graphs without a stage in common', () => {
    const odd = new FloatNetwork([7, 7, 1]).conv(3).dense(4, 'none').graph();
    expect(() => pairsOf(odd, squaresNetwork().graph())).to.throw(BonsaiError, 'no tensors');
  });

  it('attention compares where channels are large, however many there are', () => {
    const x = tf.tensor([1, 0, 0, 1], [1, 2, 1, 2]) as TfTensor;
    const rows: readonly (readonly [values: readonly number[], channels: number, loss: number])[] =
      [
        [[0, 3, 3, 0], 2, 0],
        [[2, 2], 1, 0],
        [[1, 0, 0, 0], 2, 2 - Math.SQRT2],
      ];
    for (const [values, channels, wanted] of rows) {
      const y = tf.tensor([...values], [1, 2, 1, channels]) as TfTensor;
      expect(attentionLoss(tf, x, y).dataSync()[0]).to.be.closeTo(wanted, 1e-6);
      y.dispose();
    }
    x.dispose();
  });
});
