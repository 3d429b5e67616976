/** Packing of buffers: never overlapping, never below the bound, and how close to it. */
import { expect } from 'chai';
import fc from 'fast-check';
import { type Buffer, lowerBound, type Packing, pack } from '../../src/plan/arena.js';

/** `bytes` from step `first` to step `last`. */
function buffer(bytes: number, first: number, last: number): Buffer {
  return { bytes, first, last };
}

function expectDisjoint(buffers: readonly Buffer[], { offsets, bytes }: Packing): void {
  buffers.forEach((a, i) => {
    const start = offsets[i] ?? -1;
    expect(start).to.be.within(0, bytes - a.bytes);
    buffers.slice(0, i).forEach((b, j) => {
      const other = offsets[j] ?? -1;
      const apartInTime = a.last < b.first || b.last < a.first;
      const apart = start >= other + b.bytes || other >= start + a.bytes;
      expect(apartInTime || apart, `buffers ${j} and ${i}`).to.equal(true);
    });
  });
}

const rows = [
  { edge: 'nothing', buffers: [], bytes: 0 },
  { edge: 'one', buffers: [buffer(12, -1, 3)], bytes: 12 },
  {
    edge: 'a chain: two neighbours',
    buffers: [buffer(8, 0, 1), buffer(4, 1, 2), buffer(8, 2, 3)],
    bytes: 12,
  },
  { edge: 'live at one step in common', buffers: [buffer(8, 0, 2), buffer(8, 2, 3)], bytes: 16 },
  { edge: 'one after the other', buffers: [buffer(8, 0, 1), buffer(8, 2, 3)], bytes: 8 },
  {
    edge: 'a hole that only the exact size fits',
    buffers: [buffer(8, 0, 9), buffer(16, 0, 3), buffer(8, 0, 9), buffer(8, 4, 9), buffer(8, 4, 9)],
    bytes: 32,
  },
  {
    edge: 'every greedy order ends at 68, the search at 64',
    buffers: [buffer(24, 1, 4), buffer(32, 3, 6), buffer(28, 0, 2), buffer(12, 2, 2)],
    bytes: 64,
  },
];

const random = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 16 }), fc.nat({ max: 9 }), fc.nat({ max: 5 }))
    .map(([words, first, steps]) => buffer(4 * words, first, first + steps)),
  { maxLength: 14 },
);

describe('arena', () => {
  for (const { edge, buffers, bytes } of rows) {
    it(edge, () => {
      const packing = pack(buffers);
      expect(packing.bytes).to.equal(bytes);
      expectDisjoint(buffers, packing);
    });
  }

  it('never overlaps and never goes below the bound', () => {
    fc.assert(
      fc.property(random, (buffers) => {
        const packing = pack(buffers);
        expectDisjoint(buffers, packing);
        expect(packing.bytes).to.be.at.least(lowerBound(buffers));
        expect(pack(buffers)).to.deep.equal(packing);
      }),
    );
  });

  it('needs no more than the best order of placing few buffers', () => {
    const few = random.filter((buffers) => buffers.length <= 6);
    fc.assert(
      fc.property(few, (buffers) => {
        expect(pack(buffers).bytes).to.equal(exhaustive(buffers, []));
      }),
      { numRuns: 60 },
    );
  });

  it('packs 2000 buffers, the first of them long-lived, in well under a second', () => {
    const buffers = Array.from({ length: 2000 }, (_, i) =>
      buffer(4 * (1 + ((i * 7919) % 257)), i, i < 20 ? 1500 : i + 1 + (i % 5)),
    );
    const start = performance.now();
    const packing = pack(buffers);
    expect(performance.now() - start).to.be.below(1000);
    expectDisjoint(buffers.slice(0, 300), packing);
  });
});

/** The least bytes over all orders of placing each buffer at the lowest offset that is free. */
function exhaustive(
  buffers: readonly Buffer[],
  placed: readonly (Buffer & { offset: number })[],
): number {
  if (buffers.length === 0) return Math.max(0, ...placed.map((b) => b.offset + b.bytes));
  const results = buffers.map((next, i) => {
    const rivals = placed.filter((b) => b.first <= next.last && next.first <= b.last);
    const fits = (offset: number) =>
      rivals.every((b) => offset >= b.offset + b.bytes || b.offset >= offset + next.bytes);
    const offset = [0, ...rivals.map((b) => b.offset + b.bytes)]
      .filter(fits)
      .sort((a, b) => a - b)[0];
    return exhaustive(buffers.toSpliced(i, 1), [...placed, { ...next, offset: offset ?? 0 }]);
  });
  return Math.min(...results);
}
