/** README.md and its reference, docs/usage.md, as what they claim: tables, code, words set as code. */
import { readFileSync } from 'node:fs';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** One text: the first page, then the reference. */
export const readme = `${read('README.md')}\n${read('docs/usage.md')}`;

/** Rows of the table whose header begins with these cells, as texts of its cells. */
export function tableOf(...header: readonly string[]): readonly (readonly string[])[] {
  const lines = readme.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${header.join(' | ')} |`));
  if (start < 0) throw new Error(`README has no table ${header.join(' | ')}`);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** The words that a text sets as code. */
export const codeIn = (text: string): readonly string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

/** Blocks of code: lines that four spaces indent. */
export const codeBlocks: readonly string[] = [...readme.matchAll(/(?:^ {4}.*\n)+/gm)].map(
  ([block]) => block.replaceAll(/^ {4}/gm, ''),
);

/** The block of code that has this text. */
export function blockWith(text: string): string {
  const block = codeBlocks.find((one) => one.includes(text));
  if (block === undefined) throw new Error(`README has no code with ${text}`);
  return block;
}

/** What stands between two texts. */
export function between(start: string, end: string): string {
  const from = readme.indexOf(start);
  const to = readme.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`README has no ${from < 0 ? start : end}`);
  return readme.slice(from, to);
}

/** Long options that a text names. */
export const optionsIn = (text: string): readonly string[] => [
  ...new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? []),
];
