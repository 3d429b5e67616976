import { expect } from 'chai';
import { format, pageColumns } from '../../src/compiler/codegen/format.js';

const long = (n: number) => 'x'.repeat(n);

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
