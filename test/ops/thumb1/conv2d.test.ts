/** The kernel around the code: random layers as firmware on the simulated board. */

import { expect } from 'chai';
import type { Module } from '../../../src/ir/graph.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, Random } from '../../support/module.js';
import { randomAccumulation, randomWindow } from '../../support/operands.js';
import type { SimplePlanOptions } from '../../support/plan.js';
import { fused, randomSum } from '../../support/residual.js';

const pointwise = {
  ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
  ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
};

/** Any window, every third one 1×1 on pixels; any channels; weights of all kinds. */
function randomLayer(seed: number) {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const { input, output, attrs } = randomAccumulation(random);
  const [h, w, inC] = [random.integer(1, 8), random.integer(1, 8), random.integer(1, 13)];
  const shape = [random.integer(1, 2), h, w, inC];
  const window = randomWindow(random, shape);
  const isPointwise = seed % 3 === 0;
  const [kernelH, kernelW] = isPointwise ? [1, 1] : [window.kernelH, window.kernelW];
  const outC = random.integer(1, 40);
  const count = outC * kernelH * kernelW * inC;
  const weight = random.pick([
    () => random.integer(-128, 127),
    () => random.pick([-128, 127, 1, -1, 0]),
    () => (random.integer(0, 4) === 0 ? random.integer(-128, 127) : 0),
  ]);
  const weights = b.constant(
    Int8Array.from({ length: count }, weight),
    [outC, kernelH, kernelW, inC],
    perChannelQuant(
      Array.from({ length: outC }, () => random.integer(1, 400) / 10000),
      0,
    ),
  );
  const bias = b.constant(random.int32(outC, -30000, 30000));
  const x = b.input(shape, input);
  const all = { ...(isPointwise ? pointwise : window.attrs), ...attrs };
  const y = b.node('conv2d', [x, weights, bias], all, { quant: output, name: `seed ${seed}` });
  return b.module([y]);
}

const seeds = Array.from({ length: 30 }, (_, i) => i + 1);

const kernel = 'thumb1/conv2d';

/** Most of the layers, at least, are computed by it. */
async function expectSameBits(modules: readonly Module[], options: SimplePlanOptions = {}) {
  const kernels = await expectSameBitsOnBoard(modules, 'rp2040', { ...options, kernel });
  const coded = kernels.filter((other) => other === kernel);
  expect(coded.length / kernels.length).to.be.greaterThan(0.6);
}

describe('conv2d by weights as code, on the simulated RP2040', function () {
  this.timeout(120_000);
  it('gives the bits of evaluate', () => expectSameBits(seeds.map(randomLayer)));
  it('gives the bits of evaluate, a kernel for each shape, in the memory of the input', () =>
    expectSameBits(seeds.map(randomLayer), { overlap: true, optimize: 'speed' }));
  it('gives the bits of evaluate where a residual is added, in the memory of either input', () => {
    const sums = seeds.slice(0, 12).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
    return expectSameBits(sums, { overlap: true });
  });
});
