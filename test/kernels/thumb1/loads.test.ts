import { expect } from 'chai';
import fc from 'fast-check';
import { planLoads } from '../../../src/compiler/kernels/thumb1/loads.js';
import { runs } from '../../support/runs.js';

describe('loads of packed words', () => {
  it('fetch the words that are needed, in order, within the reach of each instruction', () => {
    const gaps = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 200 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(gaps, (gaps) => {
        let at = -1;
        const words = gaps.map((gap) => {
          at += gap;
          return at;
        });
        let pointer = 0;
        const fetched: number[] = [];
        for (const load of planLoads(words)) {
          if (load.kind === 'advance') {
            expect(load.bytes).to.be.within(4, 255);
            pointer += load.bytes / 4;
          } else if (load.kind === 'pair') {
            fetched.push(pointer, pointer + 1);
            pointer += 2;
          } else {
            expect(load.offset).to.be.within(0, 124);
            fetched.push(pointer + load.offset / 4);
          }
        }
        expect(fetched).to.eql(words);
      }),
      { numRuns: runs(500) },
    );
  });

  const kinds = (words: readonly number[]) => planLoads(words).map(({ kind }) => kind);
  const rows: readonly [edge: string, words: readonly number[], kinds: readonly string[]][] = [
    ['none', [], []],
    ['all', [0, 1, 2, 3], ['pair', 'pair']],
    ['an odd one at the end', [0, 1, 2], ['pair', 'single']],
    ['two behind a gap', [5, 6], ['single', 'single']],
    ['four behind a gap', [5, 6, 7, 8], ['advance', 'pair', 'pair']],
    ['far away', [100], ['advance', 'advance', 'single']],
  ];
  for (const [edge, words, expected] of rows) {
    it(`are cheap: ${edge}`, () => expect(kinds(words)).to.eql(expected));
  }
});
