/** Max pools over rows: their order of bytes for every pair, each form, and the kernels' bits. */

import { expect } from 'chai';
import { qemuCommand } from '../../../src/boards/device/qemu.js';
import type { Attrs, Module, Shape } from '../../../src/compiler/ir/graph.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { randomPool } from '../../support/operands.js';
import { simplePlan } from '../../support/plan.js';
import { needs } from '../../support/skip.js';

const none = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
const window = (kernel: readonly [number, number], stride: readonly [number, number]) => ({
  ...{ kernelH: kernel[0], kernelW: kernel[1], strideH: stride[0], strideW: stride[1] },
  ...{ ...none, activation: 'none' },
});

const rows: readonly { edge: string; shape: Shape; attrs: Attrs }[] = [
  { edge: '2x2', shape: [2, 8, 6, 8], attrs: window([2, 2], [2, 2]) },
  { edge: 'columns left over', shape: [1, 5, 9, 4], attrs: window([2, 2], [2, 2]) },
  { edge: 'columns left over within a word', shape: [1, 4, 20, 1], attrs: window([2, 2], [3, 3]) },
  { edge: '3x3 side by side', shape: [1, 6, 6, 4], attrs: window([3, 3], [1, 1]) },
  {
    edge: 'padding on all sides',
    shape: [1, 6, 6, 4],
    attrs: { ...window([3, 3], [1, 1]), padTop: 1, padLeft: 1, padBottom: 1, padRight: 1 },
  },
  {
    edge: 'padding on the right alone, one row of the last windows',
    shape: [2, 7, 8, 4],
    attrs: { ...window([2, 3], [2, 2]), padBottom: 1, padRight: 1 },
  },
  {
    edge: 'clamped, 1x1',
    shape: [1, 4, 4, 4],
    attrs: { ...window([1, 1], [1, 1]), activation: 'relu6' },
  },
  { edge: 'windows of one column, two rows', shape: [1, 8, 4, 4], attrs: window([2, 1], [2, 1]) },
  { edge: 'windows of one column, many rows', shape: [1, 9, 4, 4], attrs: window([4, 1], [3, 1]) },
  { edge: 'windows of one row, two columns', shape: [2, 3, 8, 4], attrs: window([1, 2], [1, 2]) },
  { edge: 'windows of one row, many', shape: [2, 3, 9, 4], attrs: window([1, 4], [1, 1]) },
  { edge: 'windows of one row, fewer rows', shape: [1, 6, 9, 4], attrs: window([1, 4], [2, 3]) },
  { edge: 'an image of one column', shape: [2, 24, 1, 8], attrs: window([3, 1], [2, 1]) },
  {
    edge: 'an image of one column, padded',
    shape: [1, 24, 1, 8],
    attrs: { ...window([3, 1], [1, 1]), padTop: 1, padBottom: 1 },
  },
  { edge: 'bytes across, words down', shape: [1, 6, 8, 3], attrs: window([3, 3], [2, 2]) },
  { edge: 'the whole image', shape: [1, 7, 4, 12], attrs: window([7, 4], [1, 1]) },
];

function moduleOf(shape: Shape, attrs: Attrs, name: string): Module {
  const b = new GraphBuilder();
  const x = b.input(shape, perTensorQuant(0.05, -3));
  return b.module([b.node('max_pool2d', [x], attrs, { name })]);
}

/** Random pools whose rows begin and end with words: of four channels, or of fewer in four columns. */
const random = Array.from({ length: 30 }, (_, seed) => {
  const random = new Random(seed);
  const { inputs, attrs = {} } = randomPool(random);
  const [n = 1, h = 1, w = 1] = inputs[0]?.shape ?? [];
  const isWords = w % 4 === 0 && attrs.padLeft === 0;
  const channels = isWords ? random.integer(1, 9) : 4 * random.integer(1, 4);
  const b = new GraphBuilder();
  const x = b.input([n, h, w, channels], inputs[0]?.quant);
  return b.module([b.node('max_pool2d', [x], attrs, { name: `seed ${seed}` })]);
});

/** The larger of each pair of bytes, as swar/max_of_bytes computes it. */
function maxOfBytes(a: number, b: number): number {
  const x = a ^ b;
  const half = (x & a) + ((~x >>> 1) & 0x7f7f7f7f);
  const larger = ((half ^ x) >>> 7) & 0x01010101;
  return b ^ (x & Math.imul(larger, 255));
}

describe('max pools over rows', () => {
  it('take the larger of each pair of bytes, beside any others', () => {
    const beside = new Random(1);
    for (let pair = 0; pair < 65536; pair++) {
      const [a, b] = [pair >> 8, pair & 255];
      const larger = Math.max((a << 24) >> 24, (b << 24) >> 24);
      for (const shift of [0, 8, 16, 24]) {
        const [others, more] = [beside.integer(0, 2 ** 31 - 1), beside.integer(0, 2 ** 31 - 1)];
        const place = (byte: number, rest: number) => (rest & ~(255 << shift)) | (byte << shift);
        const found = (maxOfBytes(place(a, others), place(b, more)) >>> shift) & 255;
        if ((found << 24) >> 24 !== larger) expect.fail(`${a}, ${b}: ${found}`);
      }
    }
  });

  const forms = rows.map(({ edge, shape, attrs }) => moduleOf(shape, attrs, edge));
  /** Ragged ends of rows and of pixels. */
  const ragged = rows.map(({ edge, shape: [n = 1, h = 1, w = 1, c = 1], attrs }) =>
    moduleOf([n, h, w, c + 1], attrs, edge),
  );
  for (const [kernel, modules] of [
    ['swar/max_pool2d', [...forms, ...random]],
    ['dsp/max_pool2d_rows', [...forms, ...random, ...ragged]],
  ] as const) {
    it(`${kernel} gives the bits of evaluate in C`, async () => {
      for (const module of modules)
        expect(simplePlan(module, { kernel }).plan.steps[0]?.kernel).to.equal(kernel);
      await expectSameBits(modules, { kernel, runs: 4, overlap: true });
    });
    for (const optimize of ['speed', 'balanced', 'size'] as const) {
      const board = kernel.startsWith('swar') ? 'rp2040' : 'stm32f405';
      it(`${kernel} on a simulated ${board}, for ${optimize}`, async function () {
        if (board !== 'rp2040') needs(this, qemuCommand);
        const options = { kernel, optimize, overlap: true } as const;
        const kernels = await expectSameBitsOnBoard(modules, board, options);
        expect(new Set(kernels)).to.deep.equal(new Set([kernel]));
      });
    }
  }
});
