/** The kernels whose channels or pixels share words: on the simulated board, and with full lanes in C. */
import { expect } from 'chai';
import { packageTemplates } from '../../../src/boards/project/templates.js';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { emitProgram } from '../../../src/compiler/codegen/program.js';
import { type Module, mainGraph, viewOf } from '../../../src/compiler/ir/graph.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { randomLayer } from '../../support/layers.js';
import {
  GraphBuilder,
  mergeModules,
  perChannelQuant,
  perTensorQuant,
  Random,
} from '../../support/module.js';
import { firstDifference, runProgram } from '../../support/native.js';
import { contextOf, type SimplePlanOptions, simplePlan } from '../../support/plan.js';
import { fused, randomSum } from '../../support/residual.js';

const seeds = Array.from({ length: 30 }, (_, i) => i + 1);

/** Layers whose sums reach the bounds of their lanes where all inputs are at an end. */
function fullLayer(depth: number, weight: number, channels: number): Module {
  const b = new GraphBuilder();
  const x = b.input([1, 1, 10, depth], perTensorQuant(0.1, 0));
  const weights = b.constant(
    new Int8Array(channels * depth).fill(weight),
    [channels, 1, 1, depth],
    perTensorQuant(0.01, 0),
  );
  const attrs = {
    ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
    ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
    ...{ activation: 'none', rounding: 'double' },
  };
  const quant = perTensorQuant(0.001 * depth * Math.abs(weight), -3);
  const y = b.node('conv2d', [x, weights], attrs, { quant, name: `${depth} times ${weight}` });
  return b.module([y]);
}

/** Sums so large that two multiplications of 32 bits have too few of them, on one side of zero or both. */
function deepLayer(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const [depth, channels] = [random.integer(300, 400), random.integer(13, 18)];
  const isPointwise = seed % 2 === 0;
  const side = isPointwise ? 1 : 2;
  const x = b.input([1, 3, 4, depth], perTensorQuant(0.1, random.integer(-128, 127)));
  const weights = b.constant(
    random.int8(channels * side * side * depth, -127, 127),
    [channels, side, side, depth],
    perChannelQuant(
      Array.from({ length: channels }, () => random.integer(80, 120) / 10000),
      0,
    ),
  );
  const bias = b.constant(random.int32(channels, -99999, 99999));
  const attrs = {
    ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
    ...{ padTop: 0, padBottom: side - 1, padLeft: 0, padRight: side - 1 },
    ...{ activation: 'none', rounding: 'double' },
  };
  const quant = perTensorQuant(
    0.001 * 2 ** (11.3 + random.integer(0, 9) / 10),
    seed % 3 > 0 ? 5 : -128,
  );
  return b.module([b.node('conv2d', [x, weights, bias], attrs, { quant, name: `deep ${seed}` })]);
}

for (const kernel of ['swar/conv2d', 'swar/conv2d_pixels']) {
  describe(`kernel ${kernel}`, () => {
    it('multiplies large sums three times', async () => {
      const modules = seeds.slice(0, 8).map(deepLayer);
      const forms = modules.map((module) => {
        const graph = mainGraph(module);
        const view = viewOf(graph, graph.nodes[0] as never);
        const plan = { target: 'rp2040', options: { optimize: 'balanced' } as never };
        const context = contextOf(plan, analyse(graph));
        const [match] = matchesOf(view, context, ({ template }) => template === kernel);
        return match?.kernel.calls()[0]?.flags.deep;
      });
      expect(forms.filter((isDeep) => isDeep)).to.have.length.greaterThan(4);
      for (const optimize of ['balanced', 'speed'] as const) {
        await expectOnBoard(modules, { optimize });
      }
    });

    /** Most of the layers, at least, are computed by it. */
    async function expectOnBoard(modules: readonly Module[], options: SimplePlanOptions = {}) {
      const kernels = await expectSameBitsOnBoard(modules, 'rp2040', { ...options, kernel });
      const shared = kernels.filter((other) => other === kernel);
      expect(shared.length / kernels.length).to.be.greaterThan(0.6);
    }

    it('gives the bits of evaluate on the simulated RP2040', () =>
      expectOnBoard(seeds.map(randomLayer)));
    it('does so with a kernel for each shape, in the memory of the input', () =>
      expectOnBoard(seeds.map(randomLayer), { overlap: true, optimize: 'speed' }));
    it('does so compiled for size', () =>
      expectOnBoard(seeds.map(randomLayer), { optimize: 'size' }));
    it('does so where a residual is added', () =>
      expectOnBoard(
        seeds.slice(0, 12).map((seed) => fused(randomSum(new Random(seed), 'conv2d'))),
        { overlap: true },
      ));
  });
}

describe('lanes that are full at either end', () => {
  for (const kernel of ['swar/conv2d', 'swar/conv2d_pixels', 'swar/sparse_conv2d_pixels']) {
    it(`give the bits of evaluate in C by ${kernel}`, async () => {
      const module = mergeModules([
        fullLayer(4, 64, 13),
        fullLayer(4, -64, 12),
        fullLayer(64, 127, 10),
        fullLayer(63, -128, 9),
        fullLayer(64, -128, 16),
        fullLayer(200, -127, 7),
      ]);
      const facts = analyse(mainGraph(module));
      const planned = simplePlan(module, { kernel, facts });
      const { plan } = planned;
      const program = emitProgram(module, planned, packageTemplates());
      const ends = [-128, 127].map((end) =>
        plan.inputs.map(({ bytes }) => new Int8Array(bytes).fill(end)),
      );
      const traces = await runProgram(module.name, plan, program, ends);
      traces.forEach((trace, i) => {
        expect(firstDifference(module, ends[i] ?? [], trace)).to.equal(null);
      });
    });
  }
});
