/** Weights as RV32IM code: how much of it there is. What it computes: rv32.test.ts. */
import { expect } from 'chai';
import { twoMultiply } from '../../../src/compiler/kernels/layout/two-multiply.js';
import { codeConvolution } from '../../../src/compiler/kernels/rv32/convolution.js';
import { codeRow } from '../../../src/compiler/kernels/rv32/row-code.js';

const any = { min: -128, max: 127 };

/** A channel for each row of weights, whose outputs are an 1/512 of its sums. */
function codeOf(weights: readonly (readonly number[])[]) {
  const stage = {
    ...{ biases: new Int32Array(weights.length), rounding: 'double' as const },
    multipliers: weights.map(() => ({ multiplier: 2 ** 30, shift: -8 })),
    ...{ zeroPoint: -128, min: -128, max: 127 },
  };
  const depth = weights[0]?.length ?? 0;
  const channels = weights.map((row, channel) => {
    const reach = row.reduce((sum, weight) => sum + Math.abs(weight), 0) * 128;
    const requantization = twoMultiply(stage, channel, -reach, reach);
    if (requantization === null) throw new Error(`channel ${channel} has no requantization`);
    return { weights: row, bias: 0, requantization };
  });
  const taps = Array.from({ length: depth }, (_, tap) => ({ tap, word: tap, ...any }));
  return codeConvolution({ channels, taps }, depth);
}

/** All weights from −100 to 100 in turn. */
const mixture = (size: number) =>
  Array.from({ length: size }, (_, channel) =>
    Array.from({ length: size }, (_, tap) => ((channel * 37 + tap * 101) % 201) - 100),
  );

describe('weights as RV32IM code: instructions and bytes', () => {
  const rows: readonly [edge: string, weights: number[][], cycles: number, bytes: number][] = [
    ['no weight: a constant for four pixels', [[0]], 41, 160],
    ['the input itself', [[1]], 73, 262],
    ['a shift', [[64]], 81, 362],
    ['a product', [[91]], 82, 366],
    ['two channels share it', [[91], [91]], 123, 570],
    ['or nearly', [[91], [92]], 125, 574],
    ['three channels', [[91], [91], [91]], 164, 774],
    ['a packed sum that is taken apart twice', [[91, 91, 91, 91]], 109, 454],
    ['zeros take nothing', [[20, 0, 0, 20]], 89, 386],
    ['64 channels of 64 weights: 1.82 instructions a product', mixture(64), 29853, 96296],
  ];
  for (const [edge, weights, cycles, bytes] of rows) {
    it(edge, () => {
      const { cycles: instructions, bytes: size } = codeOf(weights);
      expect({ instructions, size }).to.deep.equal({ instructions: cycles, size: bytes });
    });
  }
});

describe('a row of inputs as RV32IM code: instructions and bytes', () => {
  /** The first weights of a channel of `depth`, whose others are zero. */
  const row = (weights: readonly number[], depth = weights.length) =>
    Int8Array.from({ length: depth }, (_, tap) => weights[tap] ?? 0);
  const last = (depth: number) => Int8Array.from([...row([], depth - 1), 91]);
  const none = codeRow([row([0])]);
  const rows: readonly [edge: string, channels: Int8Array[], cycles: number, bytes: number][] = [
    ['a product', [row([91])], 3, 12],
    ['a weight that an instruction of two bytes loads', [row([31])], 3, 10],
    ['a second one is added', [row([91, 91])], 7, 26],
    ['a negative one, too', [row([91, -91])], 7, 26],
    ['the input itself', [row([1])], 1, 4],
    ['a shift', [row([64])], 2, 8],
    ['two channels share the input and the product', [row([91]), row([91])], 5, 18],
    ['of either sign: a subtraction', [row([91]), row([-91])], 5, 20],
    ['or nearly', [row([91]), row([92])], 6, 20],
    ['the last input within reach', [last(2048)], 3, 12],
    ['a step to the next one', [last(2049)], 4, 16],
    ['more channels load it again, and save 13 registers', Array(25).fill(row([91])), 82, 280],
  ];
  for (const [edge, channels, cycles, bytes] of rows) {
    it(edge, () => {
      const code = codeRow(channels);
      const added = { instructions: code.cycles - none.cycles, size: code.bytes - none.bytes };
      expect(added).to.deep.equal({ instructions: cycles, size: bytes });
    });
  }
});
