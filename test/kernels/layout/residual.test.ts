import { expect } from 'chai';
import { loadTarget } from '../../../src/boards/target/index.js';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { type Module, mainGraph, type NodeView, viewOf } from '../../../src/compiler/ir/graph.js';
import { kernelsOf, matchesOf } from '../../../src/compiler/kernels/index.js';
import { clamp } from '../../../src/compiler/ops/arithmetic/quant.js';
import { hasResidual } from '../../../src/compiler/ops/arithmetic/residual.js';
import { sumOf } from '../../../src/compiler/ops/arithmetic/sum.js';
import { sumTablesOf } from '../../../src/compiler/ops/arithmetic/sum-tables.js';
import { evaluateGraph } from '../../../src/compiler/ops/evaluate.js';
import { makePlan } from '../../../src/compiler/plan/index.js';
import { GraphBuilder, perTensorQuant, Random, randomInputs } from '../../support/module.js';
import { expectSameBits, expectSameBitsOfAll } from '../../support/native.js';
import { once } from '../../support/once.js';
import { defaults } from '../../support/plan.js';
import { fused, isFused, randomSum } from '../../support/residual.js';

const seeds = Array.from({ length: 60 }, (_, seed) => seed + 1);
const ops = ['conv2d', 'fully_connected'] as const;

describe('a sum as two look-ups', () => {
  const rows = [
    { edge: 'equal scales: every other sum is a tie', scales: [1, 1, 2], zeroPoints: [0, 0, 0] },
    { edge: 'ties on both sides of zero', scales: [0.5, 0.25, 1], zeroPoints: [-128, 127, -1] },
    { edge: 'scales far apart', scales: [8, 0.01, 8], zeroPoints: [3, -90, 5] },
    { edge: 'an output that mostly saturates', scales: [4, 4, 0.05], zeroPoints: [-128, -128, 0] },
    { edge: 'an output of few values', scales: [0.01, 0.013, 4], zeroPoints: [1, 2, -128] },
    { edge: 'nothing in common', scales: [0.0371, 0.0412, 0.0533], zeroPoints: [-5, 11, -128] },
  ];
  for (const { edge, scales, zeroPoints } of rows) {
    it(`gives every pair: ${edge}`, () => {
      const b = new GraphBuilder();
      const [a, other, out] = scales.map((scale, i) => perTensorQuant(scale, zeroPoints[i] ?? 0));
      const operands = [b.input([1], a), b.input([1], other)];
      const quant = out === undefined ? {} : { quant: out };
      const module = b.module([b.node('add', operands, { activation: 'none' }, quant)]);
      const [node] = mainGraph(module).nodes;
      if (node === undefined) return expect.fail('a node');
      for (const sign of [1, -1] as const) {
        const view = viewOf(mainGraph(module), node) as NodeView<object> as never;
        const sum = sumOf(view, sign);
        for (const [low, high] of [
          [-128, 127],
          [-20, 31],
        ] as const) {
          const found = sumTablesOf(sum, low, high);
          if (found === null) return expect.fail('no tables');
          const { tables, shift } = found;
          for (let x = -128; x < 128; x++) {
            for (let y = -128; y < 128; y++) {
              const total = (tables[x + 128] as number) + (tables[y + 384] as number);
              if (total !== (total | 0)) expect.fail('leaves 32 bits');
              const actual = clamp(total >> shift, low, high);
              const expected = clamp(sum.combine(x, y), low, high);
              if (actual !== expected) expect.fail(`${x}, ${y}: ${actual}, not ${expected}`);
            }
          }
        }
      }
    });
  }
});

describe('a residual in the layer before it', () => {
  for (const op of ops) {
    // The tables of a sum are most of the work: they are found once for all kernels.
    const pairs = once(() =>
      seeds
        .map((seed) => randomSum(new Random(seed), op))
        .map((two) => ({ two, one: fused(two) }))
        .filter(({ one }) => isFused(one)),
    );
    const fusedOnes = () => pairs().map(({ one }) => one);

    it(`${op}: evaluates as the two nodes`, () => {
      expect(pairs().length).to.be.greaterThan(seeds.length / 2);
      for (const [seed, { two, one }] of pairs().entries()) {
        const inputs = randomInputs(two, seed);
        const [expected, actual] = [two, one].map((m) => evaluateGraph(mainGraph(m), inputs));
        expect(actual?.outputs).to.eql(expected?.outputs);
      }
    });

    it(`${op}: its bounds hold every value and are met by constants`, () => {
      for (const [seed, module] of fusedOnes().entries()) {
        const graph = mainGraph(module);
        const { min, max } = analyse(graph).range(graph.tensors[graph.outputs[0] ?? -1] as never);
        const [output] = evaluateGraph(graph, randomInputs(module, seed)).outputs;
        for (const [i, value] of (output as Int8Array).entries()) {
          const channel = i % min.length;
          expect(value).to.be.within(min[channel] as number, max[channel] as number);
        }
      }
    });

    const templates = kernelsOf({ op })
      .variants // Assembly runs on boards only (test/kernels/thumb1).
      .filter(({ addsResidual, needs }) => addsResidual && !needs.includes('thumb1'))
      .map(({ template }) => template);
    it(`${op} in C gives the bits of evaluate: ${templates.join(', ')}`, () => {
      const modules = fusedOnes();
      return expectSameBitsOfAll(templates.map((kernel) => ({ modules, options: { kernel } })));
    });

    it(`${op} in C gives the bits of evaluate, in the memory of what is added`, async () => {
      const plan = (module: Module) =>
        makePlan(module, analyse(mainGraph(module)), loadTarget('host'), defaults);
      await expectSameBits(fusedOnes(), { plan });
    });
  }

  it('is required only of kernels that say that they add one', () => {
    const module = fused(randomSum(new Random(1), 'conv2d'));
    const graph = mainGraph(module);
    const view = viewOf(graph, graph.nodes[0] as never);
    expect(hasResidual(view)).to.equal(true);
    const facts = analyse(graph);
    const target = { ...loadTarget('host') };
    for (const { variant } of matchesOf(view, { facts, target, optimize: 'speed' }, () => true)) {
      expect(variant.addsResidual, variant.template).to.equal(true);
    }
  });
});
