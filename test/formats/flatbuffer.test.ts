/**
 * Bytes that the writer of flatbuffers makes. Our reader takes some that others would not: a field
 * wider than its type, a vector that is not aligned.
 */
import {
  bytes,
  type Field,
  flag,
  int32,
  numbers,
  type Scalar,
  scalar,
  string,
  table,
  tables,
} from '../../src/compiler/formats/flatbuffer.js';
import { encode } from '../../src/compiler/formats/flatbuffer-writer.js';
import { expectGolden } from '../support/golden.js';

const types: readonly Scalar[] = [
  ...(['bool', 'int8', 'uint8', 'int32', 'uint32', 'float32', 'int64', 'uint64'] as const),
];
const rows: readonly (readonly [what: string, field: Field, value: unknown])[] = [
  ...types.map((of) => [of, scalar(1, of), 1] as const),
  ...types.map((of) => [`${of}, its default`, scalar(1, of, 1), 1] as const),
  ...types.map((of) => [`three of ${of}`, numbers(1, of), [1, 0, 1]] as const),
  ['flag', flag(1), true],
  ['no flag', flag(1), false],
  ['string', string(1), 'five!'],
  ['bytes', bytes(1), Uint8Array.of(1, 2, 3, 4, 5)],
  ['bytes at a multiple of 16', bytes(1, 16), Uint8Array.of(1, 2, 3, 4, 5)],
  ['table', table(1, { a: int32(0) }), { a: 7 }],
  ['three tables', tables(1, { a: int32(0) }), [{ a: 7 }, { a: 8 }, { a: 9 }]],
];

describe('formats: flatbuffers', () => {
  it('are as in test/golden/formats/flatbuffers.txt', () => {
    const lines = rows.map(([what, field, value]) => {
      const file = encode({ part: field }, { part: value } as never, 'TEST', 256);
      const words = Buffer.from(file).toString('hex').replace(/.{8}/g, '$& ').trim();
      return `${what}\n    ${words}\n`;
    });
    expectGolden(lines.join(''), 'formats/flatbuffers.txt');
  });
});
