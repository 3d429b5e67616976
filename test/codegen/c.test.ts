import { expect } from 'chai';
import fc from 'fast-check';
import {
  comment,
  float,
  integer,
  narrowest,
  rows,
  string,
  wrap,
} from '../../src/compiler/codegen/c.js';
import { runs } from '../support/runs.js';

describe('C text', () => {
  describe('tables read back as they were', () => {
    /** The numbers of an initializer, by a reader that knows one name. */
    const parse = (text: string) =>
      text
        .split(',')
        .map((cell) => cell.trim())
        .filter((cell) => cell !== '')
        .map((cell) =>
          cell === 'INT32_MIN' ? -(2 ** 31) : Number(cell.replace(/(?<!0x.*)f$|u$/, '')),
        );
    const tables = [
      { edge: 'int8', make: (v: number[]) => Int8Array.from(v) },
      { edge: 'uint8', make: (v: number[]) => Uint8Array.from(v) },
      { edge: 'int16', make: (v: number[]) => Int16Array.from(v) },
      { edge: 'uint16', make: (v: number[]) => Uint16Array.from(v) },
      { edge: 'int32', make: (v: number[]) => Int32Array.from(v) },
      { edge: 'uint32, in hexadecimal', make: (v: number[]) => Uint32Array.from(v) },
      { edge: 'float', make: (v: number[]) => Float32Array.from(v) },
    ];
    for (const { edge, make } of tables) {
      it(edge, () => {
        const values = fc.array(fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 0, -1, 127)));
        fc.assert(
          fc.property(values, (numbers) => {
            const table = make(numbers);
            const text = rows(table);
            expect(parse(text).map(Math.fround)).to.deep.equal(Array.from(table, Math.fround));
            const lines = text.split('\n').slice(0, -1);
            expect(Math.max(0, ...lines.map((line) => line.length))).to.be.at.most(100);
            // Full rows end in the same column.
            expect(new Set(lines.slice(0, -1).map((line) => line.length)).size).to.be.at.most(1);
          }),
          { numRuns: runs(100) },
        );
      });
    }
  });

  it('float literals are exact, of any size', () => {
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(finite, (value) => {
        const text = float(value);
        expect(text)
          .to.match(/^-?\d+(\.\d+)?(e[+-]\d+)?f$/)
          .and.match(/[.e]/);
        expect(Math.fround(Number(text.slice(0, -1)))).to.equal(value === 0 ? 0 : value);
      }),
      { numRuns: runs(100) },
    );
    expect([1, 0.00390625, 100, 1e30].map(float)).to.deep.equal([
      '1.0f',
      '0.00390625f',
      '100.0f',
      '1.00000002e+30f',
    ]);
    expect([1e39, Number.NEGATIVE_INFINITY, Number.NaN].map(float)).to.deep.equal([
      '__builtin_inff()',
      '-__builtin_inff()',
      '__builtin_nanf("")',
    ]);
  });

  it('int32 literals: the smallest by name, others refused', () => {
    expect([-(2 ** 31), -1, 2 ** 31 - 1].map(integer)).to.deep.equal([
      'INT32_MIN',
      '-1',
      '2147483647',
    ]);
    for (const value of [2 ** 31, 0.5, Number.NaN]) {
      expect(() => integer(value)).to.throw(/not an int32/);
    }
  });

  it('the narrowest type that holds all', () => {
    const types = [[0, 255], [-128, 127], [0, 256], [-129, 0], [-1, 128], [0, 65536], [-32769]];
    expect(types.map(narrowest)).to.deep.equal([
      'uint8_t',
      'int8_t',
      'uint16_t',
      'int16_t',
      'int16_t',
      'int32_t',
      'int32_t',
    ]);
  });

  it('strings: quotes, backslashes, trigraphs, bytes beyond ASCII before a digit', () => {
    expect(string('a "b" \\ ??/ é1\n')).to.equal('"a \\"b\\" \\\\ \\?\\?/ \\303\\2511\\012"');
  });

  it('comments cannot be ended or nested by a layer name', () => {
    expect(comment('a */ b /* c\nd')).to.equal('a * / b / * c d');
  });

  it('wraps at words, and never within one', () => {
    expect(wrap('aa bb cc ddddddddd', 6, ' ')).to.equal(' aa bb\n cc\n ddddddddd');
  });
});
