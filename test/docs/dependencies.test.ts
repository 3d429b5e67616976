/** CONTRIBUTING.md says which versions were compared with public advisories: they are those of the lock. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('docs: dependencies', () => {
  const lock = JSON.parse(read('package-lock.json')).packages as Record<
    string,
    { readonly version?: string }
  >;
  const text = read('CONTRIBUTING.md');
  const start = text.indexOf('| package | version | advisories |');
  const rows = text
    .slice(start, text.indexOf('\n\n', start))
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()));

  it('the table is there', () => expect(rows).to.have.length.above(10));

  for (const [, name = '', version] of rows) {
    it(`${name} is in the lock as it was compared with advisories`, () => {
      expect(lock[`node_modules/${name}`]?.version, 'compare the new version').to.equal(version);
    });
  }
});
