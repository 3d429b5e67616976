/** Kernels that skip weights at 0 by the DSP extension: their stream, their C, their assembly. */
import { expect } from 'chai';
import fc from 'fast-check';
import {
  entriesOf,
  isWithinReach,
  type StreamForm,
  storedEntries,
  streamOf,
} from '../../../src/ops/sparse/stream.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { prunedLayer } from '../../support/pruned.js';
import { hasQemu } from '../../support/qemu.js';
import { fused, randomSum } from '../../support/residual.js';

const forms = fc.constantFrom<StreamForm>(
  { tapBytes: 16, blockTaps: 1, stepEntries: 2, stepBytes: 92 },
  { tapBytes: 8, blockTaps: 1, stepEntries: 2, stepBytes: 52 },
  { tapBytes: 1, blockTaps: 1, stepEntries: 4, stepBytes: 52 },
  { tapBytes: 16, blockTaps: 4, stepEntries: 1, stepBytes: 112 },
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

/** As the kernels run through it: channel after channel. */
function decode(words: Int32Array, { tapBytes, blockTaps, stepEntries, stepBytes }: StreamForm) {
  const found: { filter: number[]; start: number; constants: number[] }[] = [];
  let at = 0;
  while (at < words.length) {
    const filter = new Array<number>(4096).fill(0);
    let column = 0;
    const take = () => {
      const word = words[at++] as number;
      column += blockTaps === 1 ? word >>> 16 : (words[at++] as number);
      const shifts = blockTaps === 1 ? [16] : [24, 16, 8, 0];
      shifts.forEach((shift, i) => {
        const tap = column / tapBytes + i;
        filter[tap] = (filter[tap] as number) + ((word << shift) >> 24);
      });
    };
    take();
    const [start = 0, entry = 0] = words.subarray(at);
    at += 2;
    for (let steps = 8 - entry / stepBytes; ; ) {
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
      fc.property(fc.array(channels, { maxLength: 5 }), forms, (all, form) => {
        fc.pre(isWithinReach(4096, form));
        const entries = all.map(({ filter }) => entriesOf(filter, form));
        const words = streamOf(
          all.map((channel, i) => ({ ...channel, entries: entries[i] ?? [] })),
          form,
        );
        expect(decode(words, form)).to.deep.equal(all);
        const stored = entries.map(({ length }) => storedEntries(length, form));
        const links = stored.map((count) =>
          Math.max(1, Math.ceil((count - 1) / (8 * form.stepEntries))),
        );
        // Besides the entries: a start, a jump, the constants, and a link of two words or one.
        const others = links.map((count) => 2 + 3 + 2 * count - 1);
        const entryWords = form.blockTaps === 1 ? 1 : 2;
        const total = stored.reduce((sum, count) => sum + count * entryWords, 0);
        expect(words.length).to.equal(others.reduce((sum, n) => sum + n, total));
      }),
      { numRuns: 200 },
    );
  });

  it('reach as far as 16 bits, of blocks as 31', () => {
    const form = { tapBytes: 16, stepEntries: 2, stepBytes: 92 };
    expect(isWithinReach(4096, { ...form, blockTaps: 1 })).to.equal(true);
    expect(isWithinReach(4097, { ...form, blockTaps: 1 })).to.equal(false);
    expect(isWithinReach(4097, { ...form, blockTaps: 4 })).to.equal(true);
  });
});

const seeds = Array.from({ length: 56 }, (_, seed) => seed);
const rows = [
  { op: 'conv2d', kernel: 'dsp/sparse_conv2d' },
  { op: 'conv2d', kernel: 'dsp/sparse_conv2d_by4' },
  { op: 'conv2d', kernel: 'dsp/sparse_conv2d_blocks' },
  { op: 'fully_connected', kernel: 'dsp/sparse_conv2d' },
  { op: 'fully_connected', kernel: 'dsp/sparse_fully_connected' },
] as const;

describe('kernels that skip weights at 0 by the DSP extension', function () {
  this.timeout(180_000);
  for (const { op, kernel } of rows) {
    const options = { kernel, overlap: true };
    it(`${op} by ${kernel}, in C`, () =>
      expectSameBits(
        seeds.map((seed) => prunedLayer(op, seed)),
        options,
      ));
    it(`${op} by ${kernel}, on a simulated Cortex-M4`, async function () {
      if (!hasQemu()) this.skip();
      const modules = seeds.map((seed) => prunedLayer(op, seed, 24));
      const kernels = await expectSameBitsOnBoard(modules, 'stm32f405', options);
      const own = kernels.filter((other) => other === kernel).length;
      expect(own / kernels.length).to.be.greaterThan(0.3);
    });
  }

  for (const kernel of ['dsp/sparse_conv2d', 'dsp/sparse_conv2d_by4', 'dsp/sparse_conv2d_blocks']) {
    it(`residual sums by ${kernel}, on a simulated Cortex-M4`, async function () {
      if (!hasQemu()) this.skip();
      const sums = seeds.slice(0, 20).map((seed) => fused(randomSum(new Random(seed), 'conv2d')));
      await expectSameBitsOnBoard(sums, 'stm32f405', { kernel, overlap: true });
    });
  }
});
