/** Properties of random cases: all try more when asked, with other cases each time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && name !== 'properties.test.ts')
  .map((name) => [name, readFileSync(join('test', name), 'utf8')] as const)
  .filter(([, text]) => text.includes('fc.assert('));

describe('properties', () => {
  it('are many', () => expect(files).to.have.lengthOf.above(40));

  for (const [name, text] of files) {
    it(`of ${name} take their share of cases, and fresh seeds`, () => {
      const asserts = text.match(/fc\.assert\(/g) ?? [];
      const shared = text.match(/numRuns: (runs|share)\(/g) ?? [];
      expect(shared.length).to.be.at.least(asserts.length);
      expect(text).to.not.match(/numRuns: (runs|share)\([^)]*\), seed/);
    });
  }
});
