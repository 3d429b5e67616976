/** Rows that look up sums of weights plane by plane: in C (twins of the routines), on the simulated RP2040. */
import { expect } from 'chai';
import { analyse } from '../../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../../src/compiler/ir/graph.js';
import { canCodePlanes, codePlanes } from '../../../src/compiler/kernels/thumb1/plane-code.js';
import { expectSameBitsOnBoard } from '../../support/board.js';
import { GraphBuilder, perChannelQuant, perTensorQuant, Random } from '../../support/module.js';
import { expectSameBits } from '../../support/native.js';
import { type SimplePlanOptions, simplePlan } from '../../support/plan.js';
import { dense } from '../../support/rows.js';

const kernels = ['thumb1/row_planes_8', 'thumb1/row_planes_7', 'thumb1/row_planes_6'];

/** @param weights of a channel, one per input */
function layer(
  channels: number,
  depth: number,
  weight: (channel: number, input: number) => number,
  inputs?: (input: number) => number,
): Module {
  const b = new GraphBuilder();
  const data = Int8Array.from({ length: channels * depth }, (_, i) =>
    weight(Math.floor(i / depth), i % depth),
  );
  const weights = b.constant(data, [channels, depth], perChannelQuant([0.0002], 0));
  const bias = b.constant(new Int32Array(channels));
  const [quant, all] = [perTensorQuant(1, 0), { activation: 'none', rounding: 'double' }];
  const x = b.input([1, depth], quant);
  // The lesser of the greater and the same is the same.
  const same = inputs === undefined ? null : Int8Array.from({ length: depth }, (_, i) => inputs(i));
  const forced = (op: string, of: typeof x) =>
    same === null ? of : b.node(op, [of, b.constant(same, [1, depth], quant)], {}, { quant });
  const given = forced('minimum', forced('maximum', x));
  return b.module([b.node('fully_connected', [given, weights, bias], all, { quant })]);
}

const random = (seed: number) => {
  const source = new Random(seed);
  return () => source.integer(-128, 127);
};
/** Channels of 127, of −128 and of both by turns: each lane beside each other one. */
const extreme = (channel: number, input: number) =>
  [127, -128, 127, 127, -128, -128, input % 2 === 0 ? 127 : -128][channel % 7] as number;

const rows: readonly [edge: string, modules: () => readonly Module[]][] = [
  ['small rows', () => [1, 2, 3, 4, 5, 6, 7, 8].map(dense)],
  ['128 inputs: the last within reach', () => [layer(128, 128, random(1))]],
  ['blocks of seven words, whose rows are multiplied', () => [layer(40, 37, random(2))]],
  ['a pointer that advances, words across groups', () => [layer(3, 141, (c) => c - 1)]],
  ['two calls', () => [layer(131, 9, random(3))]],
  [
    'sums at both ends of their lanes',
    () =>
      [-128, -1, 0, 127, 85, -86].map((value) =>
        layer(14, 36, extreme, (i) => (i % 5 ? value : ~value)),
      ),
  ],
  [
    'a run for each plane',
    () => [-1, -128, 127].map((value) => layer(14, 96, extreme, () => value)),
  ],
];

for (const kernel of kernels) {
  describe(kernel, function () {
    this.timeout(240_000);
    const options: SimplePlanOptions = { kernel, overlap: true, optimize: 'speed' };
    const modules = () => rows.flatMap(([, make]) => make());
    const expectThis = (chosen: readonly string[]) =>
      expect(chosen.filter((one) => !one.startsWith('portable/'))).to.include(kernel);

    it('gives the bits of evaluate in C', async () => {
      const chosen: string[] = [];
      await expectSameBits(modules(), {
        plan: (module) => {
          const planned = simplePlan(module, { ...options, facts: analyse(mainGraph(module)) });
          chosen.push(...planned.plan.steps.map((step) => step.kernel));
          return planned;
        },
      });
      expectThis(chosen);
    });

    it('gives them on the simulated RP2040', async () =>
      expectThis(await expectSameBitsOnBoard(modules(), 'rp2040', options)));
  });
}

describe('planes of a row: size', () => {
  const channels = (count: number, depth: number, value: number) =>
    Array.from({ length: count }, () => new Int8Array(depth).fill(value));
  const bytes = (count: number, depth: number, inputs: number) =>
    codePlanes(channels(count, depth, 1), inputs).bytes;

  it('has a row of a table for each choice of inputs', () => {
    // Twice the rows for an input more, a word for two channels, and about as much code.
    const growth = bytes(32, 8, 8) - bytes(32, 7, 7);
    expect(growth).to.be.closeTo(128 * 64, 16);
  });

  const table: readonly [
    edge: string,
    count: number,
    depth: number,
    value: number,
    inputs: number,
    is: boolean,
  ][] = [
    ['rows within reach of an offset', 128, 8, 1, 8, true],
    ['longer rows', 129, 8, 1, 8, false],
    ['look-ups for which the stack has room', 128, 184, 1, 8, true],
    ['more of them', 128, 200, 1, 8, false],
    ['sums of many runs on the stack', 16, 112, 127, 7, true],
    ['more than it has room for', 16, 112, 127, 6, false],
  ];
  for (const [edge, count, depth, value, inputs, is] of table) {
    it(edge, () => {
      expect(canCodePlanes(channels(count, depth, value), inputs)).to.equal(is);
    });
  }
});
