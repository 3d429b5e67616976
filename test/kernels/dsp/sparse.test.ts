/** Kernels that skip weights at 0 by the DSP extension: their stream, their C, their assembly. */
import { expect } from 'chai';
import fc from 'fast-check';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import type { Module } from '../../../src/compiler/ir/graph.js';
import {
  entriesOf,
  isWithinReach,
  type StreamLoop,
  storedEntries,
  streamOf,
} from '../../../src/compiler/kernels/encoding/stream.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { simplePlan } from '../../support/plan.js';
import { prunedLayer } from '../../support/pruned.js';
import { fused, randomSum } from '../../support/residual.js';
import { runs } from '../../support/runs.js';
import { needs } from '../../support/skip.js';

const forms = fc.constantFrom<StreamLoop>(
  { tapBytes: 16, entry: 'weight', stepEntries: 2, stepBytes: 92 },
  { tapBytes: 8, entry: 'weight', stepEntries: 2, stepBytes: 52 },
  { tapBytes: 1, entry: 'weight', stepEntries: 4, stepBytes: 52 },
  { tapBytes: 16, entry: 'bytes', stepEntries: 1, stepBytes: 112 },
  { tapBytes: 1, entry: 'pairs', stepEntries: 2, stepBytes: 44 },
);
const filters = fc
  .dictionary(fc.integer({ min: 0, max: 4095 }).map(String), fc.integer({ min: -128, max: 127 }), {
    maxKeys: 80,
  })
  .map((kept) => Array.from({ length: 4096 }, (_, tap) => kept[tap] ?? 0));
const channels = fc.record({
  filter: filters,
  start: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  constants: fc.constant([7, 8, 9]),
});

/** Words of an entry, and which of their bytes have the weights. */
const entryWords = { weight: 1, bytes: 2, pairs: 3 };
const weightBytes = { weight: [1], bytes: [0, 1, 2, 3], pairs: [1, 5, 3, 7] };

/** As the kernels run through it: channel after channel. */
function decode(words: Int32Array, { tapBytes, entry, stepEntries, stepBytes }: StreamLoop) {
  const found: { filter: number[]; start: number; constants: number[] }[] = [];
  let at = 0;
  while (at < words.length) {
    const filter = new Array<number>(4096).fill(0);
    let column = 0;
    const take = () => {
      const bytes = new Uint8Array(words.slice(at, at + entryWords[entry]).buffer);
      at += entryWords[entry];
      const last = words[at - 1] as number;
      column = { weight: column + (last >>> 16), bytes: column + last, pairs: last }[entry];
      weightBytes[entry].forEach((byte, i) => {
        const tap = column / tapBytes + i;
        filter[tap] = (filter[tap] as number) + (((bytes[byte] as number) << 24) >> 24);
      });
    };
    take();
    const [start = 0, skipped = 0] = words.subarray(at);
    at += 2;
    for (let steps = 8 - skipped / stepBytes; ; ) {
      expect(steps).to.be.within(0, 8);
      for (let i = 0; i < steps * stepEntries; i++) take();
      const jump = words[at++] as number;
      if (jump === 0) break;
      at++;
      steps = (-jump - 8) / stepBytes;
    }
    found.push({ filter, start, constants: [...words.subarray(at, at + 3)] });
    at += 3;
  }
  return found;
}

describe('streams of weights and distances', () => {
  it('have the weights that went in', () => {
    fc.assert(
      fc.property(fc.array(channels, { maxLength: 5 }), forms, (all, loop) => {
        fc.pre(isWithinReach(4096, loop));
        const rows = all.map(({ filter }) => Int8Array.from(filter));
        const entries = rows.map((weights) => entriesOf(weights, loop));
        const words = streamOf(
          all.map((channel, i) => ({
            ...{ ...channel, weights: rows[i] ?? new Int8Array() },
            entries: entries[i] ?? [],
          })),
          loop,
        );
        expect(decode(words, loop)).to.deep.equal(all);
        const stored = entries.map(({ length }) => storedEntries(length, loop));
        const links = stored.map((count) =>
          Math.max(1, Math.ceil((count - 1) / (8 * loop.stepEntries))),
        );
        // Besides the entries: a start, a jump, the constants, and a link of two words or one.
        const others = links.map((count) => 2 + 3 + 2 * count - 1);
        const total = stored.reduce((sum, count) => sum + count * entryWords[loop.entry], 0);
        expect(words.length).to.equal(others.reduce((sum, n) => sum + n, total));
      }),
      { numRuns: runs(200) },
    );
  });

  it('reach as far as 16 bits, of blocks as 31', () => {
    const loop = { tapBytes: 16, stepEntries: 2, stepBytes: 92 };
    expect(isWithinReach(4096, { ...loop, entry: 'weight' })).to.equal(true);
    expect(isWithinReach(4097, { ...loop, entry: 'weight' })).to.equal(false);
    expect(isWithinReach(4097, { ...loop, entry: 'bytes' })).to.equal(true);
    expect(isWithinReach(3, { ...loop, entry: 'bytes' }), 'filled up').to.equal(true);
    expect(isWithinReach(3, { ...loop, entry: 'pairs' }), 'no room for four').to.equal(false);
    expect(isWithinReach(4, { ...loop, entry: 'pairs' })).to.equal(true);
  });
});

const blocks = [
  { edge: 'none', filter: [0, 0, 0, 0, 0], taps: [] },
  { edge: 'begun at the first weight', filter: [0, 1, 0, 0, 2, 0, 3, 0, 0, 0], taps: [1, 6] },
  { edge: 'one filter long', filter: [0, 0, 0, 9], taps: [0] },
  { edge: 'the last one on the one before', filter: [1, 2, 3, 4, 5, 6], taps: [0, 2] },
];

describe('blocks of weights that lie anywhere', () => {
  const loop = { tapBytes: 1, entry: 'pairs', stepEntries: 2, stepBytes: 44 } as const;
  for (const { edge, filter, taps } of blocks) {
    it(edge, () => {
      expect(entriesOf(Int8Array.from(filter), loop)).to.deep.equal(taps);
    });
  }
});

/** A row of more inputs than 16 bits count. */
function longRow(): Module {
  const b = new GraphBuilder();
  const depth = 66_001;
  const data = new Int8Array(2 * depth);
  [0, 1, 65_540, depth - 3, depth - 1, 2 * depth - 1].forEach((at, i) => {
    data[at] = i - 128;
  });
  const weights = b.constant(data, [2, depth], perTensorQuant(0.01, 0));
  const operands = [b.input([1, depth]), weights, b.constant(Int32Array.of(90, -800))];
  return b.module([
    b.node('fully_connected', operands, { activation: 'none', rounding: 'double' }),
  ]);
}

const seeds = Array.from({ length: 56 }, (_, seed) => seed);
const rows = [
  { op: 'conv2d', kernel: 'dsp/sparse_conv2d' },
  { op: 'conv2d', kernel: 'dsp/sparse_conv2d_by4' },
  { op: 'conv2d', kernel: 'dsp/sparse_conv2d_blocks' },
  { op: 'fully_connected', kernel: 'dsp/sparse_conv2d', isElsewhere: true },
  { op: 'fully_connected', kernel: 'dsp/sparse_fully_connected' },
  { op: 'fully_connected', kernel: 'dsp/sparse_fully_connected_blocks' },
] satisfies readonly {
  op: 'conv2d' | 'fully_connected';
  kernel: string;
  /** Its assembly is another row's. */
  isElsewhere?: boolean;
}[];

describe('kernels that skip weights at 0 by the DSP extension', () => {
  for (const { op, kernel, isElsewhere = false } of rows) {
    const options = { kernel, overlap: true };
    it(`${op} by ${kernel}, in C`, () =>
      expectSameBits(
        seeds.map((seed) => prunedLayer(op, seed)),
        options,
      ));
    if (isElsewhere) continue;
    it(`${op} by ${kernel}, on a simulated Cortex-M4`, async function () {
      needs(this, qemuCommand);
      // Of each pattern, all zero and all non-zero too.
      const modules = seeds.slice(0, 40).map((seed) => prunedLayer(op, seed, 24));
      const kernels = await expectSameBitsOnBoard(modules, 'stm32f405', options);
      const own = kernels.filter((other) => other === kernel).length;
      expect(own / kernels.length).to.be.greaterThan(0.3);
    });
  }

  it('fully_connected of more inputs than 16 bits count, in C', () => {
    const module = longRow();
    const kernel = 'dsp/sparse_fully_connected_blocks';
    expect(simplePlan(module, { kernel }).plan.steps.map((step) => step.kernel)).to.eql([kernel]);
    return expectSameBits([module], { kernel });
  });

  for (const kernel of ['dsp/sparse_conv2d', 'dsp/sparse_conv2d_by4', 'dsp/sparse_conv2d_blocks']) {
    it(`residual sums by ${kernel}, on a simulated Cortex-M4`, async function () {
      needs(this, qemuCommand);
      const sums = seeds.slice(0, 20).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
      await expectSameBitsOnBoard(sums, 'stm32f405', { kernel, overlap: true });
    });
  }
});
