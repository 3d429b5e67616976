/** Costs fitted to measured layers, and the calibration program that the layers come from. */

import { expect } from 'chai';
import fc from 'fast-check';
import { listTargets, loadTarget, type Target } from '../../src/boards/target/index.js';
import { fitCosts, type Sample } from '../../src/boards/tune/fit.js';
import { layerCounter, tune } from '../../src/boards/tune/index.js';
import { calibration, realLayers } from '../../src/boards/tune/layers.js';
import { type MeasureRequest, measureLayers } from '../../src/boards/tune/measure.js';
import { type Trial, type Trials, trialsOf } from '../../src/boards/tune/trials.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { mainGraph, type Node, viewOf } from '../../src/compiler/ir/graph.js';
import { goals, typesOf } from '../../src/compiler/ir/op.js';
import { kernelsOf, matchesOf } from '../../src/compiler/kernels/index.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { opOf } from '../../src/compiler/ops/index.js';
import { BonsaiError } from '../../src/errors.js';
import { randomInputs } from '../support/module.js';
import { runs } from '../support/runs.js';

describe('tune: progress', () => {
  const rows: [edge: string, done: number, seconds: number, text: string][] = [
    ['at first nothing tells how long', 0, 9, 'layer 1/340'],
    ['minutes', 10, 10, 'layer 11/340, about 6 min left'],
    ['seconds', 300, 60, 'layer 301/340, about 8 s left'],
    ['the last', 340, 60, 'layer 340/340'],
  ];
  for (const [edge, done, seconds, text] of rows) {
    it(edge, () => {
      let nowMs = 5000;
      const { finish, place } = layerCounter(340, () => nowMs);
      finish(done);
      nowMs += 1000 * seconds;
      expect(place()).to.equal(text);
    });
  }
});

describe('tune: fit', () => {
  it('finds the costs that made the counts', () => {
    const terms = ['macs', 'outputs', 'pixels'];
    const costs = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(costs, ([macs = 0, outputs = 0, pixels = 0]) => {
        fc.pre(macs + outputs + pixels > 0);
        const samples = [
          [1000, 100, 10],
          [5000, 90, 30],
          [200, 100, 100],
          [3000, 800, 2],
        ].flatMap(([m = 0, o = 0, p = 0]): Sample[] => {
          const measured = m * macs + o * outputs + p * pixels;
          return measured > 0 ? [{ counts: { macs: m, outputs: o, pixels: p }, measured }] : [];
        });
        const { costs: found, worstError } = fitCosts(samples);
        expect(worstError).to.be.below(0.01);
        expect(Object.keys(found)).to.deep.equal(terms);
      }),
      { numRuns: runs(100) },
    );
  });

  const rows: [edge: string, samples: Sample[], costs: Record<string, number>][] = [
    ['one layer', [{ counts: { macs: 100 }, measured: 250 }], { macs: 2.5 }],
    [
      'a term that never happens costs nothing',
      [{ counts: { a: 2, b: 0 }, measured: 6 }],
      { a: 3, b: 0 },
    ],
    [
      'no cost is negative, where the layers say so',
      [
        { counts: { a: 1, b: 1 }, measured: 1 },
        { counts: { a: 2, b: 1 }, measured: 4 },
      ],
      { a: 1.2, b: 0 },
    ],
  ];
  for (const [edge, samples, costs] of rows) {
    it(edge, () => {
      const found = fitCosts(samples).costs;
      expect(Object.keys(found)).to.deep.equal(Object.keys(costs));
      for (const [term, cost] of Object.entries(costs)) {
        expect(found[term], term).to.be.closeTo(cost, 0.01);
      }
    });
  }
});

/** Of each kernel the two layers with the fewest MACs: simulated cycles are what the test takes. */
function smallestTrials(...args: Parameters<typeof trialsOf>): Trials {
  const { module, trials } = trialsOf(...args);
  const graph = mainGraph(module);
  const macs = graph.nodes.map((node) => opOf(node).macs(viewOf(graph, node)));
  const templates = new Set(trials.map(({ template }) => template));
  const kept = [...templates].flatMap((template) =>
    [...trials.keys()]
      .filter((i) => trials[i]?.template === template)
      .sort((a, b) => (macs[a] ?? 0) - (macs[b] ?? 0))
      .slice(0, 2),
  );
  const nodes = kept.map((i) => graph.nodes[i] as Node);
  const outputs = nodes.at(-1)?.outputs ?? [];
  return {
    module: { ...module, graphs: [{ ...graph, nodes, outputs }] },
    trials: kept.map((i) => trials[i] as Trial),
  };
}

/** Targets that match the same kernels: the name of each, by features and regions of memory. */
function alikeTargets(): readonly (readonly Target[])[] {
  const groups = new Map<string, Target[]>();
  for (const target of listTargets().map(loadTarget)) {
    const key = `${[...target.features].sort()} ${target.regions === undefined}`;
    groups.set(key, [...(groups.get(key) ?? []), target]);
  }
  return [...groups.values()];
}

describe('tune: calibration', () => {
  const empty = { name: 'none', tensors: [], nodes: [], inputs: [], outputs: [] };
  const facts = analyse(empty);

  for (const targets of alikeTargets()) {
    const [target] = targets as [Target];
    it(`has every variant with alternatives for ${targets.map(({ name }) => name).join(', ')}`, () => {
      const context = { target, facts, optimize: 'balanced' } as const;
      const { module, trials } = trialsOf(calibration, context);
      const graph = mainGraph(module);
      // The one operator with a kernel for one goal only.
      const rows = calibration.filter(({ op }) => op === 'fully_connected');
      const forSpeed = trialsOf(rows, { ...context, optimize: 'speed' });
      const tried = new Set([...trials, ...forSpeed.trials].map(({ template }) => template));
      for (const op of new Set(graph.nodes.map((node) => node.op))) {
        for (const variant of kernelsOf({ op }).variants) {
          const { template, needs, goals: served = goals } = variant;
          if (!needs.every((feature) => target.features.has(feature))) continue;
          // Code of kernels of other types is not measured.
          if (!typesOf(variant).includes('int8')) continue;
          expect(tried, op).to.include(template);
          for (const { name, code } of targets) {
            for (const goal of code === undefined ? [] : served) {
              expect(code?.[goal].kernels, `code.json of ${name}, ${goal}`).to.have.property(
                template,
              );
            }
          }
        }
      }
      for (const [i, node] of graph.nodes.entries()) {
        const template = trials[i]?.template;
        const view = viewOf(graph, node);
        const [match] = matchesOf(view, context, (each) => each.template === template);
        expect(match?.kernel.work(), template).to.not.be.empty;
      }
    });
  }

  it('has layers that evaluate', () => {
    const { module, trials } = trialsOf(calibration, {
      target: loadTarget('host'),
      facts,
      optimize: 'balanced',
    });
    expect(new Set(trials.map(({ layer }) => layer)).size).to.equal(calibration.length);
    expect(evaluateGraph(mainGraph(module), randomInputs(module, 1)).outputs).to.have.length(1);
  });

  it('makes several programs of layers that do not fit the board together', async () => {
    const built: number[] = [];
    const layers = calibration.filter(({ op }) => op === 'max_pool2d').slice(0, 3);
    const choose: typeof trialsOf = (some, context) => {
      built.push(some.length);
      if (some.length > 2) throw new BonsaiError('over-budget', 'board', 'is full', 'take fewer');
      return trialsOf(some, context);
    };
    const finished: number[] = [];
    const finish = (some: number) => void finished.push(some);
    const request = { target: loadTarget('host'), port: 'sim', trials: choose, finish };
    const { trials } = await measureLayers(layers, 'balanced', request);
    expect(built).to.deep.equal([3, 2, 1]);
    expect(finished, 'each once').to.deep.equal([2, 1]);
    expect([...new Set(trials.map(({ layer }) => layer))]).to.deep.equal(layers);
  });

  it('takes the counts of a model of the core in place of those of the board', async () => {
    const layers = calibration.filter(({ op }) => op === 'max_pool2d').slice(0, 2);
    const request: MeasureRequest = {
      ...{ target: loadTarget('host'), port: 'sim' },
      countLayers: async ({ manifest }) => manifest.plan.steps.map((_, step) => 1000 + step),
    };
    const { trials } = await measureLayers(layers, 'balanced', request);
    expect(trials.map(({ count }) => count)).to.deep.equal(trials.map((_, i) => 1000 + i));
  });

  // Bits: a NaN has the sign that evaluate's has, too.
  for (const name of ['rp2040', 'stm32f405', 'esp32c3', 'mps3-an547']) {
    it(`runs functions of float32 and int16, and comparisons, on ${name}: exact`, async () => {
      const shapes = new Map([
        ['1,8,8,16', [1, 3, 7]],
        ['1,7,5,19', [11]],
      ]);
      const layers = realLayers.map((layer) => ({
        ...layer,
        inputs: layer.inputs.map((shape) => shapes.get(`${shape}`) ?? shape),
      }));
      const { trials } = await measureLayers(layers, 'balanced', {
        ...{ target: loadTarget(name), port: 'sim' },
      });
      expect(new Set(trials.map(({ layer }) => layer)).size).to.equal(layers.length);
    });
  }

  it('measures every kernel of the simulated rp2040, each of its layers exact', async () => {
    const board = { target: loadTarget('rp2040'), port: 'sim', trials: smallestTrials };
    const { unit, kernels } = await tune(board, ['speed', 'size']);
    expect(unit).to.equal('cycles');
    for (const { template, costs, layers } of kernels) {
      expect(layers, template).to.be.above(0);
      expect(Math.max(...Object.values(costs)), template).to.be.above(0);
    }
  });
});
