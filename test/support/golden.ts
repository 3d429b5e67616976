/** Files that tests compare with: UPDATE_GOLDEN=1 writes them anew. One that is empty fails. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const folder = fileURLToPath(new URL('../golden/', import.meta.url));

/** Of a path below test/golden. */
export function goldenPath(path: string): string {
  return `${folder}${path}`;
}

/** @param path below test/golden */
export function readGolden(path: string): string {
  const file = `${folder}${path}`;
  expect(existsSync(file), `test/golden/${path} is there`).to.equal(true);
  const text = readFileSync(file, 'utf8');
  expect(text.trim(), `test/golden/${path}`).to.not.equal('');
  return text;
}

/** @param path below test/golden */
export function writeGolden(text: string, path: string): void {
  mkdirSync(dirname(`${folder}${path}`), { recursive: true });
  writeFileSync(`${folder}${path}`, text);
}

/** Compares `text` with what the file below test/golden has. */
export function expectGolden(text: string, path: string): void {
  if (process.env.UPDATE_GOLDEN === '1') writeGolden(text, path);
  expect(text).to.equal(readGolden(path));
}
