/** Costs in the loop: those of the plan that compile makes, by layer, before there is a file. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { estimatedCount } from '../../src/compiler/plan/types.js';
import { costsOn } from '../../src/compress/cost.js';
import { planned } from '../../src/pipeline.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults } from '../support/plan.js';

const options = { ...defaults, faithful: false };

/** A convolution, a depthwise one, a reshape and a fully connected layer. */
function network(isPruned: (element: number) => boolean = () => false): Module {
  const builder = new NetworkBuilder();
  const input = builder.input([1, 12, 12, 8]);
  const conv = builder.conv2d(input, 16, { kernel: 3 });
  const depthwise = builder.depthwise(conv);
  const [, h = 1, w = 1, c = 1] = builder.shape(depthwise);
  const flat = builder.reshape(depthwise, [1, h * w * c]);
  const module = builder.module([builder.dense(flat, 4)]);
  const [first] = module.graphs[0]?.nodes ?? [];
  const weights = module.graphs[0]?.tensors[first?.inputs[1] ?? 0]?.data as Int8Array;
  weights.forEach((_, i) => {
    if (isPruned(i)) weights[i] = 0;
  });
  return module;
}

describe('compress: costs of a model on a target', () => {
  for (const name of ['rp2040', 'stm32f405']) {
    const target = loadTarget(name);
    it(`those of the plan that compile makes of the written file, on ${name}`, () => {
      const builder = new NetworkBuilder();
      const conv = builder.conv2d(builder.input([1, 12, 12, 8]), 16, { kernel: 3 });
      const module = builder.module([builder.depthwise(conv)]);
      const cost = costsOn(target, options)(module);
      const { plan } = planned({ bytes: writeTflite(module), path: 'n.tflite', target, options });
      expect(cost.count).to.equal(estimatedCount(plan));
      expect(cost.ms).to.equal((1000 * cost.count) / target.clockHz);
      expect(cost.flashBytes).to.equal(Math.ceil(plan.decision.imageBytes));
      const { staticBytes = 0, stackBytes = 0 } = target.firmware ?? {};
      expect(cost.ramBytes).to.be.at.least(plan.arenaBytes + staticBytes + stackBytes);
    });

    it(`layers' counts add up, and a pruned layer alone becomes cheaper, on ${name}`, () => {
      const [dense, pruned] = [network(), network((i) => i % 10 !== 0)].map(
        costsOn(target, options),
      );
      const layers = dense?.layers ?? [];
      expect(layers).to.have.length(4);
      expect(layers.reduce((a, b) => a + b, 0)).to.be.closeTo(dense?.count ?? 0, 1e-6);
      expect(layers[2], 'a reshape is free').to.equal(0);
      expect(pruned?.layers[0]).to.be.below(0.5 * (layers[0] ?? 0));
      expect(pruned?.layers[1]).to.equal(layers[1]);
    });
  }
});
