/** Generated sections of docs/performance.md and README.md, each between two marks. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Replaces the text between `<!-- name: … -->` and `<!-- end of name -->`. */
export function replaceSection(name: string, text: string, path = 'docs/performance.md'): void {
  const document = readFileSync(path, 'utf8');
  const start = document.indexOf('-->', document.indexOf(`<!-- ${name}: `)) + '-->'.length;
  const end = document.indexOf(`<!-- end of ${name} -->`);
  if (end < start) throw new Error(`${path} has no section "${name}"`);
  writeFileSync(path, `${document.slice(0, start)}\n${text}\n${document.slice(end)}`);
}
