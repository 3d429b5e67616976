import { expect } from 'chai';
import { format, pageColumns } from '../../src/compiler/codegen/format.js';

const long = (n: number) => 'x'.repeat(n);

describe('void terms', () => {
  const rows: [edge: string, text: string, expected: string][] = [
    ['a stride of 1 and no padding', 'y = oy * 1 - 0;', 'y = oy;'],
    ['a batch of 1', 'for (n = 1 * h * w; n > 0; n--)', 'for (n = h * w; n > 0; n--)'],
    ['in an index', 'a = w[4 * 1 + 3] + w[1 * n];', 'a = w[4 + 3] + w[n];'],
    ['returned', 'return 1 * x;', 'return x;'],
    ['behind a minus', 'a = b - 1 * c;', 'a = b - c;'],
    ['a product with 0 in a sum', 'p = in + k0 * 0 + k2 * 1;', 'p = in + k2;'],
    ['no shift and no zero point', 'c = f((c * 3 + 0) >> 0);', 'c = f((c * 3));'],
    ['a longer number', 'a = b * 10 + 1.5f * c + 0x0010;', 'a = b * 10 + 1.5f * c + 0x0010;'],
    ['a fraction', 'a = b * 1.25 + 0.5;', 'a = b * 1.25 + 0.5;'],
    ['a product behind a division', 'a = b / 1 * c;', 'a = b / 1 * c;'],
    ['a product that begins with 0', 'a = b - 0 * c;', 'a = b - 0 * c;'],
    ['a comment', '/* 1 * x, y + 0 */', '/* 1 * x, y + 0 */'],
    ['assembly', '"1: adds r1 * 1"', '"1: adds r1 * 1"'],
  ];
  for (const [edge, text, expected] of rows) {
    it(edge, () => expect(format(text)).to.equal(expected));
  }
});

describe('lines of C', () => {
  const rows = [
    { edge: 'a short line stays', text: 'a = b;', expected: 'a = b;' },
    {
      edge: 'arguments go on below their bracket',
      text: `    f(${long(50)}, ${long(50)});`,
      expected: `    f(${long(50)},\n      ${long(50)});`,
    },
    {
      edge: 'lines that were broken are joined where they fit',
      text: 'f(a,\n          b);',
      expected: 'f(a, b);',
    },
    {
      edge: 'what fits below no bracket begins in a line of its own',
      text: `static void ${long(60)}(int ${long(40)}, int b)`,
      expected: `static void ${long(60)}(\n    int ${long(40)}, int b)`,
    },
    {
      edge: 'instructions are split between two',
      text: `    "${'mov r0, r1\\n '.repeat(8)}bx lr\\n"`,
      expected: `    "${'mov r0, r1\\n '.repeat(6)}mov r0, r1\\n"\n    "mov r0, r1\\n bx lr\\n"`,
    },
    {
      edge: 'a macro keeps its lines',
      text: `#define ${long(60)}(name) \\\n    int8_t name[${long(20)}] \\\n    f(a * 1)\na = b * 1;`,
      expected: `#define ${long(60)}(name) \\\n    int8_t name[${long(20)}] \\\n    f(a * 1)\na = b;`,
    },
    {
      edge: "a comment's end stays with its last word",
      text: `/* ${long(91)} ab. */`,
      expected: `/* ${long(91)}\n * ab. */`,
    },
  ];
  for (const { edge, text, expected } of rows) {
    it(edge, () => {
      expect(format(text)).to.equal(expected);
      for (const line of format(text).split('\n')) expect(line.length).to.be.at.most(pageColumns);
    });
  }
});
