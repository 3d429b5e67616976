import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { packageTemplates } from '../../../src/boards/project/templates.js';
import { Composition } from '../../../src/compiler/codegen/templates.js';
import {
  frexp,
  type Multiplier,
  multiplyByQuantizedMultiplier,
  quantizeMultiplier,
  type Rounding,
  roundHalfAwayFromZero,
} from '../../../src/compiler/ops/arithmetic/quant.js';
import { execute } from '../../support/execute.js';
import { Random } from '../../support/module.js';
import { inTemporaryDirectory, warnings } from '../../support/native.js';
import { runs } from '../../support/runs.js';

const wrap = (x: bigint) => BigInt.asIntN(32, x);
const saturate = (x: bigint) => (x > int32Max ? int32Max : x < int32Min ? int32Min : x);
const int32Min = -(2n ** 31n);
const int32Max = 2n ** 31n - 1n;

/** The definitions of gemmlowp and ruy, in exact integers. */
function reference(x: number, { multiplier, shift }: Multiplier, rounding: Rounding): number {
  const m = BigInt(multiplier);
  if (rounding === 'single') {
    const total = BigInt(31 - shift);
    return Number(saturate((BigInt(x) * m + (1n << (total - 1n))) >> total));
  }
  const shifted = wrap(BigInt(x) << BigInt(Math.max(shift, 0)));
  const product = shifted * m;
  // C's division truncates, as BigInt's does.
  const high = (product + (product >= 0n ? 1n << 30n : 1n - (1n << 30n))) / (1n << 31n);
  const right = BigInt(Math.max(-shift, 0));
  const mask = (1n << right) - 1n;
  const threshold = (mask >> 1n) + (high < 0n ? 1n : 0n);
  return Number((high >> right) + ((high & mask) > threshold ? 1n : 0n));
}

const edges = [0, 1, -1, 2, -2, 65535, 65536, -65536, 2 ** 30, 2 ** 31 - 1, -(2 ** 31)];
const multipliers = [0, 2 ** 30, 2 ** 30 + 1, 0x4000ffff, 0x7fff0000, 2 ** 31 - 1];
const shifts = Array.from({ length: 62 }, (_, i) => i - 31);
const roundings = ['double', 'single'] as const;

describe('fixed point', () => {
  for (const rounding of roundings) {
    it(`${rounding} rounding is exact at the edges of int32, for every shift`, () => {
      for (const x of edges) {
        for (const multiplier of multipliers) {
          for (const shift of shifts) {
            const factor = { multiplier, shift };
            const actual = multiplyByQuantizedMultiplier(x, factor, rounding);
            const expected = reference(x, factor, rounding);
            if (actual !== expected) expect.fail(`${x} × ${multiplier}, ${shift}: ${actual}`);
          }
        }
      }
    });

    it(`${rounding} rounding is exact for any int32`, () => {
      const multiplier = fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 });
      const shift = fc.integer({ min: -31, max: 30 });
      fc.assert(
        fc.property(fc.integer(), multiplier, shift, (x, multiplier, shift) => {
          const factor = { multiplier, shift };
          const actual = multiplyByQuantizedMultiplier(x, factor, rounding);
          expect(actual).to.equal(reference(x, factor, rounding));
        }),
        { numRuns: runs(20000) },
      );
    });
  }

  it('the two roundings of C are those of evaluate, after the clamp to int8', async () => {
    const random = new Random(7);
    const anyMultiplier = () => random.integer(2 ** 30, 2 ** 31 - 1);
    const cases = [
      ...edges.flatMap((x) =>
        multipliers.flatMap((m) => shifts.map((shift) => [x, m, shift] as const)),
      ),
      ...Array.from({ length: 4000 }, () => {
        const x = random.integer(-(2 ** 31), 2 ** 31 - 1) >> random.integer(0, 24);
        return [x, anyMultiplier(), random.integer(-31, 30)] as const;
      }),
    ];
    const [double, single] = await inC(cases);
    cases.forEach(([x, multiplier, shift], i) => {
      const given = `${x} × ${multiplier}, ${shift}`;
      const expected = (rounding: Rounding) => reference(x, { multiplier, shift }, rounding);
      if (double[i] !== expected('double')) expect.fail(`double ${given}: ${double[i]}`);
      const [actual, wanted] = [single[i] ?? 0, expected('single')];
      const bounded = (y: number) => Math.max(-300, Math.min(300, y));
      if (bounded(actual) !== bounded(wanted)) expect.fail(`single ${given}: ${actual}`);
    });
  });

  const reals: readonly (readonly [edge: string, real: number, Multiplier])[] = [
    ['zero', 0, { multiplier: 0, shift: 0 }],
    ['a power of two', 0.25, { multiplier: 2 ** 30, shift: -1 }],
    ['rounds up to the next power of two', 1 - 2 ** -40, { multiplier: 2 ** 30, shift: 1 }],
    ['the smallest that is kept', 2 ** -32, { multiplier: 2 ** 30, shift: -31 }],
    ['too small', 2 ** -33, { multiplier: 0, shift: 0 }],
    ['a denormal', 2 ** -1074, { multiplier: 0, shift: 0 }],
    ['greater than one', 3, { multiplier: 0x60000000, shift: 2 }],
    ['too large', 2 ** 40, { multiplier: 2 ** 31 - 1, shift: 30 }],
  ];
  for (const [edge, real, expected] of reals) {
    it(`quantizes a multiplier: ${edge}`, () => {
      expect(quantizeMultiplier(real)).to.deep.equal(expected);
    });
  }

  it('frexp gives a fraction in [0.5, 1) that with its exponent is the value again', () => {
    const value = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0, minExcluded: true });
    fc.assert(
      fc.property(value, (value) => {
        const [fraction, exponent] = frexp(value);
        expect(fraction).to.be.at.least(0.5).and.below(1);
        const half = Math.trunc(exponent / 2);
        expect(fraction * 2 ** half * 2 ** (exponent - half)).to.equal(value);
      }),
      { numRuns: runs(100) },
    );
  });

  it('rounds halves away from zero, and nothing else up', () => {
    const cases = [0.5, -0.5, 1.5, -1.5, 0.49999999999999994, -0.3, 2 ** 51 + 0.5];
    expect(cases.map(roundHalfAwayFromZero)).to.deep.equal([1, -1, 2, -2, 0, 0, 2 ** 51 + 1]);
  });
});

/** Results of the C helpers requantize and requantize_single. */
async function inC(
  cases: readonly (readonly [x: number, multiplier: number, shift: number])[],
): Promise<[double: Int32Array, single: Int32Array]> {
  const composition = new Composition(packageTemplates());
  for (const name of ['requantize', 'requantize_single']) composition.use(`portable/${name}`);
  const source = `
#include <stdint.h>
#include <stdio.h>
${composition.helpers.join('\n')}
int main(void)
{
    int32_t in[3];
    while (fread(in, sizeof in, 1, stdin) == 1) {
        const int32_t out[2] = { requantize(in[0], in[1], in[2]),
                                 requantize_single(in[0], in[1], in[2]) };
        fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
`;
  return inTemporaryDirectory(async (directory) => {
    writeFileSync(join(directory, 'main.c'), source);
    const flags = ['-std=c99', '-O1', '-fsanitize=undefined', '-fno-sanitize-recover', ...warnings];
    await execute('gcc', [...flags, 'main.c', '-o', 'main'], { cwd: directory });
    const input = new Uint8Array(Int32Array.from(cases.flat()).buffer);
    const output = await execute(join(directory, 'main'), [], { input });
    const values = new Int32Array(Uint8Array.from(output).buffer);
    return [values.filter((_, i) => i % 2 === 0), values.filter((_, i) => i % 2 === 1)];
  });
}
