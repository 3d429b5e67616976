/** SLIP frames, on lines that lose bytes too. */
import { expect } from 'chai';
import fc from 'fast-check';
import { SlipReader, slipEncode, slipEnd } from '../../src/boards/device/slip.js';
import { runs } from '../support/runs.js';

const framesOf = (reader: SlipReader, bytes: Iterable<number>) =>
  [...bytes].flatMap((byte) => {
    const frame = reader.take(byte);
    return frame === null ? [] : [[...frame]];
  });

describe('device/slip', () => {
  for (const ends of ['pairs', 'separators'] as const) {
    it(`${ends}: any frames come out as they went in`, () => {
      const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 });
      fc.assert(
        fc.property(frames, (bodies) => {
          const line = bodies.flatMap((body) => [...slipEncode(body)]);
          const read = framesOf(new SlipReader(ends, 40), line);
          expect(read).to.deep.equal(bodies.map((body) => [...body]));
        }),
        { numRuns: runs(100) },
      );
    });
  }

  const [first, second] = [slipEncode(Uint8Array.of(1, 2)), slipEncode(Uint8Array.of(3))];
  const rows: [
    edge: string,
    ends: 'pairs' | 'separators',
    line: number[],
    frames: readonly number[][],
  ][] = [
    ['a lost END', 'separators', [...first.slice(0, -1), ...second], [[1, 2], [3]]],
    ['a lost END: out of step', 'pairs', [...first.slice(0, -1), ...second], [[1, 2]]],
    [
      'a lost END, and one more: in step again',
      'pairs',
      [...first.slice(0, -1), ...second, slipEnd, ...second],
      [[1, 2], [3]],
    ],
    ['bytes before the first END', 'pairs', [7, 8, ...first], [[1, 2]]],
    [
      'bytes before the first END',
      'separators',
      [7, 8, ...first],
      [
        [7, 8],
        [1, 2],
      ],
    ],
    [
      'a frame that is too long',
      'separators',
      [...slipEncode(new Uint8Array(50)), ...second],
      [[3]],
    ],
    ['an escape before END', 'pairs', [slipEnd, 1, 0xdb, slipEnd, ...second], [[1], [3]]],
  ];
  for (const [edge, ends, line, frames] of rows) {
    it(`${ends}: ${edge}`, () => {
      const read = framesOf(new SlipReader(ends, 40), line);
      expect(read.slice(-frames.length)).to.deep.equal(frames);
    });
  }
});
