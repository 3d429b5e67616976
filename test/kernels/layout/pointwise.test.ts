/** 1×1 convolutions over a single row that do not take its pixels one after the other. */

import { expect } from 'chai';
import type { Module } from '../../../src/compiler/ir/graph.js';
import { kernelsOf } from '../../../src/compiler/kernels/index.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, mergeModules, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { simplePlan } from '../../support/plan.js';

const rows = [
  { edge: 'rows of padding above and below', attrs: { padTop: 1, padBottom: 2 }, batches: 1 },
  { edge: 'no row but padding', attrs: { padTop: 1, strideH: 3 }, batches: 1 },
  { edge: 'a stride, and as many pixels', attrs: { padRight: 5, strideW: 2 }, batches: 1 },
  { edge: 'padding before the first pixel', attrs: { padLeft: 2 }, batches: 1 },
  { edge: 'several images', attrs: { padTop: 1 }, batches: 2 },
];

function moduleOf({ edge, attrs, batches }: (typeof rows)[number]): Module {
  const b = new GraphBuilder();
  const random = new Random(3);
  const [inC, outC] = [5, 6];
  const x = b.input([batches, 1, 6, inC], perTensorQuant(0.02, 90));
  const weights = b.constant(random.int8(outC * inC), [outC, 1, 1, inC], perTensorQuant(0.01, 0));
  const all = {
    ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
    ...{ padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 },
    ...{ activation: 'none', rounding: 'double', ...attrs },
  };
  const quant = perTensorQuant(0.05, -3);
  return b.module([b.node('conv2d', [x, weights, null], all, { quant, name: edge })]);
}

describe('1x1 windows over one row', () => {
  for (const { template: kernel } of kernelsOf({ op: 'conv2d' }).variants) {
    const taken = rows.filter((row) => {
      const [step] = simplePlan(moduleOf(row), { kernel }).plan.steps;
      return step?.kernel === kernel;
    });
    if (taken.length === 0) continue;
    it(`give the bits of evaluate by ${kernel}`, () => {
      const modules = taken.map(moduleOf);
      return kernel.startsWith('thumb1/')
        ? expectSameBitsOnBoard(modules, 'rp2040', { kernel })
        : expectSameBits(modules, { kernel });
    });
  }

  it('every kernel of windows takes them', () => {
    const module = mergeModules(rows.map(moduleOf));
    const kernels = kernelsOf({ op: 'conv2d' })
      .variants.map(({ template }) => template)
      .filter((kernel) =>
        simplePlan(module, { kernel }).plan.steps.every((s) => s.kernel === kernel),
      );
    expect(kernels).to.include.members([
      'swar/conv2d',
      'thumb1/conv2d',
      'dsp/conv2d',
      'mve/conv2d',
    ]);
  });
});
