/** Means of four channels at once: the reciprocal for every sum, and the kernel in C. */

import { expect } from 'chai';
import { type Attrs, mainGraph, type Node, viewOf } from '../../../src/compiler/ir/graph.js';
import { matchesOf } from '../../../src/compiler/kernels/index.js';
import { reciprocalOf } from '../../../src/compiler/kernels/swar/average_pool2d.js';
import { GraphBuilder, perTensorQuant } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { contextOf, defaults, simplePlan } from '../../support/plan.js';

const kernel = 'swar/average_pool2d';
const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

const rows: readonly { edge: string; shape: readonly number[]; window: Attrs }[] = [
  {
    edge: 'the whole image, an odd count',
    shape: [2, 25, 5, 8],
    window: { kernelH: 25, kernelW: 5, strideH: 25, strideW: 5 },
  },
  {
    edge: 'as many elements as fit a lane',
    shape: [1, 257, 1, 4],
    window: { kernelH: 257, kernelW: 1, strideH: 1, strideW: 1 },
  },
  {
    edge: 'windows that overlap, a row left over',
    shape: [1, 7, 8, 12],
    window: { kernelH: 3, kernelW: 2, strideH: 2, strideW: 1 },
  },
  {
    edge: 'channels that are no multiple of four, the last ones again',
    shape: [2, 5, 4, 5],
    window: { kernelH: 3, kernelW: 2, strideH: 2, strideW: 1 },
  },
  {
    edge: 'a pixel of channels, two more than a multiple of four',
    shape: [1, 6, 3, 58],
    window: { kernelH: 6, kernelW: 3, strideH: 1, strideW: 1 },
  },
  {
    edge: 'one pixel each, clamped',
    shape: [1, 3, 3, 4],
    window: { kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, activation: 'relu6' },
  },
];

describe(kernel, () => {
  it('divides every sum of up to 257 values exactly', () => {
    for (let count = 1; count <= 257; count += 1) {
      const reciprocal = reciprocalOf(count);
      const most = 128 * count + Math.floor(count / 2);
      expect(most * reciprocal).to.be.lessThan(2 ** 32);
      for (let n = 0; n <= most; n += 1) {
        const quotient = Math.floor((n * reciprocal) / 2 ** 24);
        if (quotient !== Math.floor(n / count)) expect.fail(`${n} / ${count} is not ${quotient}`);
      }
    }
  });

  it('shares its reciprocals with the portable kernel, up to 257 values', async () => {
    const moduleOf = (count: number) => {
      const b = new GraphBuilder();
      const x = b.input([1, count, 1, 3], perTensorQuant(0.05, -3));
      const window = { kernelH: count, kernelW: 1, strideH: 1, strideW: 1 };
      return b.module([b.node('average_pool2d', [x], { ...pads, activation: 'none', ...window })]);
    };
    const counts = [1, 2, 3, 256, 257, 258];
    await expectSameBits(counts.map(moduleOf), { kernel: 'portable/average_pool2d', runs: 4 });
    const isQuick = (count: number) => {
      const graph = mainGraph(moduleOf(count));
      const context = contextOf({ options: defaults, target: 'test' });
      const matches = matchesOf(viewOf(graph, graph.nodes[0] as Node), context, () => true);
      return Object.keys(matches.at(-1)?.kernel.work() ?? {})[0];
    };
    expect(counts.map(isQuick)).to.deep.equal([
      ...Array.from({ length: 5 }, () => 'quickOutputs'),
      'outputs',
    ]);
  });

  it('gives the bits of evaluate in C', async () => {
    const modules = rows.map(({ shape, window }) => {
      const b = new GraphBuilder();
      const x = b.input(shape, perTensorQuant(0.05, -3));
      const attrs = { ...pads, activation: 'none', ...window };
      const module = b.module([b.node('average_pool2d', [x], attrs)]);
      expect(simplePlan(module, { kernel }).plan.steps[0]?.kernel).to.equal(kernel);
      return module;
    });
    await expectSameBits(modules, { kernel, runs: 4, overlap: true });
  });
});
