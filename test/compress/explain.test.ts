import { expect } from 'chai';
import { type Graph, type Module, mainGraph, tensorOf } from '../../src/compiler/ir/graph.js';
import { assessor } from '../../src/compress/assess.js';
import type { Candidate } from '../../src/compress/candidate.js';
import type { Cost } from '../../src/compress/cost.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { type Explanation, explain } from '../../src/compress/explain/index.js';
import { probabilitiesOf } from '../../src/compress/explain/probabilities.js';
import type { Remedy } from '../../src/compress/explain/remedies.js';
import { disturbancesOf, kindOf } from '../../src/compress/explain/robustness.js';
import { explainText } from '../../src/compress/explain/text.js';
import { wider } from '../../src/compress/explain/wider.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { separated } from '../../src/compress/quantize/scheme.js';
import { type TypeOptions, withTypes } from '../../src/compress/quantize/types.js';
import { makeRandom } from '../../src/compress/random.js';
import { type GivenSettings, type StepSettings, settingsOf } from '../../src/compress/recipe.js';
import { classesOf, floatAnswers } from '../../src/compress/score.js';
import { runStep } from '../../src/compress/steps/index.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
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
      const bytes = { flashBytes: 2000 + costs, ramBytes: 10 };
      return { count: 1000 + costs, unit: 'cycles', ...bytes } as never;
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
    const gains = own.filter(({ remedy }) => !/^int16/.test(remedy)).map(({ gainDb }) => gainDb);
    expect(gains).to.deep.equal([...gains].sort((a, b) => b - a));
    for (const { added } of own) expect(added?.count).to.be.above(0);
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
    const isCopied = (line: string) => line.startsWith('in a recipe: ');
    const drawn = text.split('\n').filter((line) => !isCopied(line));
    for (const line of drawn) expect(line.length, line).to.be.at.most(80);
    expect(explainText(explanation, 100)).to.match(/a scale for each channel/);
    expect(text).to.match(/calibration error/);
  });

  it('a step that people copy into a recipe is one line of JSON, however narrow the terminal', () => {
    const copied = explainText(explanation, 30).match(/^in a recipe:.*$/gm) ?? [];
    expect(copied).not.to.deep.equal([]);
    for (const line of copied) {
      expect(() => JSON.parse(line.slice('in a recipe:'.length)), line).not.to.throw();
    }
  });

  it('a remedy says what it adds: time with its unit, and bytes where they change', () => {
    const [remedy] = explanation.remedies;
    const told = (added: Remedy['added']) =>
      explainText({ ...explanation, remedies: [{ ...(remedy as Remedy), added }] }, 200);
    const costs = { count: 336862, unit: 'cycles', flashBytes: 0, ramBytes: -2048 } as const;
    const text = told(costs);
    expect(text).to.match(/^Remedies: dB that the scores gain/m);
    expect(text).to.match(/alone dB +whole dB +cycles +RAM B/);
    expect(text).to.match(/\+336 862 +-2 048/);
    expect(text).not.to.match(/flash B/);
    expect(told({ ...costs, flashBytes: 12 })).to.match(/cycles +flash B +RAM B/);
    expect(told(null)).not.to.match(/cycles| B\b/);
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

describe('remedies of planted faults, applied by the steps that they name', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });

  const plain = { step: 'quantize', calibration: 'min-max', equalize: false } as const;
  const base = settingsOf({ ...plain, correctBiases: false });
  const network = () =>
    separated(new FloatNetwork([6, 6, 2], 7).conv(6).dense(12).dense(3, 'none').graph());
  const weightsOf = (graph: Graph, index: number) =>
    tensorOf(graph, graph.nodes[index]?.inputs[1] as number).data as Float32Array;

  /** Channel 0 between two convolutions has a range of `factor` times the others'. */
  function channelTimes(factor: number): Graph {
    const graph = separated(
      new FloatNetwork([6, 6, 2], 7).conv(6).conv(4).dense(3, 'none').graph(),
    );
    const [first, next] = [weightsOf(graph, 0), weightsOf(graph, 1)];
    for (let i = 0; i < first.length / 6; i += 1) first[i] = (first[i] as number) * factor;
    for (let i = 0; i < next.length; i += 6) next[i] = (next[i] as number) / factor;
    return graph;
  }
  /** Output 0 of the second layer has weights of `factor` times the others', and counts for less. */
  function outputTimes(factor: number): Graph {
    const graph = network();
    const [own, next] = [weightsOf(graph, 2), weightsOf(graph, 3)];
    for (let i = 0; i < own.length / 12; i += 1) own[i] = (own[i] as number) * factor;
    for (let i = 0; i < next.length; i += 12) next[i] = (next[i] as number) / factor;
    return graph;
  }
  /** Channel 0 is large where an element is above 1.499, and nothing reads it. */
  function withOutliers(): Graph {
    const graph = network();
    const [first, next] = [weightsOf(graph, 0), weightsOf(graph, 2)];
    first.fill(0, 0, first.length / 6);
    first[first.length / 12] = 1e5;
    (tensorOf(graph, graph.nodes[0]?.inputs[2] as number).data as Float32Array)[0] = -1.499e5;
    for (let i = 0; i < next.length; i += 6) next[i] = 0;
    return graph;
  }

  /**
   * All outputs of the second layer lie near 40, and the third takes the differences of neighbours: 256
   * integers between 0 and 40 leave little of these, with any range, scale or rounding of weights.
   */
  function withOffset(): Graph {
    const graph = network();
    (tensorOf(graph, graph.nodes[2]?.inputs[2] as number).data as Float32Array).fill(40);
    const next = weightsOf(graph, 3);
    for (let i = 0; i < next.length; i += 2) next[i + 1] = -(next[i] as number);
    return graph;
  }

  const rows: readonly (readonly [remedy: RegExp, graph: Graph, settings: typeof base])[] = [
    [/^equalize$/, channelTimes(100), base],
    [/^a scale for each channel$/, outputTimes(100), base],
    [/^ranges by/, withOutliers(), base],
    [/^learned rounding$/, network(), { ...base, weights: 'int4' }],
    [/^int16 for it and its readers$/, withOffset(), base],
  ];
  for (const [remedy, original, settings] of rows) {
    it(`${remedy.source}: the signal rises by about as much as the report says`, async () => {
      const calibration = samples(80, [6, 6, 2], 3);
      const [validation, test] = [samples(60, [6, 6, 2], 4), samples(64, [6, 6, 2], 5)];
      const data = { train: calibration, calibration, validation };
      // What is counted: conversions between int8 and int16.
      const costOf = (module: Module) =>
        ({ count: mainGraph(module).nodes.filter(({ op }) => op === 'quantize').length }) as Cost;
      const around = { tf, head, original, data, costOf, seed: 1 };
      const keeper = { resumed: null, save: () => {} };
      const dense: Candidate = { graph: original, masks: new Map(), quantization: null };
      const perform = async (step: StepSettings, from: Candidate) =>
        (await runStep(step as never, from, around, () => {}, keeper)).candidate;
      const candidate = await perform(settings, dense);
      const { remedies } = await explain({ ...around, calibration, candidate, test });
      const told = remedies.find((one) => remedy.test(one.remedy));
      // A layer is left to int16 where nothing else helps as much.
      const first = remedies.find(({ layer }) => layer === told?.layer);
      if (/int16/.test(remedy.source)) expect(first).to.equal(told);
      expect(told, remedies.map((one) => one.remedy).join()).not.to.equal(undefined);
      const { step, wholeDb, added } = told as Remedy;
      expect(added?.count).to.equal(/int16/.test(remedy.source) ? 1 : 0);
      const applied =
        step.step === 'round'
          ? await perform(settingsOf(step), candidate)
          : await perform(settingsOf({ ...settings, ...step } as GivenSettings), dense);
      const compare = assessor(around, test);
      const gainDb = compare.of(applied).snrDb - compare.of(candidate).snrDb;
      expect(wholeDb).to.be.above(0.3);
      expect(gainDb).to.be.above(0.5 * wholeDb);
    });
  }

  it('int16 is no remedy where a layer has it, or has no kernel for it', () => {
    const graph = separated(
      new FloatNetwork([4, 4, 2]).conv(3).add('hard_swish', [], {}).dense(2).graph(),
    );
    const data = samples(8, [4, 4, 2]);
    const twinOf = (options: TypeOptions) => {
      const typed = withTypes(graph, options);
      const seen = observe(tf, runnerOf(tf, typed.graph), data);
      const settings = { calibration: 'min-max', weights: 'int8', types: typed.types } as const;
      const quantization = quantizationOf(typed.graph, seen, settings);
      return { twin: { float: typed.graph, graph: typed.graph, quantization }, seen };
    };
    const told = ({ twin, seen }: ReturnType<typeof twinOf>) =>
      twin.float.nodes.map((node, index) => {
        const found = wider(twin, index, seen);
        return [node.op, found && Object.keys(found.layers).join()];
      });
    const dense = 'fully_connected_3';
    expect(told(twinOf({ activations: 'int8' }))).to.deep.equal([
      ['conv2d', 'conv2d_0'],
      ['hard_swish', null],
      ['reshape', `reshape_2,${dense}`],
      ['fully_connected', dense],
    ]);
    const layers = { [dense]: { activations: 'int16' } } as const;
    expect(told(twinOf({ activations: 'int8', layers }))).to.deep.equal([
      ['conv2d', `conv2d_0,${dense}`],
      ['hard_swish', null],
      ['reshape', `reshape_2,${dense}`],
      ['quantize', null],
      ['fully_connected', null],
    ]);
  });
});
