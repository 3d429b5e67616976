/** What inspect says of targets. */
import { expect } from 'chai';
import type { KernelEstimate } from '../../src/compiler/plan/types.js';
import { type Estimate, estimateText } from '../../src/report/estimates.js';

const kernel = (name: string, count: number): KernelEstimate => ({
  ...{ kernel: name, cores: 1, form: 'dense', count, bytes: 10, arenaBytes: 20 },
});
const layers = [{ index: 0, op: 'conv2d', weights: {} }];
const style = { width: 80, why: false };

function estimateOf(target: string, part: Partial<Estimate> = {}): Estimate {
  return {
    ...{ target, unit: 'cycles', arenaBytes: 1, weightBytes: 2, tableBytes: 3, liveMacs: 4 },
    ...{ ms: 1, flashBytes: 6, ramBytes: 7 },
    ...{ layers: [{ ops: [0], chosen: kernel('a', 5), dense: kernel('a', 5) }] },
    ...{ refused: null, hint: null, ...part },
  };
}
const refused = (target: string, reason: string) =>
  estimateOf(target, { layers: [], refused: reason, hint: `do not ${reason}` });

describe('report/estimates', () => {
  it('a model that no target takes: what to do, once, and no table', () => {
    const text = estimateText([refused('x', 'be float'), refused('y', 'be float')], layers, style);
    expect(text).to.equal('compiles for no target: be float\n  → do not be float');
  });

  it('one that some do not take: each reason with its targets', () => {
    const targets = [estimateOf('w'), refused('x', 'a'), refused('y', 'b'), refused('z', 'a')];
    const text = estimateText(targets, layers, style);
    expect(text).to.match(/^target +ms +≤ flash B +≤ RAM B +arena B/m);
    expect(text.match(/^does not .*/gm)).to.deep.equal([
      'does not compile for x, z: a',
      'does not compile for y: b',
    ]);
  });

  it('dense layers gain nothing: no table says so', () => {
    expect(estimateText([estimateOf('w'), estimateOf('x')], layers, style)).to.match(/^target/);
  });

  it('the best dense kernel is told when asked why', () => {
    const [gained] = [{ ops: [0], chosen: kernel('sparse', 3), dense: kernel('full', 6) }];
    const targets = [estimateOf('w', { layers: [gained] })];
    const text = (why: boolean) => estimateText(targets, layers, { width: 120, why });
    expect(text(false)).to.match(/sparse.*−50 %/);
    expect(text(false)).to.not.match(/full/);
    expect(text(true)).to.match(/best dense kernel.*sparse.*full.*−50 %/s);
  });
});
