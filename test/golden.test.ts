/** No golden file is empty, and each is one that a test asks for. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readGolden } from './support/golden.js';

const folder = fileURLToPath(new URL('./golden/', import.meta.url));
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => `${parentPath}/${name}`.slice(folder.length).replace(/^\//, ''));

describe('golden files', () => {
  it('exist and are not empty', () => {
    expect(files).to.not.have.length(0);
    for (const path of files) readGolden(path);
  });

  it('of operators have rows with outputs', () => {
    for (const path of files.filter((path) => /^ops\/.*json$/.test(path))) {
      const rows = JSON.parse(readGolden(path)) as { expected: { outputs: unknown[] }[] }[];
      expect(rows, path).to.not.have.length(0);
      for (const { expected } of rows) {
        expect(expected, path).to.not.have.length(0);
        for (const { outputs } of expected) expect(outputs, path).to.not.have.length(0);
      }
    }
  });

  it('of sequences have outputs of each run', () => {
    for (const path of files.filter((path) => path.startsWith('sequences/'))) {
      const cases = JSON.parse(readGolden(path)) as unknown[][];
      expect(cases, path).to.not.have.length(0);
      for (const outputs of cases) expect(outputs, path).to.not.have.length(0);
    }
  });
});
