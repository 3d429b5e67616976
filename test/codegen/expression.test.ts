/** Expressions as C, and what they evaluate to. */
import { expect } from 'chai';
import { expressionText } from '../../src/compiler/codegen/expression.js';
import {
  choice,
  clamped,
  type Expression,
  evaluator,
  named,
  operations,
  x,
  y,
} from '../../src/compiler/ops/arithmetic/expression.js';

const { abs, add, and, cos, div, equal, exp, floor, less, maximum, mul, neg, or, pow, sub } =
  operations;
const most = 2 ** 31 - 1;

/** Of x = 7 and y = -2. */
const reals: readonly (readonly [edge: string, of: Expression, text: string, value: number])[] = [
  ['a sum in a product', mul(add(x, 1), y), '(x + 1.0f) * y', -16],
  ['a product in a sum', add(x, mul(2, y)), 'x + 2.0f * y', 3],
  ['from the left', sub(sub(x, y), 1), 'x - y - 1.0f', 8],
  ['a difference on the right', sub(x, sub(y, 1)), 'x - (y - 1.0f)', 10],
  ['a quotient on the right', mul(x, div(y, 4)), 'x * (y / 4.0f)', -3.5],
  ['a minus before a sum', neg(add(x, y)), '-(x + y)', -5],
  ['a minus before a number', sub(x, -2), 'x - -2.0f', 9],
  ['calls', neg(floor(div(x, y))), '-real_floor(x / y)', 4],
  ['a call with a constant', cos(sub(x, x)), 'real_circular(x - x, 1)', 1],
  ['bits', abs(y), 'float_of_bits(bits_of_float(y) & 0x7fffffff)', 2],
  [
    'relations',
    or(less(x, 0), and(equal(x, 7), less(y, 0))),
    'x < 0.0f || (x == 7.0f && y < 0.0f)',
    1,
  ],
  ['a choice', mul(choice(less(x, 8), y, x), 2), '(x < 8.0f ? y : x) * 2.0f', -4],
  ['a clamp', clamped(x, 0, 6), 'x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x', 6],
  ['a clamp without an end', clamped(y, 0, Number.POSITIVE_INFINITY), 'y < 0.0f ? 0.0f : y', 0],
  ['the greater', add(maximum(x, y), 1), '(x > y ? x : y) + 1.0f', 8],
  ['a power', pow(x, y), 'real_pow(x, y)', Math.fround(1 / 49)],
  ['each step rounds', sub(add(x, 2 ** 25), 2 ** 25), 'x + 33554432.0f - 33554432.0f', 8],
];

/** Of x = 2^31 - 1 and y = -2. */
const integers: typeof reals = [
  ['a sum wraps', add(x, 1), '(int32_t)((uint32_t)x + (uint32_t)1)', -most - 1],
  [
    'a product of a sum',
    mul(add(x, y), y),
    '(int32_t)((uint32_t)(int32_t)((uint32_t)x + (uint32_t)y) * (uint32_t)y)',
    6,
  ],
  [
    'a quotient',
    div(x, y),
    'y == 0 ? 0 : y == -1 ? (int32_t)(0 - (uint32_t)x) : x / y',
    -(2 ** 30) + 1,
  ],
  ['by 0', div(y, sub(x, x)), '', 0],
  ['a power', pow(y, x), 'whole_pow(y, x)', 0],
  ['a relation', equal(x, 3), 'x == 3', 0],
];

const textOf = (expression: Expression, isWhole: boolean) =>
  expressionText(expression, { isWhole, use: (path) => path.replace('portable/', '') });

describe('expressions', () => {
  for (const [edge, expression, text, value] of reals) {
    it(`of float32: ${edge}`, () => {
      expect(textOf(expression, false).value).to.equal(text);
      expect(evaluator(expression, false)(7, -2)).to.equal(value);
    });
  }

  for (const [edge, expression, text, value] of integers) {
    it(`of integers: ${edge}`, () => {
      if (text !== '') expect(textOf(expression, true).value).to.equal(text);
      expect(evaluator(expression, true)(most, -2)).to.equal(value);
    });
  }

  it('declare what has a name once, before its use', () => {
    const gate = named('gate', exp(x));
    expect(textOf(mul(gate, clamped(gate, 0, 1)), false)).to.deep.equal({
      named: ['const float gate = real_exp(x);'],
      value: 'gate * (gate < 0.0f ? 0.0f : gate > 1.0f ? 1.0f : gate)',
    });
  });

  it('refuse to write an operand several times', () => {
    expect(() => textOf(maximum(exp(x), y), false)).to.throw('needs a name');
  });
});
