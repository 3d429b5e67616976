import { expect } from 'chai';
import fc from 'fast-check';
import {
  resolveStridedSlice,
  type StridedSliceSpec,
} from '../../src/compiler/ops/strided_slice.js';
import { randomShape, testOperator } from '../support/operator.js';
import { runs } from '../support/runs.js';

testOperator({
  op: 'strided_slice',
  random: (random) => {
    const shape = randomShape(random, random.integer(1, 5), 6);
    const counts = shape.map((extent) => random.integer(1, extent));
    const strides = counts.map((count, d) => {
      const room = (shape[d] as number) - 1;
      const stride = count === 1 ? 1 : random.integer(1, Math.floor(room / (count - 1)));
      return random.integer(0, 1) === 0 ? stride : -stride;
    });
    const begin = counts.map((count, d) => {
      const reach = (count - 1) * Math.abs(strides[d] as number);
      const low = random.integer(0, (shape[d] as number) - 1 - reach);
      return (strides[d] as number) > 0 ? low : low + reach;
    });
    return { inputs: [{ shape }], attrs: { begin, strides, counts, shape: counts } };
  },
  refused: [
    {
      edge: 'more indices than the dimension has',
      inputs: [{ shape: [4] }],
      attrs: { begin: [1], strides: [2], counts: [3], shape: [3] },
      code: 'bad-shape',
      message: /from \[1\] by \[2\]/,
    },
    {
      edge: 'a begin outside',
      inputs: [{ shape: [4] }],
      attrs: { begin: [4], strides: [1], counts: [1], shape: [1] },
      code: 'bad-shape',
      message: /indices from \[4\]/,
    },
  ],
});

const masks = { beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0 };

describe('resolveStridedSlice', () => {
  const rows: readonly {
    edge: string;
    input: number[];
    spec: Partial<StridedSliceSpec>;
    expected: Record<string, number[]>;
  }[] = [
    {
      edge: 'fewer entries than dimensions: the rest whole',
      input: [3, 4],
      spec: { begin: [1], end: [3], strides: [1] },
      expected: { begin: [1, 0], strides: [1, 1], counts: [2, 4], shape: [2, 4] },
    },
    {
      edge: 'ellipsis in the middle, then a shrunk dimension',
      input: [3, 4, 5],
      spec: {
        begin: [1, 0, -1],
        end: [2, 0, 0],
        strides: [1, 1, 1],
        ellipsisMask: 2,
        shrinkAxisMask: 4,
      },
      expected: { begin: [1, 0, 4], strides: [1, 1, 1], counts: [1, 4, 1], shape: [1, 4] },
    },
    {
      edge: 'ellipsis for no dimension at all',
      input: [3],
      spec: { begin: [0, 1], end: [0, 3], strides: [1, 1], ellipsisMask: 1 },
      expected: { begin: [1], strides: [1], counts: [2], shape: [2] },
    },
    {
      edge: 'new dimension before a slice',
      input: [5],
      spec: { begin: [0, 4], end: [0, 0], strides: [1, -2], newAxisMask: 1 },
      expected: { begin: [4], strides: [-2], counts: [2], shape: [1, 2] },
    },
  ];
  for (const { edge, input, spec, expected } of rows) {
    it(edge, () => {
      const full = { begin: [], end: [], strides: [], ...masks, ...spec };
      expect(resolveStridedSlice(input, full, 'here')).to.deep.equal(expected);
    });
  }

  const refusals = [
    { edge: 'stride 0', spec: { begin: [0], end: [1], strides: [0] }, message: /stride of 0/ },
    { edge: 'empty', spec: { begin: [2], end: [2], strides: [1] }, message: /takes nothing/ },
    {
      edge: 'a shrunk index outside',
      spec: { begin: [4], end: [5], strides: [1], shrinkAxisMask: 1 },
      message: /takes nothing of dimension 0, extent 4/,
    },
    {
      edge: 'more entries than dimensions',
      spec: { begin: [0, 0], end: [1, 1], strides: [1, 1] },
      message: /slices 2 of 1 dimensions/,
    },
    {
      edge: 'an end that counts from the begin',
      spec: { begin: [1], end: [2], strides: [1], offset: true },
      message: /counts its end from its begin/,
    },
    {
      edge: 'two ellipses',
      spec: { begin: [0, 0], end: [1, 1], strides: [1, 1], ellipsisMask: 3 },
      message: /several ellipses/,
    },
  ];
  for (const { edge, spec, message } of refusals) {
    it(`refuses ${edge}`, () => {
      expect(() => resolveStridedSlice([4], { ...masks, ...spec }, 'here')).to.throw(message);
    });
  }

  it('takes what a walk from begin to end takes', () => {
    const index = fc.integer({ min: -8, max: 8 });
    const stride = fc.integer({ min: -3, max: 3 }).filter((value) => value !== 0);
    const extents = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(extents, index, index, stride, (extent, begin, end, step) => {
        const from = begin < 0 ? begin + extent : begin;
        const to = end < 0 ? end + extent : end;
        const taken: number[] = [];
        // A begin outside stops at the first or last element, not at the first multiple inside.
        const first = step > 0 ? Math.max(from, 0) : Math.min(from, extent - 1);
        for (let i = first; step > 0 ? i < Math.min(to, extent) : i > Math.max(to, -1); i += step) {
          taken.push(i);
        }
        const spec = { ...masks, begin: [begin], end: [end], strides: [step] };
        if (taken.length === 0) {
          expect(() => resolveStridedSlice([extent], spec, 'here')).to.throw(/takes nothing/);
          return;
        }
        const { begin: resolved, counts } = resolveStridedSlice([extent], spec, 'here');
        expect([resolved[0], counts[0]]).to.deep.equal([taken[0], taken.length]);
      }),
      { numRuns: runs(100) },
    );
  });
});
