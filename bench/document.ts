/** Generated sections of docs/tables/ and README.md, each between two marks. */
import { readFileSync, writeFileSync } from 'node:fs';

/** Where each kind of figure stands. */
export const tables = {
  models: 'docs/tables/models.md',
  operators: 'docs/tables/operators.md',
  sparsity: 'docs/tables/sparsity.md',
  variants: 'docs/tables/variants.md',
} as const;

/** Where the text between the marks of a section begins and ends. */
function boundsOf(document: string, name: string): readonly [number, number] {
  const start = document.indexOf('-->', document.indexOf(`<!-- ${name}: `)) + '-->'.length;
  const end = document.indexOf(`<!-- end of ${name} -->`);
  if (end < start) throw new Error(`no section "${name}"`);
  return [start, end];
}

/** The text between the marks of a section. */
export const sectionOf = (document: string, name: string): string =>
  document.slice(...boundsOf(document, name)).trim();

/** The document with another text between `<!-- name: … -->` and `<!-- end of name -->`. */
export function withSection(document: string, name: string, text: string): string {
  const [start, end] = boundsOf(document, name);
  return `${document.slice(0, start)}\n${text}\n${document.slice(end)}`;
}

/** Parts of a section begin with a heading each, `### …`. */
const partsOf = (document: string, name: string): readonly string[] =>
  sectionOf(document, name)
    .split(/^(?=### )/m)
    .map((part) => part.trim());

const headingOf = (part: string) => part.split('\n')[0] ?? '';

/** Headings of a section, without their marks. */
export const headingsOf = (document: string, name: string): readonly string[] =>
  partsOf(document, name).map((part) => headingOf(part).replace('### ', ''));

/** The document with these parts of a section in place of those with the same headings. */
export function withParts(document: string, name: string, parts: readonly string[]): string {
  const present = partsOf(document, name).filter((part) => part !== '');
  const all = new Map([...present, ...parts].map((part) => [headingOf(part), part]));
  return withSection(document, name, [...all.values()].join('\n\n'));
}

/** Cells of the rows of each part's table, by the part's heading without its marks. */
export function rowsOf(
  document: string,
  name: string,
): ReadonlyMap<string, readonly (readonly string[])[]> {
  return new Map(
    partsOf(document, name).map((part) => [
      headingOf(part).replace('### ', ''),
      tableIn(part).map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
    ]),
  );
}

/** Lines of the first table of a part, below its header and the line under that. */
const tableIn = (part: string): readonly string[] =>
  part
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2);

/** What a row of a table is about: its first cell. */
const nameOf = (row: string) => row.split('|')[1]?.trim() ?? '';

/** The rows of a part with the heading, those of the same name replaced by `rows`; sorted by name. */
export function mergedRows(
  document: string,
  name: string,
  heading: string,
  rows: readonly string[],
): readonly string[] {
  const part = partsOf(document, name).find((one) => headingOf(one) === heading) ?? '';
  const all = new Map([...tableIn(part), ...rows].map((row) => [nameOf(row), row]));
  return [...all.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** Lines that differ, as they should be; all that are new where lines were added or removed. */
export function staleLines(present: string, wanted: string): readonly string[] {
  if (present === wanted) return [];
  const [old, lines] = [present.split('\n'), wanted.split('\n')];
  const known = new Set(old);
  const stale = lines.filter((line, i) =>
    lines.length === old.length ? line !== old[i] : !known.has(line),
  );
  return stale.length > 0 ? stale : ['(lines that are no longer there)'];
}

function rewrite(path: string, change: (document: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}

/** Replaces the parts of a section that begin with the same heading, `### …`, and adds the others. */
export function replaceParts(name: keyof typeof tables, parts: readonly string[]): void {
  rewrite(tables[name], (document) => withParts(document, name, parts));
}

/** Replaces the text between `<!-- name: … -->` and `<!-- end of name -->`. */
export function replaceSection(name: string, text: string, path: string): void {
  rewrite(path, (document) => withSection(document, name, text));
}
