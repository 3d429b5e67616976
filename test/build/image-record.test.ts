/** The record that tells whether an image is whole: any cut, changed byte, content or bytes behind it. */
import { expect } from 'chai';
import fc from 'fast-check';
import { judgeImage, recordedTargets, stamp } from '../../src/boards/build/image-record.js';
import { runs } from '../support/runs.js';

const record = (digits: string) => Buffer.from(`bonsaic:rp2040\x000.1.0\0kws\0${digits}\0`);
const unfilled = record('0'.repeat(16));

/** An image with its record at a random place, filled in. */
const stamped = fc
  .tuple(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 1, maxLength: 300 }))
  .map(([before, after]) => {
    const image = Buffer.concat([before, unfilled, after]);
    const [filled = image] = stamp(image, [image]);
    return { image: filled, from: before.length, behind: before.length + unfilled.length };
  });

describe('build/image-record', () => {
  it('what was filled in is whole, in a flash with anything behind it, and filled in again the same (property)', () => {
    fc.assert(
      fc.property(stamped, fc.uint8Array({ minLength: 1, maxLength: 9 }), ({ image }, more) => {
        const followed = Buffer.concat([image, more]);
        expect(judgeImage(image, false)).to.include({ state: 'whole', bytes: image.length });
        expect(judgeImage(followed, true)).to.include({ state: 'whole', bytes: image.length });
        const what = `is damaged: ${more.length} bytes follow the ${image.length} of its record`;
        expect(judgeImage(followed, false)).to.include({ state: 'damaged', what });
        expect(stamp(image, [image])).to.deep.equal([image]);
        expect(recordedTargets(image)).to.deep.equal(['rp2040']);
      }),
      { numRuns: runs(100) },
    );
  });

  it('a cut anywhere behind the record is found, with both lengths (property)', () => {
    fc.assert(
      fc.property(stamped, fc.nat(), ({ image, behind }, seed) => {
        const left = behind + (seed % (image.length - behind));
        const what = `is cut off: ${left} of its ${image.length} bytes are left`;
        expect(judgeImage(image.subarray(0, left), true)).to.include({ state: 'damaged', what });
      }),
      { numRuns: runs(100) },
    );
  });

  it('a byte that is changed anywhere leaves no whole image (property)', () => {
    fc.assert(
      fc.property(stamped, fc.nat(), fc.integer({ min: 1, max: 255 }), (made, seed, change) => {
        const at = seed % made.image.length;
        const damaged = Uint8Array.from(made.image);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        for (const mayFollow of [true, false]) {
          expect(judgeImage(damaged, mayFollow).state).to.be.oneOf(['damaged', 'unrecorded']);
        }
      }),
      { numRuns: runs(100) },
    );
  });

  const rows: [edge: string, image: Uint8Array, state: string, what: RegExp][] = [
    [
      'no record: other firmware',
      Buffer.from('anything'),
      'unrecorded',
      /not an image that bonsaic/,
    ],
    ['the record of make alone', unfilled, 'unfilled', /linked by make alone/],
    [
      'a record without digits, of an older bonsaic',
      Buffer.from('bonsaic:x\x000.1.0\0m\0\0'),
      ...(['unrecorded', /has no record/] as const),
    ],
    ['the mark alone, at the end', Buffer.from('....bonsaic:'), 'unrecorded', /has no record/],
    ['a length that ends before the record', record('0000000400000000'), 'damaged', /4 of its rec/],
    [
      'a length beyond the image',
      record('ffffffff00000000'),
      'damaged',
      /cut off: \d+ of its 42949/,
    ],
    ['nothing', new Uint8Array(), 'unrecorded', /has no record/],
  ];
  for (const [edge, image, state, what] of rows) {
    it(edge, () => {
      const verdict = judgeImage(image, false);
      expect(verdict.state).to.equal(state);
      expect(verdict.what).to.match(what);
    });
  }

  it('an older record stays as it is: what is behind it is firmware', () => {
    const image = Buffer.from('bonsaic:x\x000.1.0\0m\0\0firmware');
    expect(stamp(image, [image])).to.deep.equal([image]);
  });
});
