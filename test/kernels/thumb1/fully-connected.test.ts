/** Dot products of two inputs a word: in C, on the simulated RP2040, and where bounds end. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { Module } from '../../../src/compiler/ir/graph.js';
import { isExact } from '../../../src/compiler/kernels/thumb1/fully-connected.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { runs } from '../../support/runs.js';

const kernel = 'thumb1/fully_connected';

interface Layer {
  readonly edge: string;
  readonly depth: number;
  readonly outputs: number;
  readonly rows?: number;
  readonly activation?: string;
  readonly zeroPoint?: number;
  readonly outputZero?: number;
  readonly outputScale?: number;
  readonly rounding?: string;
  /** By its index; default: any, −128 to 127, but no partner of −128 is −128. */
  readonly weight?: (i: number) => number;
}

const layers: readonly Layer[] = [
  { edge: 'one word', depth: 4, outputs: 1 },
  { edge: 'three single words', depth: 12, outputs: 2 },
  { edge: 'one turn of four words', depth: 16, outputs: 4 },
  { edge: 'a single word, then two turns', depth: 36, outputs: 3 },
  {
    edge: 'rows, both sides of zero',
    depth: 64,
    outputs: 2,
    rows: 3,
    activation: 'none',
    outputZero: 4,
  },
  { edge: 'a zero point', depth: 20, outputs: 2, zeroPoint: 127 },
  { edge: 'all weights 127', depth: 16, outputs: 1, weight: () => 127, outputScale: 9 },
  { edge: 'all weights −127', depth: 16, outputs: 1, weight: () => -127, outputScale: 9 },
  {
    edge: '−128 beside −127, the most that a half holds',
    depth: 16,
    outputs: 1,
    weight: (i) => ((i & 2) === 0 ? -128 : -127),
    outputScale: 9,
  },
  {
    edge: '−127 beside −128, signed',
    depth: 16,
    outputs: 2,
    weight: (i) => ((i & 2) === 0 ? -127 : -128),
    outputScale: 9,
    activation: 'none',
    outputZero: 0,
  },
  { edge: 'single rounding', depth: 24, outputs: 3, rounding: 'single' },
  { edge: 'a scale above 1', depth: 8, outputs: 2, outputScale: 0.0001, activation: 'none' },
];

function moduleOf(layer: Layer, seed: number): Module {
  const { depth, outputs, rows = 1, activation = 'relu', rounding = 'double' } = layer;
  const { zeroPoint = -128, outputZero = -128, outputScale = 0.5, weight } = layer;
  const random = new Random(seed);
  const b = new GraphBuilder();
  const x = b.input([rows, depth], perTensorQuant(0.05, zeroPoint));
  const any = random.int8(outputs * depth).map((w, i) => ((i & 2) === 0 ? w : Math.max(w, -127)));
  const data = weight === undefined ? any : any.map((_, i) => weight(i));
  const scales = Array.from({ length: outputs }, () => random.integer(1, 9) / 500);
  const weights = b.constant(data, [outputs, depth], perChannelQuant(scales, 0));
  const bias = b.constant(random.int32(outputs, -3000, 3000));
  const quant = perTensorQuant(outputScale, outputZero);
  return b.module([
    b.node('fully_connected', [x, weights, bias], { activation, rounding }, { quant }),
  ]);
}

describe(kernel, function () {
  this.timeout(240_000);
  const rows = layers.map(moduleOf);

  it('gives the bits of evaluate in C, also in the memory of its input', async () => {
    await expectSameBits(rows, { kernel, runs: 6 });
    await expectSameBits(rows, { kernel, overlap: true });
  });

  it('gives them on the simulated RP2040', async () => {
    const kernels = await expectSameBitsOnBoard(rows, 'rp2040', { kernel });
    expect(kernels.filter((other) => other !== kernel)).to.deep.equal([]);
  });

  it('leaves to others what it cannot compute', async () => {
    const refused = [
      { edge: 'five outputs', depth: 8, outputs: 5 },
      { edge: 'no whole words', depth: 10, outputs: 1 },
      { edge: '−128 beside −128', depth: 8, outputs: 1, weight: () => -128 },
    ].map(moduleOf);
    const kernels = await expectSameBitsOnBoard(refused, 'rp2040', { kernel });
    expect(kernels).to.not.include(kernel);
  });

  it('keeps each half of a product within its bits', () => {
    const int8 = fc.integer({ min: -128, max: 127 });
    const two = fc.tuple(int8, int8);
    fc.assert(
      fc.property(two, two, ([a, b], [p, q]) => {
        fc.pre(isExact(Int8Array.of(q, 0, p, 0)));
        const product = Math.imul(a + b * 65536, p + q * 65536);
        expect((product + 0x8000) >> 16).to.equal(a * q + b * p);
      }),
      {
        examples: [
          [
            [-128, -128],
            [-127, -128],
          ],
          [
            [-128, -128],
            [-128, -127],
          ],
          [
            [127, -128],
            [-128, 127],
          ],
        ],
        numRuns: runs(100),
      },
    );
  });
});
