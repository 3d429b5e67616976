/** Whether buffers fit: what `solve` answers, checked against all offsets, and the work it counts. */
import { expect } from 'chai';
import fc from 'fast-check';
import { type Pair, Patience, type Solution, solve } from '../../src/compiler/plan/arena/search.js';
import { runs } from '../support/runs.js';

/** Two buffers that must not overlap: b ends before a begins, or begins after a's end. */
function apart(sizes: readonly number[], a: number, b: number): Pair {
  const [below = 0, above = 0] = [sizes[b], sizes[a]];
  return {
    ...{ a, b },
    distances: [
      { from: -Infinity, to: -below },
      { from: above, to: Infinity },
    ],
  };
}

function meets(offsets: readonly number[], { a, b, distances }: Pair): boolean {
  const distance = (offsets[b] ?? 0) - (offsets[a] ?? 0);
  return distances.some(({ from, to }) => from <= distance && distance <= to);
}

/** Whether any offsets, in steps of 1, meet all pairs: tries them all. */
function exists(
  sizes: readonly number[],
  pairs: readonly Pair[],
  capacity: number,
  placed: readonly number[] = [],
): boolean {
  const bytes = sizes[placed.length];
  if (bytes === undefined) return true;
  for (let offset = 0; offset + bytes <= capacity; offset += 1) {
    const next = [...placed, offset];
    const known = pairs.filter(({ a, b }) => Math.max(a, b) === placed.length);
    if (known.every((pair) => meets(next, pair)) && exists(sizes, pairs, capacity, next))
      return true;
  }
  return false;
}

const [never, anywhere] = [
  { offsets: null, isComplete: true },
  (...offsets: number[]): Solution => ({ offsets, isComplete: true }),
];
const exactly = (a: number, b: number, distance: number): Pair => ({
  ...{ a, b, distances: [{ from: distance, to: distance }] },
});

describe('arena: does it fit', () => {
  const rows: [edge: string, sizes: number[], pairs: Pair[], capacity: number, wanted: Solution][] =
    [
      ['nothing, into nothing', [], [], 0, anywhere()],
      ['a buffer that fills it', [8], [], 8, anywhere(0)],
      ['a byte more', [8], [], 7, never],
      ['one that does, beside one that does not', [4, 8], [], 7, never],
      ['two that meet no step in common lie on each other', [8, 8], [], 8, anywhere(0, 0)],
      ['two that do lie side by side', [8, 4], [apart([8, 4], 0, 1)], 12, anywhere(4, 0)],
      ['or not at all', [8, 4], [apart([8, 4], 0, 1)], 11, never],
      ['a distance that is asked for', [4, 4], [exactly(0, 1, 6)], 10, anywhere(0, 6)],
      ['downwards too', [4, 4], [exactly(0, 1, -6)], 10, anywhere(6, 0)],
      ['a byte more than there is', [4, 4], [exactly(0, 1, 6)], 9, never],
      [
        'distances that contradict each other',
        [4, 4, 4],
        [exactly(0, 1, 4), exactly(1, 2, 4), exactly(0, 2, 7)],
        99,
        never,
      ],
      [
        'a chain: the last follows from the first two',
        [4, 4, 4],
        [exactly(0, 1, 4), exactly(1, 2, 4)],
        12,
        anywhere(0, 4, 8),
      ],
    ];
  for (const [edge, sizes, pairs, capacity, wanted] of rows) {
    it(edge, () => {
      expect(solve(sizes, pairs, capacity, new Patience())).to.deep.equal(wanted);
    });
  }

  const problems = fc
    .record({
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
      capacity: fc.integer({ min: 1, max: 11 }),
      /** For each two buffers: whether they are apart, and a distance that is allowed besides. */
      kinds: fc.array(fc.constantFrom('free', 'apart', 'apart', 'related'), {
        ...{ minLength: 10, maxLength: 10 },
      }),
      leads: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 10, maxLength: 10 }),
    })
    .map(({ sizes, capacity, kinds, leads }) => {
      const twos = sizes.flatMap((_, a) => sizes.slice(0, a).map((_, b) => [a, b] as const));
      const pairs = twos.flatMap(([a, b], i): Pair[] => {
        if (kinds[i] === 'free') return [];
        const pair = apart(sizes, a, b);
        const [below, above] = pair.distances;
        const lead = leads[i] ?? 0;
        if (kinds[i] === 'apart' || below === undefined || above === undefined) return [pair];
        if (lead <= below.to || lead >= above.from) return [pair];
        return [{ ...pair, distances: [below, { from: lead, to: lead }, above] }];
      });
      return { sizes, capacity, pairs };
    });

  it('says so exactly where offsets exist, and gives some that meet every pair', () => {
    fc.assert(
      fc.property(problems, ({ sizes, capacity, pairs }) => {
        const { offsets, isComplete } = solve(sizes, pairs, capacity, new Patience());
        expect(isComplete).to.equal(true);
        expect(offsets !== null).to.equal(exists(sizes, pairs, capacity));
        offsets?.forEach((offset, i) => {
          expect(offset).to.be.within(0, capacity - (sizes[i] ?? 0));
        });
        for (const pair of pairs) if (offsets !== null) expect(meets(offsets, pair)).to.equal(true);
      }),
      { numRuns: runs(500) },
    );
  });
});

describe('arena: the work of a search', () => {
  /** So many buffers of 4 bytes, every two apart. */
  const crowd = (count: number) => {
    const sizes = new Array<number>(count).fill(4);
    const pairs = sizes.flatMap((_, a) => sizes.slice(0, a).map((_, b) => apart(sizes, a, b)));
    return { sizes, pairs };
  };
  /** What a plan's patience loses by eight searches is eight times what the next one has less. */
  const visitsOf = (count: number, capacity: number) => {
    const patience = new Patience(8_000_000);
    const { sizes, pairs } = crowd(count);
    for (let i = 0; i < 8; i++) solve(sizes, pairs, capacity, patience);
    return 1_000_000 - patience.ofSearch;
  };
  const rows: [edge: string, count: number, capacity: number, visits: number][] = [
    ['a buffer alone is too large: none', 20, 3, 0],
    ['no pairs: none', 1, 4, 0],
    // Both buffers visit their pair, which leaves no way.
    ['too little for two: the first visit of their pair says so', 2, 7, 1],
    // Both visit it, the search looks for it, the way that is tried visits it and changes both, which
    // visit it again; no pair is left to look for.
    ['two: 2, 1, 1 and 2, 1', 2, 8, 7],
  ];
  for (const [edge, count, capacity, visits] of rows) {
    it(`is counted: ${edge}`, () => expect(visitsOf(count, capacity)).to.equal(visits));
  }

  it('ends a search that is given up, which answers nothing', () => {
    // 13 buffers of 4 in 51 bytes: no way is left, but each order has to be tried.
    const { sizes, pairs } = crowd(13);
    const patience = new Patience(0);
    const least = patience.ofSearch;
    const solution = solve(sizes, pairs, 51, patience);
    expect(solution).to.deep.equal({ offsets: null, isComplete: false });
    expect(least).to.equal(10_000);
  });

  it('stops within a round of pairs of what it may take', () => {
    const { sizes, pairs } = crowd(13);
    const patience = new Patience(8_000_000);
    expect(solve(sizes, pairs, 51, patience).isComplete).to.equal(false);
    const spent = 8 * (1_000_000 - patience.ofSearch);
    expect(spent).to.be.within(1_000_000, 1_000_000 + 8 + 2 * pairs.length);
  });
});
