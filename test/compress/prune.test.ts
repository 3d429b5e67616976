import { expect } from 'chai';
import { sparsityOf } from '../../src/compiler/analysis/sparsity.js';
import { type Graph, type TensorId, tensorOf, viewOf } from '../../src/compiler/ir/graph.js';
import type { Candidate, Masks } from '../../src/compress/candidate.js';
import type { Dataset } from '../../src/compress/data/dataset.js';
import { withValues } from '../../src/compress/float-graph.js';
import { isPrunedByDefault, prunableLayers } from '../../src/compress/prune/layers.js';
import {
  globalPlan,
  type LayerPruning,
  masksFor,
  type PruningPlan,
  pruned,
  prunedShares,
  uniformPlan,
} from '../../src/compress/prune/masks.js';
import { nameOf, patternNamed, unitsOf } from '../../src/compress/prune/patterns.js';
import { namedPlan, namedSettings } from '../../src/compress/prune/plan.js';
import {
  cubicShare,
  gradualMasks,
  masksOfZeros,
  valuesOf,
} from '../../src/compress/prune/schedule.js';
import {
  magnitudeScores,
  makeMovement,
  type Scores,
  taylorScores,
} from '../../src/compress/prune/scores.js';
import { makeRandom } from '../../src/compress/random.js';
import { settingsOf } from '../../src/compress/recipe.js';
import { elementsOf, loadBackend, type Tf, type TfTensor } from '../../src/compress/tensorflow.js';
import { runnerOf } from '../../src/compress/trace.js';
import type { Checkpoint } from '../../src/compress/train/checkpoint.js';
import { type TrainHooks, train, trainDefaults } from '../../src/compress/train/loop.js';
import { FloatNetwork } from '../support/float-network.js';

const names = ['unstructured', '1x4', '4x1', '4x4', '2:4', '1:4', '3:8'] as const;

/** Layers whose filters and channels are no multiples of four. */
const network = () =>
  new FloatNetwork([6, 6, 3]).conv(10, 3).depthwise().conv(9, 1).conv(12, 3, 2).dense(5, 'none');
const weightsOf = (graph: Graph, id: number) => graph.tensors[id]?.data as Float32Array;
const dense = (graph: Graph): Candidate => ({ graph, masks: new Map(), quantization: null });
const zeros = (mask: Uint8Array = new Uint8Array()) =>
  mask.length - mask.reduce((sum, kept) => sum + kept, 0);

/** Random scores, so that ranks do not follow from positions. */
function randomScores(graph: Graph, seed: number): Scores {
  const random = makeRandom(seed);
  const values = prunableLayers(graph).map(
    ({ weights, count }) =>
      [weights, Float32Array.from({ length: count }, () => random())] as const,
  );
  return { kind: 'taylor', values: new Map(values) };
}

describe('patterns of pruning', () => {
  it('have names', () => {
    for (const name of names) expect(nameOf(patternNamed(name))).to.equal(name);
  });

  for (const name of ['', '4:2', '2:2', '0:4', '1:64', '8x8', '2:4x']) {
    it(`"${name}" is none`, () => {
      expect(() => patternNamed(name)).to.throw(/is not known/);
    });
  }

  it('blocks lie within a tap, four neighbouring filters or channels at most', () => {
    for (const layer of prunableLayers(network().graph())) {
      for (const name of names) {
        const pattern = patternNamed(name);
        const { unitOf, sizes } = unitsOf(layer, pattern);
        const [rows, columns] =
          pattern.kind === 'blocks' ? [pattern.rows, pattern.columns] : [1, 1];
        const places = new Map<number, string>();
        for (let filter = 0; filter < layer.filters; filter += 1) {
          for (let tap = 0; tap < layer.taps; tap += 1) {
            for (let channel = 0; channel < layer.channels; channel += 1) {
              const unit = unitOf[layer.position(filter, tap, channel)] as number;
              const place = `${Math.floor(filter / rows)} ${tap} ${Math.floor(channel / columns)}`;
              expect(places.get(unit) ?? place, `${layer.node.name} ${name}`).to.equal(place);
              places.set(unit, place);
            }
          }
        }
        expect(places.size).to.equal(sizes.length);
        expect(sizes.reduce((sum, size) => sum + size, 0)).to.equal(layer.count);
      }
    }
  });

  it('are those that analysis finds again', () => {
    const graph = new FloatNetwork([6, 6, 16]).conv(16, 3).graph();
    for (const [name, found] of [
      ['1x4', 'block 1x4'],
      ['4x1', 'block 4x1'],
      ['4x4', 'block 4x4'],
      ['2:4', '2:4'],
      ['unstructured', 'unstructured'],
    ] as const) {
      const pattern = patternNamed(name);
      const plan = uniformPlan(graph, { pattern, share: pattern.kind === 'groups' ? 0.5 : 0.8 });
      const masks = masksFor(graph, plan, randomScores(graph, 3));
      const [node] = graph.nodes;
      if (node === undefined) throw new RangeError('no node');
      const id = node.inputs[1] as number;
      const tensors = graph.tensors.map((tensor, i) => {
        const data = Int8Array.from(masks.get(id) ?? [], (kept, at) => kept * (1 + (at % 99)));
        return i === id ? { ...tensor, dtype: 'int8' as const, data } : tensor;
      });
      expect(sparsityOf(viewOf({ ...graph, tensors }, node))?.pattern).to.equal(found);
    }
  });
});

describe('masks', () => {
  const graph = network().graph();
  const layers = prunableLayers(graph);
  const masks = (pruning: LayerPruning, seed: number, before?: Masks) =>
    masksFor(graph, uniformPlan(graph, pruning), randomScores(graph, seed), before);

  it('prune as much as whole units allow, the lowest scores first, and nothing else', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const name = names[seed % names.length] as string;
      const share = [0, 0.3, 0.5, 0.77, 0.9, 0.99][seed % 6] as number;
      const pattern = patternNamed(name);
      const made = masks({ pattern, share }, seed);
      const scores = randomScores(graph, seed);
      for (const layer of layers.filter(isPrunedByDefault)) {
        const mask = made.get(layer.weights) as Uint8Array;
        const { unitOf, sizes, groups } = unitsOf(layer, pattern);
        const means = new Float64Array(sizes.length);
        const kept = new Uint8Array(sizes.length);
        unitOf.forEach((unit, i) => {
          const score = (scores.values.get(layer.weights) as Float32Array)[i] as number;
          means[unit] = (means[unit] as number) + score / (sizes[unit] as number);
          kept[unit] = mask[i] as number;
        });
        const where = `seed ${seed}: ${name}, ${share}, ${layer.node.name}`;
        const units = [...sizes.keys()];
        expect([...mask], where).to.deep.equal([...unitOf].map((unit) => kept[unit]));
        groups.forEach((first, group) => {
          const own = units.slice(first, groups[group + 1] ?? sizes.length);
          const lowestKept = Math.min(...own.filter((u) => kept[u]).map((u) => means[u] as number));
          const gone = own.filter((u) => !kept[u]);
          expect(
            gone.every((u) => (means[u] as number) <= lowestKept),
            where,
          ).to.equal(true);
          expect(gone.length, where).to.be.below(own.length);
        });
        if (pattern.kind === 'groups') continue;
        const most = Math.round(share * layer.count);
        expect(zeros(mask), where).to.be.within(most - 4 * 4 * 2, most);
      }
    }
  });

  it('leave biases and depthwise layers alone, unless the plan names them', () => {
    const pattern = patternNamed('unstructured');
    const made = masks({ pattern, share: 0.5 }, 1);
    const ops = layers.filter(({ weights }) => made.has(weights)).map(({ node }) => node.op);
    expect(ops).to.deep.equal(['conv2d', 'conv2d', 'conv2d', 'fully_connected']);
    expect(made.size).to.equal(ops.length);
    const depthwise = layers.find(({ node }) => node.op === 'depthwise_conv2d')?.weights ?? -1;
    const named = new Map([[depthwise, { pattern, share: 0.5 }]]);
    expect(zeros(masksFor(graph, named, randomScores(graph, 1)).get(depthwise))).to.equal(45);
  });

  const groupRows = [
    ['2:4 of four', '2:4', 0.5, 4, 2],
    ['2:4 of the last two of ten channels', '2:4', 0.5, 2, 1],
    ['1:4 of a last single channel', '1:4', 0.75, 1, 0],
    ['a smaller share first, as schedules ask', '1:4', 0.5, 4, 2],
    ['never more than N:M says', '3:4', 0.9, 4, 1],
  ] as const;
  for (const [edge, name, share, channels, gone] of groupRows) {
    it(`groups: ${edge}`, () => {
      const one = new FloatNetwork([4, 4, channels]).conv(3, 1).graph();
      const plan = uniformPlan(one, { pattern: patternNamed(name), share });
      const [mask] = masksFor(one, plan, randomScores(one, 1)).values();
      expect(zeros(mask)).to.equal(3 * gone);
    });
  }

  it('keep one unit of every layer', () => {
    for (const name of names.slice(0, 4)) {
      for (const mask of masks({ pattern: patternNamed(name), share: 0.9999 }, 1).values()) {
        expect(
          mask.some((kept) => kept === 1),
          name,
        ).to.equal(true);
      }
    }
  });

  it('refuse shares that are none', () => {
    for (const share of [1, 1.5, -0.1, Number.NaN]) {
      const pattern = patternNamed('unstructured');
      expect(() => masks({ pattern, share }, 1)).to.throw(/cannot prune a share/);
      const all = () => globalPlan(graph, { pattern, share }, magnitudeScores(graph));
      expect(all).to.throw(/cannot prune a share/);
    }
  });

  it('grow: what is pruned stays pruned, whatever the new scores and pattern are', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const [first, second] = [names[seed % 7], names[(seed * 3) % 7]].map((name) =>
        patternNamed(name as string),
      ) as [LayerPruning['pattern'], LayerPruning['pattern']];
      const before = masks({ pattern: first, share: 0.4 }, seed);
      const after = masks({ pattern: second, share: 0.7 }, seed + 1, before);
      for (const [id, mask] of before) {
        const grown = after.get(id) as Uint8Array;
        expect(
          mask.every((kept, i) => kept === 1 || grown[i] === 0),
          `seed ${seed}`,
        ).to.equal(true);
        if (first === second && first.kind === 'blocks') {
          expect(zeros(grown)).to.be.at.most(Math.round(0.7 * mask.length));
        }
      }
    }
  });

  it('make a candidate whose pruned weights are 0', () => {
    const pattern = patternNamed('4x1');
    const made = masks({ pattern, share: 0.8 }, 5);
    const candidate = pruned(dense(graph), made);
    for (const [id, mask] of made) {
      expect([...weightsOf(candidate.graph, id)]).to.deep.equal(
        [...weightsOf(graph, id)].map((value, i) => (mask[i] === 0 ? 0 : value)),
      );
    }
    const all = layers.filter(isPrunedByDefault);
    expect(prunedShares(graph, made).map(({ index }) => index)).to.deep.equal(
      all.map(({ index }) => index),
    );
    expect(masksOfZeros(candidate.graph, made.keys())).to.deep.equal(made);
  });
});

describe('one share for all layers', () => {
  const graph = network().graph();
  const layers = prunableLayers(graph).filter(isPrunedByDefault);
  const total = layers.reduce((sum, { count }) => sum + count, 0);

  it('is met, and no layer loses more than 98 %', () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const pattern = patternNamed(names[seed % 4] as string);
      const share = [0.5, 0.8, 0.9][seed % 3] as number;
      const scores = randomScores(graph, seed);
      // One layer is worth little: it would lose everything.
      scores.values.get(layers[1]?.weights ?? -1)?.forEach((value, i, all) => {
        all[i] = value / 1e6;
      });
      const plan = globalPlan(graph, { pattern, share }, scores);
      const made = masksFor(graph, plan, scores);
      const gone = [...made.values()].reduce((sum, mask) => sum + zeros(mask), 0);
      expect(gone / total, `seed ${seed}`).to.be.within(share - 0.06, share + 1 / total);
      expect(plan.get(layers[1]?.weights ?? -1)?.share).to.be.within(0.8, 0.98);
    }
  });

  it('by magnitude does not depend on the scale of a layer', () => {
    const pruning = { pattern: patternNamed('1x4'), share: 0.7 };
    const [first] = layers.map(({ weights }) => weights);
    const data = weightsOf(graph, first ?? -1).map((value) => 64 * value);
    const scaled = withValues(graph, new Map([[first ?? -1, data]]));
    const plans = [graph, scaled].map((one) => globalPlan(one, pruning, magnitudeScores(one)));
    expect(plans[1]).to.deep.equal(plans[0]);
    const shares = [...(plans[0]?.values() ?? [])].map(({ share }) => share);
    expect(new Set(shares).size).to.be.above(1);
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

describe('scores and schedules', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await loadBackend('wasm'));
  });
  const data = squares(64, 1);
  const small = () =>
    new FloatNetwork([8, 8, 1]).conv(4).maxPool().dense(4, 'none').softmax().graph();
  const options = { ...trainDefaults, epochs: 4, batch: 32, learningRate: 0.01, teacherShare: 0 };

  it('Taylor: the mean square change of the output when a weight is scaled', () => {
    // One output: each projection is exact, and each of 50 samples is taken as often.
    const few = squares(50, 2);
    const graph = new FloatNetwork([8, 8, 1]).conv(4).maxPool().dense(1, 'none').graph();
    const runner = runnerOf(tf, graph);
    const scores = taylorScores(tf, dense(graph), few, 1);
    for (const [id, values] of scores.values) {
      for (const at of [0, 7, values.length - 1]) {
        const outputs = (factor: number) => {
          const own = weightsOf(graph, id).slice();
          own[at] = (own[at] as number) * factor;
          const parameter = (wanted: TensorId) =>
            wanted === id ? tf.tensor(own, [...tensorOf(graph, id).shape]) : null;
          const x = () => tf.tensor(few.x, [50, 8, 8, 1]);
          return elementsOf(tf, () => runner.run([x()], { parameter })[0] as TfTensor);
        };
        const [above, below] = [outputs(1.01), outputs(0.99)];
        const squares = above.map((y, i) => ((y - (below[i] as number)) / 0.02) ** 2);
        const mean = squares.reduce((a, b) => a + b) / squares.length;
        expect(values[at]).to.be.closeTo(mean, 1e-6 + 0.02 * mean);
      }
    }
  });

  it('Taylor: needs no labels, for classes and for values', () => {
    const unlabelled = { ...data, labels: null, classes: null };
    const values = new FloatNetwork([8, 8, 1]).conv(4).dense(3, 'none').graph();
    const tensors = tf.memory().numTensors;
    for (const graph of [small(), values]) {
      const scores = taylorScores(tf, dense(graph), unlabelled, 1);
      for (const own of scores.values.values()) {
        expect(own.filter((value) => value > 1e-7).length).to.be.above(own.length / 3);
      }
      expect(taylorScores(tf, dense(graph), unlabelled, 1)).to.deep.equal(scores);
    }
    expect(tf.memory().numTensors).to.equal(tensors);
  });

  it('movement: −w · gradient, summed over steps; pruned weights do not move', async () => {
    const graph = small();
    const [layer] = prunableLayers(graph);
    const id = layer?.weights ?? -1;
    const mask = Uint8Array.from(weightsOf(graph, id), (_, i) => (i % 3 === 0 ? 0 : 1));
    const start = pruned(dense(graph), new Map([[id, mask]]));
    const movement = makeMovement(graph);
    const sum = new Float64Array(mask.length);
    const hooks: TrainHooks = {
      step(report) {
        movement.step(report);
        const [value, slope] = [report.values, report.gradients].map((of) => of.get(id));
        sum.forEach((so, i) => {
          sum[i] = so - (value?.[i] as number) * (slope?.[i] as number);
        });
      },
    };
    await train(tf, start, { data, options, hooks });
    const scores = movement.scores().values.get(id) as Float32Array;
    expect(
      [...sum].map((value, i) => Math.abs(value - (scores[i] as number)) < 1e-5),
    ).not.to.include(false);
    const moved = [...scores.keys()].filter((i) => scores[i] !== 0);
    expect(moved.every((i) => mask[i] === 1)).to.equal(true);
    expect(moved.length).to.be.above(12);
    const again = makeMovement(graph);
    again.restore(movement.arrays());
    expect(again.scores()).to.deep.equal(movement.scores());
  });

  const cubicRows = [
    ['nothing at the start', 0, 0],
    ['seven eighths of it half way', 0.5, 0.7],
    ['all of it at the end', 1, 0.8],
    ['all of it after the end', 2, 0.8],
    ['nothing before the start', -1, 0],
  ] as const;
  for (const [edge, progress, share] of cubicRows) {
    it(`a gradual schedule prunes ${edge}`, () => {
      expect(cubicShare(0.8, progress)).to.be.closeTo(share, 1e-12);
    });
  }

  it('gradual pruning only grows, ends with its share, and resumes the same', async () => {
    const start = dense(small());
    const plan = uniformPlan(start.graph, { pattern: patternNamed('unstructured'), share: 0.75 });
    const schedule = { begin: 1, end: 2, scores: magnitudeScores };
    const states: Checkpoint[] = [];
    const gradual = { masks: gradualMasks(start, plan, schedule) };
    const hooks = { ...gradual, save: (state: Checkpoint) => states.push(state) };
    const whole = await train(tf, start, { data, options, hooks });
    const shares = states.map(({ arrays }) =>
      [...plan.keys()].map((id) => {
        const mask = arrays.get(`mask/${id}`) ?? new Float32Array([1]);
        return mask.filter((kept) => kept === 0).length / mask.length;
      }),
    );
    const expected = [0, 0.75 * (1 - 0.5 ** 3), 0.75, 0.75];
    shares.flat().forEach((share, i) => {
      expect(share).to.be.closeTo(expected[Math.floor(i / plan.size)] ?? -1, 0.02);
    });
    const resumed = await train(tf, start, {
      data,
      options,
      hooks: gradual,
      resume: states[1] ?? null,
    });
    expect(valuesOf(resumed.graph)).to.deep.equal(valuesOf(whole.graph));
    expect(resumed.masks).to.deep.equal(whole.masks);
  });
});

describe('layers by name', () => {
  for (const name of ['conv', '', '__proto__', 'constructor']) {
    it(`several "${name}" are told apart`, () => {
      const plain = network().graph();
      const graph = { ...plain, nodes: plain.nodes.map((node) => ({ ...node, name })) };
      const shares = [0.1, 0.2, 0.3, 0.4, 0.5];
      const plan: PruningPlan = new Map(
        prunableLayers(graph).map(({ weights }, i) => [
          weights,
          { pattern: patternNamed('1x4'), share: shares[i] ?? 0 },
        ]),
      );
      const settings = namedSettings(graph, plan, settingsOf({ step: 'prune' }));
      // As it is written to a file and read again.
      const { layers = {} } = settingsOf(JSON.parse(JSON.stringify(settings)) as typeof settings);
      expect([...namedPlan(graph, layers)]).to.deep.equal([...plan]);
    });
  }
});
