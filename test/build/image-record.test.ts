/** The record that tells whether an image is whole: any cut, any changed byte, any other content. */
import { expect } from 'chai';
import fc from 'fast-check';
import { imageFault, recordedTargets, stamp } from '../../src/build/image-record.js';

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
  it('what was filled in is whole, with anything behind it, and filled in again the same (property)', () => {
    fc.assert(
      fc.property(stamped, fc.uint8Array({ maxLength: 9 }), ({ image }, more) => {
        expect(imageFault(image)).to.equal(null);
        expect(imageFault(Buffer.concat([image, more]))).to.equal(null);
        expect(stamp(image, [image])).to.deep.equal([image]);
        expect(recordedTargets(image)).to.deep.equal(['rp2040']);
      }),
    );
  });

  it('a cut anywhere behind the record is found, with both lengths (property)', () => {
    fc.assert(
      fc.property(stamped, fc.nat(), ({ image, behind }, seed) => {
        const left = behind + (seed % (image.length - behind));
        const fault = `is cut off: ${left} of its ${image.length} bytes are left`;
        expect(imageFault(image.subarray(0, left))).to.equal(fault);
      }),
    );
  });

  it('a byte that is changed anywhere outside of the names is found (property)', () => {
    fc.assert(
      fc.property(stamped, fc.nat(), fc.integer({ min: 1, max: 255 }), (made, seed, change) => {
        const at = seed % made.image.length;
        // Without its mark or its names the record is none: other firmware, which passes.
        fc.pre(at < made.from || at >= made.behind);
        const damaged = Uint8Array.from(made.image);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(imageFault(damaged)).to.match(/is damaged: the CRC-32 of its \d+ bytes/);
      }),
    );
  });

  const rows: [edge: string, image: Uint8Array, fault: RegExp | null][] = [
    ['no record: other firmware', Buffer.from('anything'), null],
    ['the record of make alone', unfilled, null],
    [
      'a record without digits, of an older bonsaic',
      Buffer.from('bonsaic:x\x000.1.0\0m\0\0'),
      null,
    ],
    ['the mark alone, at the end', Buffer.from('....bonsaic:'), null],
    ['a length that ends before the record', record('0000000400000000'), /is damaged/],
    ['a length beyond the image', record('ffffffff00000000'), /cut off: \d+ of its 4294967295/],
    ['nothing', new Uint8Array(), null],
  ];
  for (const [edge, image, fault] of rows) {
    it(edge, () => {
      if (fault === null) expect(imageFault(image)).to.equal(null);
      else expect(imageFault(image)).to.match(fault);
    });
  }

  it('an older record stays as it is: what is behind it is firmware', () => {
    const image = Buffer.from('bonsaic:x\x000.1.0\0m\0\0firmware');
    expect(stamp(image, [image])).to.deep.equal([image]);
  });
});
