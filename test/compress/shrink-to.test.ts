import { expect } from 'chai';
import { type Graph, tensorOf } from '../../src/compiler/ir/graph.js';
import type { Candidate } from '../../src/compress/candidate.js';
import { makeRandom } from '../../src/compress/random.js';
import { couplingOf } from '../../src/compress/shrink/coupling.js';
import { shrunk } from '../../src/compress/shrink/cut.js';
import { familiesOf, resized, sizesOf } from '../../src/compress/shrink/families.js';
import { search } from '../../src/compress/shrink/search.js';
import { shrinkTo } from '../../src/compress/shrink/shrink-to.js';
import { FloatNetwork } from '../support/float-network.js';

const candidate = (graph: Graph): Candidate => ({ graph, masks: new Map(), quantization: null });

const small = [
  () => new FloatNetwork([4, 4, 3]).conv(5).maxPool().conv(4, 1).conv(6).dense(3, 'none'),
  () => {
    const net = new FloatNetwork([4, 4, 2]).conv(4);
    const skip = net.last;
    net.conv(6, 3).conv(4, 1, 1, 'none').add('add', [skip], { activation: 'relu' });
    return net.depthwise().conv(5, 1).mean().dense(3, 'none');
  },
  () => new FloatNetwork([12]).dense(6).dense(5).dense(7).dense(2, 'none'),
].map((build) => build().graph());

function drawnScores(count: number, seed: number): readonly number[] {
  const random = makeRandom(seed);
  return Array.from({ length: count }, () => 0.1 + random());
}

describe('shrinking to a goal', () => {
  for (const [i, graph] of small.entries()) {
    it(`harms little more than the best of all choices: network ${i}`, () => {
      const ratios: number[] = [];
      for (let seed = 0; seed < 12; seed += 1) {
        const { groups } = couplingOf(graph);
        const families = familiesOf(groups, drawnScores(groups.length, seed));
        const wanted = (0.3 + 0.05 * seed) * sizesOf(graph).macs;
        const excess = ({ macs }: { macs: number }) => Math.max(0, macs / wanted - 1);
        const found = search(graph, families, excess, { multiple: 1, least: 1 });
        let best = Number.POSITIVE_INFINITY;
        const visit = (counts: readonly number[], harm: number): void => {
          const family = families[counts.length];
          if (harm >= best) return;
          if (family !== undefined) {
            family.harm.forEach((own, count) => {
              visit([...counts, count], harm + own);
            });
            return;
          }
          const smaller = resized(graph, families, counts, 1);
          if (smaller !== null && excess(sizesOf(smaller)) === 0) best = harm;
        };
        visit([], 0);
        expect(found.isMet).to.equal(true);
        ratios.push(found.harm / best);
      }
      expect(Math.min(...ratios)).to.be.at.least(1 - 1e-9);
      expect(Math.max(...ratios)).to.be.below(1.35);
      expect(ratios.filter((ratio) => ratio < 1.001)).to.have.length.above(7);
    });
  }

  const graph = new FloatNetwork([8, 8, 3]).conv(16).conv(24).conv(12).dense(3, 'none').graph();
  const { groups } = couplingOf(graph);
  const scores = drawnScores(groups.length, 1);
  const extents = (from: Graph) =>
    from.nodes.slice(0, 3).map(({ outputs: [id = 0] }) => tensorOf(from, id).shape[3] as number);

  const goals = [
    { edge: 'multiples of 4', macs: 0.5, multiple: 4, least: 4 },
    { edge: 'any count', macs: 0.5, multiple: 1, least: 1 },
    { edge: 'multiples of 8: a layer of 12 has 8 or 12', macs: 0.4, multiple: 8, least: 1 },
    {
      edge: 'families smaller than the multiple lose one at a time',
      macs: 0.4,
      multiple: 32,
      least: 1,
    },
    { edge: 'all MACs', macs: 1, multiple: 4, least: 4 },
  ] as const;
  for (const { edge, macs, ...options } of goals) {
    it(`meets a share of MACs: ${edge}`, () => {
      const made = shrinkTo(candidate(graph), { macs }, { scores, ...options });
      expect(made.isMet).to.equal(true);
      expect(sizesOf(made.candidate.graph).macs).to.be.at.most(macs * sizesOf(graph).macs);
      expect(sizesOf(made.candidate.graph).macs).to.be.above(0.8 * macs * sizesOf(graph).macs);
      expect(extents(made.candidate.graph)).to.deep.equal(made.families.map(({ after }) => after));
      const { multiple, least } = options;
      for (const { before, after } of made.families) {
        expect(after).to.be.at.least(least);
        if (after < before && multiple <= before) expect(after % multiple).to.equal(0);
      }
    });
  }

  it('removes what scores least, and keeps the fewest channels where a goal is out of reach', () => {
    const {
      candidate: made,
      isMet,
      families,
    } = shrinkTo(candidate(graph), { macs: 0.001 }, { scores, multiple: 4, least: 8 });
    expect(isMet).to.equal(false);
    expect(families.map(({ after }) => after)).to.deep.equal([8, 8, 8]);
    const own = familiesOf(groups, scores);
    const removed = own.flatMap((family) => family.groups.slice(0, -8));
    expect(made.graph).to.deep.equal(shrunk(candidate(graph), removed).graph);
    const all = scores.slice(0, 16).toSorted((x, y) => x - y);
    const add = (values: readonly number[]) => values.reduce((x, y) => x + y, 0);
    const harm = add(all) * Math.log(add(all) / add(all.slice(8)));
    expect(own[0]?.harm[8]).to.be.closeTo(harm, 1e-9);
    expect(harm).to.be.above(add(all.slice(0, 8)));
  });

  /** A target whose kernels compute channels in whole eights, and which spends 2 bytes on a weight. */
  const costOf = ({ graph: of }: Candidate) => {
    const { parameters, liveElements } = sizesOf(of);
    const layers = of.nodes.map(({ op, inputs }) => {
      if (op !== 'conv2d') return 10;
      const [o = 1, h = 1, w = 1, i = 1] = tensorOf(of, inputs[1] ?? 0).shape;
      return 64 * h * w * i * Math.ceil(o / 8) * 8;
    });
    const count = 5000 + layers.reduce((a, b) => a + b, 0);
    return { count, layers, flashBytes: 9000 + 2 * parameters, ramBytes: 100 + 1.5 * liveElements };
  };
  const full = costOf(candidate(graph));

  const budgets = [
    { edge: 'time', goal: { count: 0.5 * full.count } },
    { edge: 'flash', goal: { flashBytes: 0.6 * full.flashBytes } },
    { edge: 'RAM', goal: { ramBytes: 0.7 * full.ramBytes } },
    {
      edge: 'all three',
      goal: {
        count: 0.6 * full.count,
        flashBytes: 0.7 * full.flashBytes,
        ramBytes: 0.8 * full.ramBytes,
      },
    },
  ];
  for (const { edge, goal } of budgets) {
    it(`meets a budget of ${edge} by estimates of the target, a few for each multiple`, () => {
      let estimates = 0;
      const counted = (made: Candidate) => {
        estimates += 1;
        return costOf(made);
      };
      const options = { scores, multiple: 'auto', least: 2 } as const;
      const made = shrinkTo(candidate(graph), { ...goal, costOf: counted }, options);
      expect(made.isMet).to.equal(true);
      const cost = costOf(made.candidate);
      const shares = Object.entries(goal).map(([key, most]) => cost[key as 'count'] / most);
      expect(Math.max(...shares)).to.be.within(0.85, 1);
      expect(estimates).to.be.at.most(4 * 7);
    });
  }

  it('takes heads of attention one by one, and leaves two of two channels each', () => {
    const graph = new FloatNetwork([4, 4, 2]).attention(4).mean().dense(3, 'none').graph();
    const { groups } = couplingOf(graph);
    const options = { scores: groups.map(() => 1), least: 4, multiple: 4 } as const;
    const at = (macs: number) => shrinkTo(candidate(graph), { macs }, options).families;
    expect(at(0.8)).to.deep.equal([{ before: 4, after: 3 }]);
    expect(at(0.01)).to.deep.equal([{ before: 4, after: 2 }]);
  });

  it('learns what a weight costs in flash from the first estimate', () => {
    const goal = { costOf, flashBytes: 0.5 * full.flashBytes };
    const made = shrinkTo(candidate(graph), goal, { scores, multiple: 1, least: 1 });
    expect(made.isMet).to.equal(true);
    expect(costOf(made.candidate).flashBytes / goal.flashBytes).to.be.above(0.985);
  });

  it('knows which tensors are live at once', () => {
    // The second of three tensors and its neighbours: 4·4·5 + 4·4·7 elements.
    const chain = new FloatNetwork([4, 4, 3]).conv(5).conv(7).mean().dense(2, 'none').graph();
    expect(sizesOf(chain).liveElements).to.equal(16 * (5 + 7));
  });

  it('prefers counts that the kernels of the target fill', () => {
    const goal = { costOf, count: 0.5 * full.count };
    const made = shrinkTo(candidate(graph), goal, { scores, multiple: 'auto', least: 2 });
    const other = shrinkTo(candidate(graph), goal, { scores, multiple: 1, least: 2 });
    expect(made.harm).to.be.at.most(other.harm);
  });
});
