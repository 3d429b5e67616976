/**
 * Breaks lines of C that exceed the page. Templates do not know the lengths of the names and
 * numbers that they get: a statement that is too long continues on the next line, below its opening
 * bracket, a comment is wrapped again, and terms that a number makes void are left out.
 */
import { wrap } from './c.js';

/** Columns of a line of generated code. */
export const pageColumns = 100;

/** Formats C: comments, statements and signatures. Assembly is unchanged. */
export function format(text: string): string {
  const lines = text.split('\n');
  const formatted: string[] = [];
  for (let i = 0; i < lines.length; ) {
    const length = commentLength(lines, i) || statementLength(lines, i);
    const piece = lines.slice(i, i + length);
    i += length;
    formatted.push(...(isComment(piece[0] as string) ? comment(piece) : statement(piece)));
  }
  return formatted.join('\n');
}

const indentOf = (line: string) => line.length - line.trimStart().length;
const isComment = (line: string) => line.trimStart().startsWith('/*');

/**
 * Number of lines of the comment that begins at line i, if nothing else stands on its lines;
 * otherwise 0.
 */
function commentLength(lines: readonly string[], i: number): number {
  if (!isComment(lines[i] as string)) return 0;
  let end = i;
  while (end < lines.length && !(lines[end] as string).includes('*/')) end++;
  return lines[end]?.trimEnd().endsWith('*/') ? end + 1 - i : 0;
}

/**
 * Number of lines until the brackets that line i opens are closed, if they contain only code; of a macro,
 * until its last line.
 */
function statementLength(lines: readonly string[], i: number): number {
  if (lines[i]?.startsWith('#')) {
    return lines.slice(i).findIndex((line) => !line.endsWith('\\')) + 1 || lines.length - i;
  }
  let depth = 0;
  for (let end = i; end < lines.length; end++) {
    const line = lines[end] as string;
    if (/^#|"|\/\*/.test(line)) return 1;
    depth += (line.match(/[([{]/g)?.length ?? 0) - (line.match(/[)\]}]/g)?.length ?? 0);
    // Blocks and initializers open their brace at the end of a line.
    if (depth <= 0 || line.endsWith('{')) return end + 1 - i;
  }
  return 1;
}

function comment(lines: readonly string[]): readonly string[] {
  if (lines.every((line) => line.length <= pageColumns)) return lines;
  const indent = ' '.repeat(indentOf(lines[0] as string));
  const paragraphs: string[] = [];
  let isOpen = false;
  for (const line of lines) {
    // The end of a comment stays on the line of its last word.
    const text = line
      .replace(/^\s*(\/\*|\*(?!\/))? ?/, '')
      .replace(/ \*\/$/, '\u00a0*/')
      .trimEnd();
    // Indented lines keep their columns, and nothing joins an empty line.
    const isVerbatim = text === '' || text.startsWith(' ');
    if (isOpen && !isVerbatim) paragraphs.push(`${paragraphs.pop()} ${text}`);
    else paragraphs.push(text);
    isOpen = !isVerbatim;
  }
  const wrapped = paragraphs.map((text) =>
    text.startsWith(' ') ? `${indent} * ${text}` : wrap(text, pageColumns, `${indent} * `),
  );
  return wrapped.join('\n').replace(' * ', '/* ').replace('\u00a0', ' ').split('\n');
}

function statement(lines: readonly string[]): readonly string[] {
  const first = lines[0] as string;
  if (first.startsWith('#')) return lines;
  if (/"|\/\*/.test(first)) return assembly(first);
  const indent = ' '.repeat(indentOf(first));
  const joined = lines
    .map((line) => line.trim())
    .join(' ')
    .replaceAll(/([([]) /g, '$1');
  return fold(`${indent}${withoutVoidTerms(joined)}`);
}

/** Ends a number: neither 10 nor 0x0010 nor 1.5f. */
const end = '(?![\\w.])';
/** What is no part of a value, as text and what stands in its place; a product may follow no division. */
const voidTerms: readonly (readonly [RegExp, string])[] = [
  [new RegExp(` \\+ \\w+ \\* 0${end}`, 'g'), ''],
  [new RegExp(` \\* 1${end}`, 'g'), ''],
  [/(^|return |[-+=<>?:,([{|&] ?)1 \* (?=[\w(])/g, '$1'],
  [new RegExp(` (?:[-+]|<<|>>) 0${end}(?! [*/%])`, 'g'), ''],
];

/** Sums without 0, products without 1, and no product with 0 in a sum. */
function withoutVoidTerms(code: string): string {
  return voidTerms.reduce((text, [term, instead]) => text.replace(term, instead), code);
}

/** Instructions in a string, or operands: both continue on the next line. */
function assembly(line: string): readonly string[] {
  if (line.length <= pageColumns) return [line];
  const isInstructions = /^\s*"[^"]*"(\);)?$/.test(line);
  const separator = isInstructions ? '\\n ' : '), [';
  const at = line.lastIndexOf(separator, pageColumns - 4);
  if (at < 0) return [line];
  const indent = ' '.repeat(indentOf(line));
  const rest = line.slice(at + separator.length);
  if (isInstructions) return [`${line.slice(0, at)}\\n"`, ...assembly(`${indent}"${rest}`)];
  const deeper = line.trimStart().startsWith(': ') ? '  ' : '';
  return [`${line.slice(0, at)}),`, ...assembly(`${indent}${deeper}[${rest}`)];
}

/** A line may break after a comma, an operator or a semicolon in brackets, and before ? and :. */
const breaks = /(?:,|;|&&|\|\||[^-+*/<>=!|&^%]=|[^\s(,=?:] [-+*|])(?= )|(?= [?:] )/g;

function fold(line: string): readonly string[] {
  if (line.length <= pageColumns) return [line];
  const folded = foldBelow(line);
  if (folded.every((each) => each.length <= pageColumns)) return folded;
  // Text that does not fit below its bracket starts on a line of its own.
  const open = line.indexOf('(') + 1;
  if (open === 0) return folded;
  const indent = ' '.repeat(indentOf(line) + 4);
  return [line.slice(0, open), ...foldBelow(`${indent}${line.slice(open)}`, true)];
}

/** @param isBelow whether the line continues an earlier one */
function foldBelow(line: string, isBelow = false): readonly string[] {
  if (line.length <= pageColumns) return [line];
  // What `breaks` looks at behind a place are three characters.
  const page = line.slice(0, pageColumns + 3);
  const places = [...page.matchAll(breaks)].map(({ index, 0: text }) => index + text.length);
  const depths = depthsOf(page);
  const fitting = places.filter((at) => at <= pageColumns && at > indentOf(line) + 8);
  const late = fitting.filter((at) => at >= pageColumns / 2);
  const candidates = late.length > 0 ? late : fitting;
  const least = Math.min(...candidates.map((at) => (depths[at] as number[]).length));
  const at = candidates.filter((place) => (depths[place] as number[]).length === least).at(-1);
  if (at === undefined) return [line];
  const open = (depths[at] as number[]).at(-1);
  const indent = open === undefined ? indentOf(line) + (isBelow ? 0 : 4) : open + 1;
  const rest = `${' '.repeat(indent)}${line.slice(at).trim()}`;
  return [line.slice(0, at), ...foldBelow(rest, true)];
}

/** For each character of a line, the columns of the brackets that are open before it. */
function depthsOf(line: string): readonly (readonly number[])[] {
  let open: readonly number[] = [];
  return [...line, ' '].map((character, column) => {
    const before = open;
    if ('([{'.includes(character)) open = [...open, column];
    if (')]}'.includes(character)) open = open.slice(0, -1);
    return before;
  });
}
