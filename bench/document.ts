/** Generated sections of docs/performance.md and README.md, each between two marks. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Where the text between the marks of a section begins and ends. */
function boundsOf(document: string, name: string, path: string): readonly [number, number] {
  const start = document.indexOf('-->', document.indexOf(`<!-- ${name}: `)) + '-->'.length;
  const end = document.indexOf(`<!-- end of ${name} -->`);
  if (end < start) throw new Error(`${path} has no section "${name}"`);
  return [start, end];
}

/** Replaces the parts of a section that begin with the same heading, `### …`, and adds the others. */
export function replaceParts(name: string, parts: readonly string[]): void {
  const path = 'docs/performance.md';
  const document = readFileSync(path, 'utf8');
  const headingOf = (part: string) => part.split('\n')[0] ?? '';
  const present = document
    .slice(...boundsOf(document, name, path))
    .split(/^(?=### )/m)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const all = new Map([...present, ...parts].map((part) => [headingOf(part), part]));
  replaceSection(name, [...all.values()].join('\n\n'), path);
}

/** Replaces the text between `<!-- name: … -->` and `<!-- end of name -->`. */
export function replaceSection(name: string, text: string, path = 'docs/performance.md'): void {
  const document = readFileSync(path, 'utf8');
  const [start, end] = boundsOf(document, name, path);
  writeFileSync(path, `${document.slice(0, start)}\n${text}\n${document.slice(end)}`);
}
