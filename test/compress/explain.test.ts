import { expect } from 'chai';
import type { Candidate } from '../../src/compress/candidate.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { type Explanation, explain } from '../../src/compress/explain/index.js';
import { probabilitiesOf } from '../../src/compress/explain/probabilities.js';
import { disturbancesOf, kindOf } from '../../src/compress/explain/robustness.js';
import { explainText } from '../../src/compress/explain/text.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { separated } from '../../src/compress/quantize/scheme.js';
import { makeRandom } from '../../src/compress/random.js';
import { classesOf, floatAnswers } from '../../src/compress/score.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { type Graph, tensorOf } from '../../src/ir/graph.js';
import { FloatNetwork } from '../support/float-network.js';
import { head, samples } from '../support/samples.js';

describe('explaining a compression', () => {
  let tf: Tf;
  let explanation: Explanation;
  let costs = 0;
  /** Its second layer has channels of very different ranges, under one scale: the worst layer. */
  const graph = separated(
    new FloatNetwork([6, 6, 2], 7).conv(6).dense(12).dense(3, 'none').softmax().graph(),
  );
  const bad = graph.nodes.findIndex(({ op }) => op === 'fully_connected');
  const id = graph.nodes[bad]?.inputs[1] as number;
  const weights = tensorOf(graph, id).data as Float32Array;
  weights.forEach((value, i) => {
    weights[i] = value * (i < weights.length / 12 ? 30 : 1);
  });

  const labelled = (count: number, seed: number): Dataset => {
    const data = samples(count, [6, 6, 2], seed);
    const labels = classesOf(floatAnswers(tf, graph, data));
    return { ...data, labels, classes: ['a', 'b', 'c'] };
  };
  const quantized = (data: Dataset): Candidate => {
    const seen = observe(tf, runnerOf(tf, graph), data);
    const options = { calibration: 'min-max', weights: 'int4' } as const;
    return { graph, masks: new Map(), quantization: quantizationOf(graph, seen, options) };
  };

  before(async () => {
    ({ tf } = await loadBackend('wasm'));
    const calibration = samples(60, [6, 6, 2]);
    const costOf = () => {
      costs += 1;
      return { count: 1000 + costs } as never;
    };
    const request = { tf, head, original: graph, calibration, costOf, seed: 1 };
    const candidate = quantized(calibration);
    explanation = await explain({ ...request, candidate, test: labelled(90, 5) });
  });

  it('the layer that loses most is seen in its own noise, the scores and the answers', () => {
    const { layers } = explanation;
    const byOwn = [...layers].sort((a, b) => a.ownDb - b.ownDb)[0];
    const byScores = [...layers].sort((a, b) => a.scoresDb - b.scoresDb)[0];
    expect([byOwn?.index, byScores?.index]).to.deep.equal([bad, bad]);
    const gains = layers.map(({ gain }) => gain ?? 0);
    expect(gains.indexOf(Math.max(...gains))).to.equal(layers.findIndex((l) => l.index === bad));
  });

  it('noise of a layer alone is below that with all layers before it', () => {
    const layer = explanation.layers.find(({ index }) => index === bad);
    expect(layer?.ownDb).to.be.at.least((layer?.accumulatedDb ?? 0) - 0.5);
  });

  it('scales for each channel help that layer most, learned rounding the first one', () => {
    const own = explanation.remedies.filter(({ layer }) => layer === bad);
    expect(own[0]?.remedy).to.equal('a scale for each channel');
    const first = explanation.remedies.filter(({ layer }) => layer === 0);
    expect(first.map(({ remedy }) => remedy)).to.include('learned rounding');
    const gains = own.map(({ gainDb }) => gainDb);
    expect(gains).to.deep.equal([...gains].sort((a, b) => b - a));
    for (const { addedCount } of own) expect(addedCount).to.be.above(0);
  });

  it('each class and each disturbance is compared with the original', () => {
    const [clean, ...disturbed] = explanation.robustness;
    expect(clean?.original).to.equal(1);
    expect(clean?.agreement).to.equal(clean?.compressed);
    expect(disturbed).to.have.length.above(4);
    expect(Math.min(...disturbed.map(({ original }) => original ?? 0))).to.be.below(1);
    const { compressed } = explanation.confusion ?? { compressed: [] };
    const right = compressed.map((row, label) => (row[label] ?? 0) / row.reduce((a, b) => a + b));
    right.forEach((share, label) => {
      expect(clean?.classes[label]?.compressed).to.be.closeTo(share, 1e-9);
    });
  });

  it('the tables fit 80 columns', () => {
    const text = explainText(explanation, 80);
    for (const line of text.split('\n')) expect(line.length, line).to.be.at.most(80);
    expect(text).to.match(/a scale for each channel/);
    expect(text).to.match(/calibration error/);
  });

  it('a model without classes has noise and disturbances, and no answers', async () => {
    const values = separated(new FloatNetwork([8], 2).dense(6).dense(8, 'none').graph());
    const data = samples(40, [8]);
    const seen = observe(tf, runnerOf(tf, values), data);
    const options = { calibration: 'min-max', weights: 'int8' } as const;
    const quantization = quantizationOf(values, seen, options);
    const candidate = { graph: values, masks: new Map(), quantization };
    const request = { tf, head, original: values, calibration: data, costOf: null, seed: 1 };
    const before = tf.memory().numTensors;
    const told = await explain({ ...request, candidate, test: data });
    expect(tf.memory().numTensors).to.equal(before);
    expect([told.confusion, told.probabilities]).to.deep.equal([null, null]);
    expect(told.layers.every(({ gain }) => gain === null)).to.equal(true);
    expect(told.robustness[0]?.snrDb).to.be.above(20);
    expect(explainText(told, 80)).to.match(/noise 30 %/);
  });
});

describe('probabilities', () => {
  const graph = (op: 'softmax' | 'none'): Graph => {
    const network = new FloatNetwork([4]).dense(2, 'none');
    return op === 'none' ? network.graph() : network.softmax().graph();
  };
  const answers = (values: readonly number[]) => ({
    size: 2,
    values: Float32Array.from(values),
    threshold: 0,
  });

  it('sure and always right: no error', () => {
    const { error } = probabilitiesOf(graph('softmax'), answers([1, 0, 0, 1]), Int32Array.of(0, 1));
    expect(error).to.equal(0);
  });

  it('sure and always wrong: the whole of it', () => {
    const { error, bins } = probabilitiesOf(
      graph('softmax'),
      answers([1, 0, 0, 1]),
      Int32Array.of(1, 0),
    );
    expect(error).to.equal(1);
    expect(bins[9]).to.deep.include({ samples: 2, confidence: 1, accuracy: 0 });
  });

  it('80 % sure, right four times in five: no error, also from scores before a softmax', () => {
    const labels = Int32Array.of(0, 0, 0, 0, 1);
    const five = (a: number, b: number) => answers([a, b, a, b, a, b, a, b, a, b]);
    const given = probabilitiesOf(graph('softmax'), five(0.8, 0.2), labels);
    expect(given.error).to.be.closeTo(0, 1e-6);
    const scored = probabilitiesOf(graph('none'), five(Math.log(4), 0), labels);
    expect(scored.error).to.be.closeTo(0, 1e-6);
  });
});

describe('disturbances', () => {
  const rows = [
    ['a picture', [28, 28, 1], 'image', /covered/],
    ['a picture in colour', [32, 32, 3], 'image', /covered/],
    ['a recording', [8000], 'audio', /shift/],
    ['a recording with an axis of channels', [8000, 1], 'audio', /shift/],
    ['steps of six channels', [100, 6], 'series', /shift/],
  ] as const;
  for (const [edge, shape, kind, name] of rows) {
    it(`${edge}: change samples, keep their size, and repeat with the seed`, () => {
      expect(kindOf(shape)).to.equal(kind);
      const all = disturbancesOf(kind, shape);
      expect(all.some((one) => name.test(one.name))).to.equal(true);
      const size = shape.reduce((a: number, b) => a * b, 1);
      const sample = Float32Array.from({ length: size }, (_, i) => Math.sin(i / 7));
      for (const { name: title, change } of all) {
        const [first, again] = [change(sample, makeRandom(3)), change(sample, makeRandom(3))];
        expect(first, title).to.have.length(size);
        expect(first, title).to.deep.equal(again);
        expect(first, title).not.to.deep.equal(sample);
      }
    });
  }
});
