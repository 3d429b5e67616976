/** Rows whose weights are Thumb code: in C (twins of the routines), on the simulated RP2040, and how much code. */
import { expect } from 'chai';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../../src/compiler/ir/graph.js';
import type { TwoMultiply } from '../../../src/compiler/kernels/layout/two-multiply.js';
import { codeRow } from '../../../src/compiler/kernels/thumb1/row-code.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { type SimplePlanOptions, simplePlan } from '../../support/plan.js';
import { dense, depthwiseLayer, pads, prunedRow, unit, wholeImages } from '../../support/rows.js';

const kernel = 'thumb1/row';
const seeds = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/**
 * A column of five of 70 channels. Outputs with a scale of 1000/3 have no two multiplications, since the
 * products of their sums exceed 32 bits: channel 5, and the last one.
 */
function unprovedChannels(seed: number): Module {
  const random = new Random(seed);
  const b = new GraphBuilder();
  const channels = 70;
  const scales = Array.from({ length: channels }, (_, c) =>
    c === 5 || c === channels - 1 ? 1000 : random.integer(60, 180) / 10000,
  );
  const weights = b.constant(
    Int8Array.from(
      { length: 5 * channels },
      (_, i) => (Math.floor(i / channels) % 2 === 0 ? 100 : -100) + random.integer(-20, 20),
    ),
    [1, 5, 1, channels],
    perChannelQuant(scales, 3),
  );
  const bias = b.constant(random.int32(channels, -3000, 3000));
  const x = b.input([1, 5, 1, channels], perTensorQuant(1, -128));
  const attrs = { ...unit, ...pads(0, 0, 0, 0), depthMultiplier: 1, activation: 'none' };
  const quant = perTensorQuant(3, -2);
  const all = { ...attrs, rounding: 'double' };
  return b.module([b.node('depthwise_conv2d', [x, weights, bias], all, { quant })]);
}

const rows: readonly [edge: string, modules: () => readonly Module[]][] = [
  ['dense rows', () => seeds(16).map(dense)],
  ['pruned rows, far apart or in several calls', () => seeds(6).map(prunedRow)],
  ['depthwise windows', () => wholeImages.map(depthwiseLayer)],
  ['channels without two multiplications', () => seeds(2).map(unprovedChannels)],
];

describe(kernel, function () {
  this.timeout(240_000);
  const options: SimplePlanOptions = { kernel, overlap: true };
  const expectThis = (kernels: readonly string[]) =>
    expect(new Set(kernels)).to.deep.equal(new Set([kernel]));

  for (const [edge, modules] of rows) {
    it(`${edge}: gives the bits of evaluate in C`, async () => {
      let kernels: readonly string[] = [];
      await expectSameBits(modules(), {
        plan: (module) => {
          const planned = simplePlan(module, { ...options, facts: analyse(mainGraph(module)) });
          kernels = planned.plan.steps.map((step) => step.kernel);
          return planned;
        },
      });
      expectThis(kernels);
    });

    it(`${edge}: gives them on the simulated RP2040`, async () =>
      expectThis(await expectSameBitsOnBoard(modules(), 'rp2040', options)));
  }

  it('does not apply to taps apart, of which some lie beyond an image of as many pixels', () => {
    const module = depthwiseLayer(
      {
        edge: 'apart',
        input: [1, 2, 3, 4],
        filter: [2, 3],
        window: { ...unit, ...pads(0, 0, 0, 2), dilationW: 2 },
      },
      1,
    );
    const facts = analyse(mainGraph(module));
    const [step] = simplePlan(module, { ...options, facts }).plan.steps;
    expect(step?.kernel).to.not.equal(kernel);
  });

  it('has a call for the neighbours that have two multiplications, and for the others', () => {
    const module = unprovedChannels(1);
    const facts = analyse(mainGraph(module));
    const [one] = simplePlan(module, { ...options, facts }).implementations;
    const calls = one?.parts[0]?.kernel.calls() ?? [];
    expect(calls.map(({ outputBytes, flags }) => [outputBytes, flags.requantized])).to.deep.equal([
      [0, false],
      [4, true],
      [8, false],
      [68, true],
    ]);
  });
});

describe('a row of inputs as Thumb code: cycles and bytes', () => {
  /** The first weights of a channel of `depth`, whose others are zero. */
  const row = (weights: readonly number[], depth = weights.length) =>
    Int8Array.from({ length: depth }, (_, tap) => weights[tap] ?? 0);
  const last = (depth: number) => Int8Array.from([...row([], depth - 1), 91]);
  const none = codeRow([row([0])]);
  const table: readonly [edge: string, channels: Int8Array[], cycles: number, bytes: number][] = [
    ['a product', [row([91])], 5, 8],
    ['a second one from the middle of the word', [row([91, 91])], 10, 18],
    ['one from its end', [row([0, 0, 0, 91])], 5, 8],
    ['the input itself', [row([1])], 3, 4],
    ['a negative one', [row([-1])], 3, 4],
    ['a shift', [row([64])], 4, 6],
    ['four channels share the input and the product', Array(4).fill(row([91])), 11, 14],
    ['or nearly', [row([91]), row([92])], 8, 12],
    ['the last input within reach', [last(125)], 5, 8],
    ['a step to the next one', [last(129)], 6, 10],
    ['a fifth channel loads it again', Array(5).fill(row([91])), 22, 32],
  ];
  for (const [edge, channels, cycles, bytes] of table) {
    it(edge, () => {
      const code = codeRow(channels);
      const added = { cycles: code.cycles - none.cycles, bytes: code.bytes - none.bytes };
      expect(added).to.deep.equal({ cycles, bytes });
    });
  }

  const line = {
    ...{ base: 0, top: 9999, high: 5, low: 7, lower: 0, offset: 0, shift: 14, lift: null },
    ...{ zeroPoint: -3, lowest: -128, highest: 127, inRange: false, ties: null },
  };
  const outputs: readonly [edge: string, multiply: TwoMultiply, cycles: number, bytes: number][] = [
    ['two multiplications', line, 20, 62],
    ['all sums in range: nothing is compared', { ...line, inRange: true }, 17, 42],
    ['one multiplication', { ...line, low: 0 }, 16, 54],
    ['outputs on both sides of zero', { ...line, lift: 9 }, 24, 70],
    ['around zero itself, with the least lift', { ...line, lift: 0, zeroPoint: 0 }, 22, 66],
  ];
  for (const [edge, requantization, cycles, bytes] of outputs) {
    it(`an output instead of a sum, its constants in whole words: ${edge}`, () => {
      const code = codeRow([row([0])], [{ bias: 0, requantization }]);
      const added = { cycles: code.cycles - none.cycles, bytes: code.bytes - none.bytes };
      expect(added).to.deep.equal({ cycles, bytes });
    });
  }
});
