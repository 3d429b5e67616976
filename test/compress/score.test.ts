import { expect } from 'chai';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { checkFinite, classesOf, floatAnswers, integerAnswers } from '../../src/compress/score.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { FloatNetwork } from '../support/float-network.js';

describe('classes of answers', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const x = Float32Array.of(-1, -0.2, 0.2, 1);
  const data: Dataset = {
    where: 'line',
    count: x.length,
    shape: [1],
    x,
    labels: Int32Array.of(0, 0, 1, 1),
    classes: ['below', 'above'],
  };
  const score = () => new FloatNetwork([1], 4).dense(1, 'none');
  const networks: readonly (readonly [edge: string, make: () => FloatNetwork])[] = [
    ['one score: class 1 above 0', score],
    ['one probability: class 1 above a half', () => score().add('logistic', [], {})],
    ['two scores: the larger', () => new FloatNetwork([1], 4).dense(2, 'none')],
  ];
  for (const [edge, make] of networks) {
    it(edge, () => {
      const network = make();
      // The scores are x, or 0 and x.
      const weights = network.tensors[1]?.data as Float32Array;
      weights.forEach((_, i) => {
        weights[i] = i === weights.length - 1 ? 1 : 0;
      });
      const graph = network.graph();
      const seen = observe(tf, runnerOf(tf, graph), data);
      const scales = quantizationOf(graph, seen, { calibration: 'min-max', weights: 'int8' });
      const { graphs: _, ...head } = network.module();
      const integer = mainGraph(lower(head, graph, scales));
      for (const answers of [floatAnswers(tf, graph, data), integerAnswers(tf, integer, data)]) {
        expect([...classesOf(answers)]).to.deep.equal([0, 0, 1, 1]);
      }
    });
  }
});

describe('the check that answers are finite', () => {
  it('takes a graph of 80 nodes that mixes samples, so that 256 run one by one', async () => {
    const { tf } = await loadBackend('wasm');
    const net = new FloatNetwork([2]).add('reshape', [], { shape: [2, 1] });
    for (let i = 0; i < 80; i += 1) net.add('relu', [], { algorithm: 'clamp' });
    const graph = net.add('reshape', [], { shape: [1, 2] }).graph();
    const x = new Float32Array(512).fill(1);
    const data = { where: 'ones', count: 256, shape: [2], x, labels: null, classes: null };
    const { numTensors } = tf.memory();
    checkFinite(tf, graph, data);
    expect(tf.memory().numTensors).to.equal(numTensors);
    x[511] = Number.POSITIVE_INFINITY;
    expect(() => checkFinite(tf, graph, data)).to.throw(/gives Infinity for sample 255/);
  });
});
