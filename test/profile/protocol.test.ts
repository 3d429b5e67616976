import { expect } from 'chai';
import fc from 'fast-check';
import {
  answerBody,
  decodeCobs,
  decodeFrame,
  encodeCobs,
  encodeFrame,
  FrameReader,
  maxBodyBytes,
  requestBody,
  tagOf,
} from '../../src/boards/profile/protocol.js';
import { runs } from '../support/runs.js';

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const upTo = (n: number) => Uint8Array.from({ length: n }, (_, i) => i + 1);

describe('profile/protocol: COBS', () => {
  const rows: [edge: string, plain: Uint8Array, encoded: Uint8Array][] = [
    ['nothing', hex(''), hex('01')],
    ['one zero', hex('00'), hex('01 01')],
    ['two zeros', hex('00 00'), hex('01 01 01')],
    ['no zero', hex('11 22 33'), hex('04 11 22 33')],
    ['a zero within', hex('11 00 33'), hex('02 11 02 33')],
    ['a zero at the end', hex('11 22 00'), hex('03 11 22 01')],
    ['254 bytes without zero: no empty block', upTo(254), Uint8Array.of(255, ...upTo(254))],
    ['255 bytes: a second block', upTo(255), Uint8Array.of(255, ...upTo(254), 2, 255)],
    [
      '254 bytes and a zero',
      Uint8Array.of(...upTo(254), 0),
      Uint8Array.of(255, ...upTo(254), 1, 1),
    ],
  ];
  for (const [edge, plain, encoded] of rows) {
    it(edge, () => {
      expect(encodeCobs(plain)).to.deep.equal(encoded);
      expect(decodeCobs(encoded)).to.deep.equal(plain);
    });
  }

  it('has no zero and decodes to the same bytes', () => {
    const bytes = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })), {
      maxLength: 800,
    });
    fc.assert(
      fc.property(bytes, (values) => {
        const plain = Uint8Array.from(values);
        const encoded = encodeCobs(plain);
        expect(encoded.includes(0)).to.equal(false);
        expect(decodeCobs(encoded)).to.deep.equal(plain);
      }),
      { numRuns: runs(100) },
    );
  });

  for (const [edge, encoded] of [
    ['a block longer than the rest', hex('05 11 22')],
    ['a zero as a code', hex('02 11 00 22')],
    ['a zero in a block', hex('03 11 00')],
  ] as const) {
    it(`refuses ${edge}`, () => expect(decodeCobs(encoded)).to.equal(null));
  }
});

const frames = fc.record({
  version: fc.integer({ min: 0, max: 255 }),
  type: fc.integer({ min: 0, max: 255 }),
  sequence: fc.integer({ min: 0, max: 0xffff }),
  tag: fc.integer({ min: 0, max: 0xffff_ffff }),
  body: fc.uint8Array({ maxLength: maxBodyBytes }),
});

describe('profile/protocol: frames', () => {
  it('is on the wire as docs/protocol.md says', () => {
    const wire = encodeFrame({ type: 0x05, sequence: 0x0201, tag: 0x44332211, body: hex('aa') });
    const plain = decodeCobs(wire.subarray(0, -1));
    expect(wire.at(-1)).to.equal(0);
    expect(plain?.subarray(0, 9)).to.deep.equal(hex('01 05 01 02 11 22 33 44 aa'));
    expect(plain?.length).to.equal(13);
  });

  it('comes out of the stream as it went in, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(frames, { maxLength: 5 }),
        fc.integer({ min: 1, max: 90 }),
        (sent, cut) => {
          const wire = Buffer.concat(sent.map(encodeFrame));
          const reader = new FrameReader();
          const found = [];
          for (let at = 0; at < wire.length; at += cut) {
            found.push(...reader.push(wire.subarray(at, at + cut)));
          }
          expect(found).to.deep.equal(sent);
        },
      ),
      { numRuns: runs(100) },
    );
  });

  it('loses at most one frame to garbage before it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), frames, frames, (garbage, lost, kept) => {
        const reader = new FrameReader();
        const found = reader.push(Buffer.concat([garbage, encodeFrame(lost), encodeFrame(kept)]));
        expect(found.at(-1)).to.deep.equal(kept);
        expect(found.length).to.be.at.most(2);
      }),
      { numRuns: runs(100) },
    );
  });

  it('refuses a frame with any one byte changed', () => {
    fc.assert(
      fc.property(frames, fc.nat(), fc.integer({ min: 1, max: 255 }), (frame, place, flip) => {
        const wire = encodeFrame(frame).slice(0, -1);
        const at = place % wire.length;
        wire[at] = (wire[at] ?? 0) ^ flip;
        expect(decodeFrame(wire)).to.equal(null);
      }),
      { numRuns: runs(100) },
    );
  });

  it('drops what is longer than any frame, once', () => {
    const reader = new FrameReader();
    reader.push(new Uint8Array(5000).fill(0x55));
    const [frame] = reader.push(
      Uint8Array.of(0, ...encodeFrame({ type: 1, sequence: 7, tag: 0, body: hex('') })),
    );
    expect(frame?.sequence).to.equal(7);
    expect(reader.droppedFrames).to.equal(1);
  });

  it('has room for the largest body without a zero', () => {
    const body = new Uint8Array(maxBodyBytes).fill(0xff);
    const wire = encodeFrame({ type: 0xff, sequence: 0xffff, tag: 0xffff_ffff, body });
    expect(new FrameReader().push(wire)[0]?.body).to.deep.equal(body);
  });
});

describe('profile/protocol: bodies', () => {
  it('writes an input', () => {
    expect(requestBody.writeInput(1, 0x010203, hex('ee ff'))).to.deep.equal(
      hex('0100 03020100 ee ff'),
    );
  });

  it('reads the texts of hello', () => {
    const fixed = `${'5a'.repeat(32)} 40597307 00 0004`;
    const texts = Buffer.from('stm32f405\x000.1.0\x00wake word\x00').toString('hex');
    expect(answerBody.hello(hex(`${fixed} ${texts}`))).to.include({
      ...{ target: 'stm32f405', version: '0.1.0', model: 'wake word' },
    });
  });

  it('reads hello of firmware that tells only its target', () => {
    const body = hex(`${'5a'.repeat(32)} 40597307 00 0004 727032303430`);
    expect(answerBody.hello(body)).to.deep.equal({
      sha256: '5a'.repeat(32),
      clockHz: 125_000_000,
      unit: 'cycles',
      maxBodyBytes: 1024,
      target: 'rp2040',
      version: null,
      model: null,
    });
  });

  it('reads counts beyond 32 bits', () => {
    expect(answerBody.counts(hex('0000000001000000 ffffffffffff1f00'), 2)).to.deep.equal([
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
    ]);
  });

  const malformed: [edge: string, read: () => unknown, message: RegExp][] = [
    ['hello cut short', () => answerBody.hello(hex('01'.repeat(38))), /ends within a field/],
    ['a clock of 0', () => answerBody.hello(hex(`${'00'.repeat(36)} 00 0004`)), /a clock of 0 Hz/],
    [
      'an unknown unit',
      () => answerBody.hello(hex(`${'00'.repeat(32)} 40597307 07 0004`)),
      /unit 7/,
    ],
    [
      'a body with room for nothing',
      () => answerBody.hello(hex(`${'00'.repeat(32)} 40597307 00 3f00`)),
      /largest body of 63 bytes/,
    ],
    [
      'more stack used than there is',
      () => answerBody.memory(hex('ffffffff 00100000 00000000')),
      /4294967295 bytes used of a stack of 4096/,
    ],
    ['a count too many', () => answerBody.count(hex('00'.repeat(9))), /9 bytes, 8 expected/],
    [
      'a count that is no safe number',
      () => answerBody.count(hex('ff'.repeat(8))),
      /count of 18446/,
    ],
    [
      'fewer checksums than asked',
      () => answerBody.checksums(hex('00'.repeat(4)), 2),
      /ends within/,
    ],
    ['bytes where none belong', () => answerBody.empty(hex('00')), /1 bytes, 0 expected/],
  ];
  for (const [edge, read, message] of malformed) {
    it(`refuses ${edge}`, () => expect(read).to.throw(RangeError, message));
  }

  it('takes the tag from the first four bytes of the hash', () => {
    expect(tagOf('01020304')).to.equal(0x04030201);
  });
});
