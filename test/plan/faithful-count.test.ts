/** The estimate of the source's operators one by one, which some choices are compared with. */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { faithfulCount } from '../../src/compiler/plan/faithful.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { estimatedCount } from '../../src/compiler/plan/types.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults } from '../support/plan.js';

describe('plan: the estimate of --faithful', () => {
  const b = new NetworkBuilder();
  // Passes would fuse both.
  const padded = b.node('pad', [b.input([1, 4, 4, 4])], { pads: [0, 0, 1, 1, 1, 1, 0, 0] });
  const source = b.module([b.node('relu', [b.conv2d(padded, 4, { kernel: 3 })])]);
  const target = loadTarget('rp2040');

  it('is that of a plan with a step for each operator, whatever is asked for', () => {
    const facts = analyse(mainGraph(source));
    for (const optimize of ['speed', 'size'] as const) {
      const options = { ...defaults, optimize, faithful: true };
      const { plan } = makePlan(source, facts, target, options);
      expect(plan.steps).to.have.length(3);
      const count = faithfulCount(source, target)({ ...options, faithful: false });
      expect(count).to.equal(estimatedCount(plan)).and.to.be.above(0);
    }
  });

  it('is no limit for a plan that is faithful', () => {
    expect(faithfulCount(source, target)({ ...defaults, faithful: true })).to.equal(Infinity);
  });
});
