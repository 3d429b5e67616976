/** Which kernels say of themselves that they skip zeros: those that zeros make faster. */

import { expect } from 'chai';
import { conv, dense, prune } from '../../src/boards/tune/layers.js';
import { trialsOf } from '../../src/boards/tune/trials.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { mainGraph, viewOf } from '../../src/compiler/ir/graph.js';
import type { Feature } from '../../src/compiler/ir/op.js';
import { matchesOf } from '../../src/compiler/kernels/index.js';
import { workCost } from '../../src/compiler/plan/choose/candidates.js';

/** Zeros make sums smaller too, and some kernels are faster for that. */
const leastGain = 1.4;

const target = {
  name: 'test',
  features: new Set<Feature>(['mul32', 'thumb1', 'dsp', 'mve']),
  costs: {},
  costUnit: 'cycles' as const,
  flashBytes: null,
  ramBytes: null,
};

/** What each kernel takes for a layer with 9 of 10 weights at zero is to what it takes without. */
describe('kernels that skip zeros', () => {
  const layers = [conv([1, 6, 6, 32], 32, [1, 1]), conv([1, 6, 6, 16], 16, [3, 3]), dense(128, 64)];
  const both = layers.map((whole) => [
    whole,
    prune(whole, { pattern: 'unstructured', density: 0.1 }),
  ]);
  const emptyFacts = analyse({ name: '', tensors: [], nodes: [], inputs: [], outputs: [] });
  const context = { target, facts: emptyFacts, optimize: 'balanced' as const };
  const { module, trials } = trialsOf(both.flat(), context);
  const graph = mainGraph(module);
  const facts = analyse(graph);
  const costs = trials.map(({ template }, position) => {
    const node = graph.nodes[position] as (typeof graph.nodes)[number];
    const known = { ...context, facts };
    const [match] = matchesOf(viewOf(graph, node), known, (each) => each.template === template);
    if (match === undefined) throw new RangeError(template);
    return { variant: match.variant, cost: workCost(match, known) };
  });
  for (const [whole, pruned] of both) {
    for (const [i, { layer, template }] of trials.entries()) {
      const j = trials.findIndex((other) => other.layer === pruned && other.template === template);
      if (layer !== whole || j < 0) continue;
      it(`${template} for ${whole?.op} [${whole?.weights?.shape}]`, () => {
        const gain = (costs[i]?.cost ?? 0) / (costs[j]?.cost ?? 1);
        expect(gain > leastGain, `${gain}`).to.equal(costs[i]?.variant.skipsZeros === true);
      });
    }
  }
});
