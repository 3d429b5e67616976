/** Sensitivity of layers, and the shares that follow from it and from costs. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Graph, Module } from '../../src/compiler/ir/graph.js';
import type { Candidate } from '../../src/compress/candidate.js';
import { type Cost, costsOn } from '../../src/compress/cost.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import {
  allocate,
  type LayerOptions,
  type PruningOption,
} from '../../src/compress/prune/allocate.js';
import { costTable, patternByCost, planByCost } from '../../src/compress/prune/by-cost.js';
import { prunableLayers } from '../../src/compress/prune/layers.js';
import { masksFor, pruned } from '../../src/compress/prune/masks.js';
import { nameOf, patternNamed, unstructured } from '../../src/compress/prune/patterns.js';
import { magnitudeScores } from '../../src/compress/prune/scores.js';
import { type Sensitivity, sensitivityOf } from '../../src/compress/prune/sensitivity.js';
import { sensitivityText } from '../../src/compress/prune/text.js';
import { lower } from '../../src/compress/quantize/lower.js';
import { observe } from '../../src/compress/quantize/observe.js';
import { quantizationOf } from '../../src/compress/quantize/ptq.js';
import { makeRandom } from '../../src/compress/random.js';
import { agreement, classesOf, floatAnswers, signalToNoise } from '../../src/compress/score.js';
import { answerOf } from '../../src/compress/task.js';
import { loadBackend, type Tf } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import { FloatNetwork } from '../support/float-network.js';
import { defaults } from '../support/plan.js';

const shares = [0.5, 0.8, 0.9, 0.95];

/** A dense option, and some with random costs and damages. */
function randomLayers(random: () => number): readonly LayerOptions[] {
  const count = 1 + Math.floor(random() * 4);
  return Array.from({ length: count }, (_, weights) => {
    const cost = Math.ceil(random() * 100);
    const options: PruningOption[] = [{ pruning: null, cost, damage: 0 }];
    for (let i = Math.floor(random() * 5); i > 0; i -= 1) {
      const pruning = { pattern: { ...unstructured }, share: shares[i - 1] ?? 0 };
      const damage = Math.floor(random() * 20);
      options.push({ pruning, cost: Math.ceil(random() * 1.1 * cost), damage });
    }
    return { weights, options };
  });
}

/** The least damage of all combinations that cost at most `most`. */
function leastDamage(layers: readonly LayerOptions[], most: number): number {
  const [first, ...rest] = layers;
  if (first === undefined) return most >= 0 ? 0 : Number.POSITIVE_INFINITY;
  return Math.min(
    ...first.options.map(({ cost, damage }) => damage + leastDamage(rest, most - cost)),
  );
}

describe('allocation of shares', () => {
  it('no combination costs as little and harms less; the wanted cost is met where it can be', () => {
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = makeRandom(seed);
      const layers = randomLayers(random);
      const least = layers.reduce(
        (sum, { options }) => sum + Math.min(...options.map(({ cost }) => cost)),
        0,
      );
      const wanted = least + (random() - 0.2) * 150;
      const { cost, damage, isMet, plan } = allocate(layers, wanted);
      expect(isMet, `seed ${seed}`).to.equal(wanted >= least);
      if (isMet) expect(cost, `seed ${seed}`).to.be.at.most(wanted);
      expect(damage, `seed ${seed}`).to.equal(leastDamage(layers, cost));
      const own = layers.map(({ weights, options }) => {
        const pruning = plan.get(weights) ?? null;
        return options.filter((option) => option.pruning === pruning).map((one) => one.cost);
      });
      const sum = own.reduce((all, [one = 0, ...others]) => all + Math.min(one, ...others), 0);
      expect(sum, `seed ${seed}`).to.equal(cost);
    }
  });

  it('less cost never means a smaller share anywhere, if options of one pattern get cheaper', () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const random = makeRandom(seed);
      const layers = Array.from({ length: 4 }, (_, weights): LayerOptions => {
        let [cost, damage] = [100 * random() + 50, 0];
        const options: PruningOption[] = [{ pruning: null, cost, damage }];
        for (const share of shares) {
          cost *= 0.3 + 0.65 * random();
          damage += random();
          options.push({ pruning: { pattern: unstructured, share }, cost, damage });
        }
        return { weights, options };
      });
      let before = layers.map(() => 0);
      for (let wanted = 600; wanted >= 0; wanted -= 7) {
        const { plan, cost, isMet } = allocate(layers, wanted);
        const now = layers.map(({ weights }) => plan.get(weights)?.share ?? 0);
        const grows = now.every((share, i) => share >= (before[i] ?? 0) - 1e-12);
        expect(grows, `seed ${seed}, ${wanted}`).to.equal(true);
        if (isMet) expect(cost).to.be.at.most(wanted + 1e-9);
        before = now;
      }
      expect(before).to.deep.equal(layers.map(() => 0.95));
    }
  });

  it('stops between two shares of a pattern, where the wanted cost lies', () => {
    const at = (share: number) => ({ pattern: unstructured, share });
    const options = [
      { pruning: null, cost: 100, damage: 0 },
      { pruning: at(0.5), cost: 60, damage: 1 },
      { pruning: at(0.9), cost: 20, damage: 9 },
    ];
    const { plan, cost, damage } = allocate([{ weights: 7, options }], 50);
    expect([cost, damage]).to.deep.equal([50, 3]);
    expect(plan.get(7)?.share).to.be.closeTo(0.6, 1e-12);
  });
});

/** Samples of four classes, each bright in another quarter. */
function squares(count: number, seed: number): Dataset {
  const random = makeRandom(seed);
  const x = new Float32Array(count * 64);
  const labels = Int32Array.from({ length: count }, (_, i) => {
    for (let at = 0; at < 64; at += 1) {
      const quarter = (at >= 32 ? 2 : 0) + (at % 8 >= 4 ? 1 : 0);
      x[i * 64 + at] = random() * 0.9 + (quarter === i % 4 ? 0.6 : 0);
    }
    return i % 4;
  });
  return { where: 'squares', count, shape: [8, 8, 1], x, labels, classes: ['a', 'b', 'c', 'd'] };
}

/** Two branches that meet again: more than one tensor is alive before some layers. */
function branching(): FloatNetwork {
  const net = new FloatNetwork([8, 8, 1]).conv(8);
  const trunk = net.last;
  // Before the second of these, the trunk is alive beside the input.
  net.conv(4).conv(8);
  net.add('add', [trunk], { activation: 'relu' });
  return net.maxPool().depthwise().conv(12, 1).dense(4, 'none').softmax();
}

describe('sensitivity', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });
  const data = squares(70, 1);
  const patterns = [unstructured, patternNamed('1x4'), patternNamed('2:4')];
  const measured = (graph: Graph, samples: Dataset) =>
    sensitivityOf(tf, graph, samples, {
      patterns,
      shares: [0.5, 0.9],
      scores: magnitudeScores(graph),
    });

  it('is what the whole graph answers with one layer pruned', async () => {
    const graph = branching().graph();
    const tensors = tf.memory().numTensors;
    const { layers, accuracy } = await measured(graph, data);
    expect(tf.memory().numTensors).to.equal(tensors);
    expect(layers.map(({ op }) => op)).to.deep.equal([
      ...['conv2d', 'conv2d', 'conv2d', 'conv2d', 'fully_connected'],
    ]);
    const open = answerOf(graph, { classes: ['a', 'b', 'c', 'd'] }).graph;
    const dense = floatAnswers(tf, open, data);
    expect(accuracy).to.equal(agreement(classesOf(dense), data.labels as Int32Array));
    for (const { weights, points, name } of layers) {
      expect(points.map(({ pattern, share }) => `${pattern} ${share}`)).to.deep.equal([
        ...['unstructured 0.5', 'unstructured 0.9', '1x4 0.5', '1x4 0.9', '2:4 0.5'],
      ]);
      for (const point of points) {
        const plan = new Map([
          [weights, { pattern: patternNamed(point.pattern), share: point.share }],
        ]);
        const masks = masksFor(graph, plan, magnitudeScores(graph));
        const own = pruned({ graph: open, masks: new Map(), quantization: null }, masks).graph;
        const answers = floatAnswers(tf, own, data);
        const wanted = signalToNoise(dense.values, answers.values);
        // Groups of one channel stay dense.
        if (Number.isFinite(wanted)) {
          expect(point.snrDb, `${name} ${point.pattern}`).to.be.closeTo(wanted, 1e-3);
        } else expect(point.snrDb).to.equal(wanted);
        expect(point.agreement).to.equal(agreement(classesOf(dense), classesOf(answers)));
      }
    }
  });

  it('needs no labels, and no graph whose samples run together', async () => {
    const values = new FloatNetwork([8, 8, 1]).conv(4).dense(3, 'none').graph();
    const unlabelled = { ...data, labels: null, classes: null };
    const { layers } = await measured(values, unlabelled);
    const [point] = layers[0]?.points ?? [];
    expect([point?.accuracy, point?.agreement]).to.deep.equal([null, null]);
    expect(point?.loss).to.be.above(0);
    // A reshape that mixes samples.
    const net = new FloatNetwork([8, 8, 1]).conv(4);
    net.add('reshape', [], { shape: [2, 128] });
    net.add('reshape', [], { shape: [1, 256] });
    const mixed = net.dense(4, 'none').softmax().graph();
    const apart = await measured(mixed, unlabelled);
    expect(apart.layers[1]?.points[1]?.loss).to.be.above(0);
    expect(apart.layers[1]?.points[1]?.agreement).to.be.within(0, 1);
  });

  const table: Sensitivity = {
    samples: 10,
    loss: 0.1,
    ...{ accuracy: 0.9, values: null },
    layers: ['first', 'a/very/long/name/of/a/layer/that/goes/on'].map((name, index) => ({
      ...{ index, name, op: 'conv2d', weights: index, count: 100 },
      points: [0.5, 0.9].map((share) => ({
        ...{ pattern: '1x4', share, pruned: share, loss: 1, agreement: 1, snrDb: 3, error: null },
        accuracy: index === 1 && share === 0.9 ? 0.5 : 0.9,
      })),
    })),
  };

  it('is told in a table and bars that fit the terminal', () => {
    for (const width of [80, 60]) {
      const text = sensitivityText(table, width);
      expect(Math.max(...text.split('\n').map((line) => line.length))).to.be.at.most(width);
      expect(text.replace(/\s+/g, ' ')).to.match(/accuracy.*dense 90.00 %/);
      expect(text).to.match(/40\.00.*▁█/);
      expect(text).to.match(/█{4,} +40\.00 {2}1x4 90 %/);
    }
  });
});

/** Candidates as int8, with ranges from noise. */
async function moduleMaker(head: Omit<Module, 'graphs'>, graph: Graph) {
  const { tf } = await loadBackend('wasm');
  const random = makeRandom(1);
  const x = Float32Array.from({ length: 8 * 512 }, () => random());
  const data = { where: 'noise', count: 8, shape: [8, 8, 8], x, labels: null, classes: null };
  const seen = observe(tf, runnerOf(tf, graph), data);
  const options = { calibration: 'min-max', weights: 'int8' } as const;
  return (own: Candidate) => lower(head, own.graph, quantizationOf(own.graph, seen, options));
}

describe('pruning by cost', () => {
  const net = new FloatNetwork([8, 8, 8], 3).conv(16).conv(16, 1).dense(10, 'none');
  const { graphs: _, ...head }: Module = net.module();
  const graph = net.graph();
  const dense = (one: Graph): Candidate => ({ graph: one, masks: new Map(), quantization: null });
  const candidate = dense(graph);
  const scores = magnitudeScores(graph);
  let moduleOf: (candidate: Candidate) => Module;
  before(async () => {
    moduleOf = await moduleMaker(head, graph);
  });
  /** As if each zero were a little noise, and more so in the first layer. */
  const sensitivity = (patterns: readonly string[]): Sensitivity => ({
    ...{ samples: 1, loss: 0, accuracy: null, values: null },
    layers: prunableLayers(graph).map(({ index, node, weights, count }, i) => ({
      ...{ index, name: node.name, op: node.op, weights, count },
      points: patterns.flatMap((pattern) =>
        [0.5, 0.8, 0.9].map((share) => {
          const noise = share ** 4 * (i === 0 ? 1 : 0.1) * (pattern === 'unstructured' ? 1 : 1.2);
          const quality = { loss: noise, accuracy: null, agreement: null, error: null };
          return { pattern, share, pruned: share, ...quality, snrDb: -10 * Math.log10(noise) };
        }),
      ),
    })),
  });

  for (const [target, pattern] of [
    ['rp2040', 'unstructured'],
    ['stm32f405', '1x4'],
  ] as const) {
    it(`meets what is wanted on ${target}, mostly with ${pattern}`, () => {
      let calls = 0;
      const measure = costsOn(loadTarget(target), { ...defaults, faithful: false });
      const costOf = (module: Module): Cost => {
        calls += 1;
        return measure(module);
      };
      const request = {
        candidate,
        scores,
        sensitivity: sensitivity(['unstructured', '1x4']),
        costOf,
      };
      const { count } = costTable({ ...request, moduleOf });
      expect(calls).to.equal(7);
      const half = planByCost({ ...request, moduleOf }, count / 2);
      expect(half.isMet).to.equal(true);
      expect(half.cost.count).to.be.within(0.3 * count, 0.5 * count);
      expect(calls).to.be.at.most(7 + 7 + 6);
      const names = [...half.plan.values()].map((one) => one.pattern);
      expect(names.filter((one) => one === patternNamed(pattern)).length).to.be.above(0);
      // The first layer is ten times as sensitive.
      const [first, second] = prunableLayers(graph).map(({ weights }) => half.plan.get(weights));
      expect(first?.share ?? 0).to.be.at.most(second?.share ?? 0);
      const never = planByCost({ ...request, moduleOf }, 1);
      expect(never.isMet).to.equal(false);
      expect(never.cost.count).to.be.below(half.cost.count);
    });
  }

  it('takes blocks for one share over all layers only where they save much', async () => {
    const deep = new FloatNetwork([8, 8, 8], 3).conv(32).conv(32).mean().dense(4, 'none').graph();
    const own = { candidate: dense(deep), scores: magnitudeScores(deep) };
    const makeModule = await moduleMaker(head, deep);
    const patterns = ['rp2040', 'esp32c3', 'stm32f405', 'stm32h743'].map((target) => {
      const costOf = costsOn(loadTarget(target), { ...defaults, faithful: false });
      return nameOf(patternByCost({ ...own, costOf, moduleOf: makeModule }, 0.8));
    });
    expect(patterns).to.deep.equal(['unstructured', 'unstructured', '1x4', '1x4']);
  });

  it('corrects the plan where layers together cost more than each, or less', () => {
    const weights = prunableLayers(graph);
    for (const extra of [0, 200, -200]) {
      const costOf = (module: Module): Cost => {
        const { tensors = [], nodes = [] } = module.graphs[0] ?? {};
        const layers = nodes.map(({ inputs }) => {
          const data = tensors[inputs[1] ?? -1]?.data;
          if (!(data instanceof Int8Array)) return 0;
          return (1000 * data.filter((value) => value !== 0).length) / data.length;
        });
        // Layers of one share cost what the table says.
        const shares = weights.map(({ index }) => layers[index] ?? 0);
        const isMixed = Math.max(...shares) - Math.min(...shares) > 60;
        const count = layers.reduce((a, b) => a + b, isMixed ? 500 + extra : 500);
        return { count, unit: 'cycles', ms: 0, flashBytes: 0, ramBytes: 0, layers };
      };
      const own = sensitivity(['unstructured']);
      const request = { candidate, scores, sensitivity: own, costOf, moduleOf };
      const { cost, isMet } = planByCost(request, 2200);
      expect(isMet, `${extra}`).to.equal(true);
      expect(cost.count, `${extra}`).to.be.above(2100);
    }
  });

  it('counts what no layer is part of', () => {
    const costOf = (module: Module): Cost => {
      const zeros = (module.graphs[0]?.tensors ?? []).map(
        ({ data }) => [...((data ?? []) as Int8Array)].filter((value) => value === 0).length,
      );
      const layers = (module.graphs[0]?.nodes ?? []).map(
        ({ inputs }) => 1000 - (zeros[inputs[1] ?? -1] ?? 0) / 100,
      );
      const count = layers.reduce((a, b) => a + b, 500);
      return { count, unit: 'cycles', ms: 0, flashBytes: 0, ramBytes: 0, layers };
    };
    const table = costTable({
      candidate,
      scores,
      sensitivity: sensitivity(['1x4']),
      costOf,
      moduleOf,
    });
    // The reshape is no layer of the sensitivity.
    expect(table.restCount).to.be.closeTo(1500, 1e-6);
  });
});
