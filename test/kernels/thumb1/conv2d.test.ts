/** The kernel around the code: random layers as firmware on the simulated board. */

import { expect } from 'chai';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../../src/compiler/ir/graph.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { randomLayer } from '../../support/layers.js';
import { Random } from '../../support/module.js';
import { expectSameBits as expectSameBitsHere } from '../../support/native.js';
import { type SimplePlanOptions, simplePlan } from '../../support/plan.js';
import { fused, randomSum } from '../../support/residual.js';

const seeds = Array.from({ length: 30 }, (_, i) => i + 1);

const kernel = 'thumb1/conv2d';

/** Most of the layers, at least, are computed by it. */
async function expectSameBits(modules: readonly Module[], options: SimplePlanOptions = {}) {
  const kernels = await expectSameBitsOnBoard(modules, 'rp2040', { ...options, kernel });
  const coded = kernels.filter((other) => other === kernel);
  expect(coded.length / kernels.length).to.be.greaterThan(0.6);
}

describe('conv2d by weights as code: its C for other machines, under sanitizers', function () {
  this.timeout(120_000);
  const sums = seeds.slice(0, 12).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
  const rows: [edge: string, modules: readonly Module[], options: SimplePlanOptions][] = [
    ['in the memory of the input', seeds.map(randomLayer), { overlap: true }],
    ['with a residual', sums, {}],
  ];
  for (const [edge, modules, options] of rows) {
    it(`gives the bits of evaluate, ${edge}`, async () => {
      let coded = 0;
      await expectSameBitsHere(modules, {
        plan: (module) => {
          const facts = analyse(mainGraph(module));
          const planned = simplePlan(module, { ...options, kernel, facts });
          const { steps } = planned.plan;
          coded = steps.filter((step) => step.kernel === kernel).length / steps.length;
          return planned;
        },
      });
      expect(coded).to.be.greaterThan(0.6);
    });
  }
});

describe('conv2d by weights as code, on the simulated RP2040', () => {
  it('gives the bits of evaluate', () => expectSameBits(seeds.map(randomLayer)));
  it('gives the bits of evaluate, a kernel for each shape, in the memory of the input', () =>
    expectSameBits(seeds.map(randomLayer), { overlap: true, optimize: 'speed' }));
  it('gives the bits of evaluate, compiled for size', () =>
    expectSameBits(seeds.map(randomLayer), { optimize: 'size' }));
  it('gives the bits of evaluate where a residual is added, in the memory of either input', () => {
    const sums = seeds.slice(0, 12).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
    return expectSameBits(sums, { overlap: true });
  });
});
