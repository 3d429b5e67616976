/** What src/compiler needs of bytes and paths, beside what Node says. */
import { createHash } from 'node:crypto';
import { basename, dirname, extname } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { includesWord, isSame, joined, latin1, sha256 } from '../src/bytes.js';
import { fileName, folderOf, stemOf } from '../src/paths.js';
import { runs } from './support/runs.js';

const bytes = fc.uint8Array({ maxLength: 20_000 });
const { concat, from } = Buffer;

describe('bytes', () => {
  it('are what Node makes of them', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.string({ unit: 'binary' }), (a, b, text) => {
        expect(latin1(a)).to.equal(from(a).toString('latin1'));
        expect(joined([a, b])).to.deep.equal(new Uint8Array(concat([a, b])));
        const hash = createHash('sha256').update(a).update(text).update(b).digest('hex');
        expect(sha256(a, text, b)).to.equal(hash);
        expect(isSame(a, b)).to.equal(from(a).equals(b));
        expect(isSame(a, Uint8Array.from(a))).to.equal(true);
      }),
      { numRuns: runs(50) },
    );
  });

  const words: [edge: string, text: string, word: string, found: boolean][] = [
    ['at the begin', 'abc', 'ab', true],
    ['at the end', 'abc', 'bc', true],
    ['cut by the end', 'ab', 'abc', false],
    ['behind a false start', 'aab', 'ab', true],
    ['in a part of it', 'acb', 'ab', false],
    ['in nothing', '', 'a', false],
  ];
  for (const [edge, text, word, found] of words) {
    it(`a word ${edge}`, () => expect(includesWord(from(text), word)).to.equal(found));
  }
});

describe('paths', () => {
  for (const path of ['net.keras', 'a/b.c/net', 'a/b/', '/net.h5', '.keras', 'a.tar.gz', '/', '']) {
    it(`"${path}"`, () => {
      expect(fileName(path)).to.equal(basename(path));
      expect(folderOf(path)).to.equal(dirname(path));
      expect(stemOf(path)).to.equal(basename(path, extname(path)));
    });
  }
});
