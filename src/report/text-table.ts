/**
 * Text tables that fit the terminal: long cells wrap, and nothing is cut off. This file has what no
 * library of tables does: it fits columns to the terminal, splits a table that is too wide into
 * blocks of columns, and breaks names of layers and kernels at their slashes and underscores.
 */
import stringWidth from 'string-width';

export interface TableOptions {
  /** Titles of columns of numbers, which are right-aligned and never wrap. */
  readonly right?: ReadonlySet<string>;
  /** Columns of the terminal; without it the cells decide. */
  readonly width?: number;
}

interface Column {
  readonly title: string;
  readonly cells: readonly string[];
  readonly isNumber: boolean;
  /** Width without wrapping, and the least width with wrapping, in terminal columns. */
  readonly widest: number;
  readonly least: number;
}

/** Spaces between columns. */
const gap = 2;
/** A column of text keeps at least this width; otherwise the table is split. */
const textWidth = 20;
/** Room for one wide character. */
const leastTextWidth = 2;

/**
 * A table without its empty columns; '' when it has no rows. If the terminal is too narrow for all
 * columns, the remaining columns follow below, with the first column repeated.
 */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { right = new Set(), width = Infinity }: TableOptions = {},
): string {
  const columns = header
    .map((title, i) => columnOf(title, rows, i, right.has(title)))
    .filter(({ cells }) => cells.some((cell) => cell !== ''));
  const blocks = blocksOf(columns, width);
  return blocks.map((block) => blockText(block, width)).join('\n\n');
}

function columnOf(
  title: string,
  rows: readonly (readonly string[])[],
  index: number,
  isNumber: boolean,
): Column {
  // A line break would end the row.
  const cells = rows.map((row) => (row[index] ?? '').replace(/\s+/g, ' ').normalize());
  const cellWidth = cells.reduce((most, cell) => Math.max(most, stringWidth(cell)), 0);
  const widest = Math.max(cellWidth, stringWidth(title));
  const titleWord = Math.max(...title.split(/(?<=[/ ])/).map((word) => stringWidth(word.trim())));
  const least = isNumber ? Math.max(cellWidth, titleWord) : Math.min(widest, textWidth);
  return { title, cells, isNumber, widest, least };
}

/** Blocks of columns that fit side by side; each begins with the first column. */
function blocksOf(columns: readonly Column[], width: number): readonly (readonly Column[])[] {
  const [key, ...rest] = columns;
  if (key === undefined) return [];
  const blocks: Column[][] = [[key]];
  for (const column of rest) {
    const block = blocks.at(-1) as Column[];
    if (block.length > 1 && widthOf([...block, column]) > width) blocks.push([key, column]);
    else block.push(column);
  }
  return blocks;
}

function widthOf(columns: readonly Column[]): number {
  const cells = columns.reduce((sum, { least }) => sum + least, 0);
  return cells + gap * (columns.length - 1);
}

function blockText(block: readonly Column[], width: number): string {
  const widths = widthsOf(block, width);
  const draw = (cells: readonly string[]) => rowText(block, widths, cells);
  const rows = block[0]?.cells.map((_, row) => draw(block.map(({ cells }) => cells[row] ?? '')));
  const titles = draw(block.map(({ title }) => title));
  const rule = draw(widths.map((columns) => '─'.repeat(columns)));
  return [titles, rule, ...(rows ?? [])].join('\n');
}

/** A row, as high as its highest cell. Its lines have no spaces at their end. */
function rowText(
  block: readonly Column[],
  widths: readonly number[],
  cells: readonly string[],
): string {
  const wrapped = cells.map((cell, i) => wrap(cell, widths[i] as number));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  const lines = Array.from({ length: height }, (_, y) => {
    const texts = block.map(({ isNumber }, i) => {
      const text = wrapped[i]?.[y] ?? '';
      const spare = ' '.repeat(Math.max(0, (widths[i] as number) - stringWidth(text)));
      return isNumber ? spare + text : text + spare;
    });
    return texts.join(' '.repeat(gap)).trimEnd();
  });
  return lines.join('\n');
}

/** The least widths, with the spare width given to the columns that lack most. */
function widthsOf(block: readonly Column[], width: number): readonly number[] {
  const widths = block.map(({ least }) => least);
  for (let spare = width - widthOf(block); spare > 0; spare--) {
    const lacks = block.map(({ widest }, i) => widest - (widths[i] as number));
    const most = Math.max(...lacks);
    if (most <= 0) break;
    widths[lacks.indexOf(most)] = (widths[lacks.indexOf(most)] as number) + 1;
  }
  // On a very narrow terminal the columns of text share what the numbers leave.
  for (let over = widthOf(block) - width; over > 0; over--) {
    const texts = block.map(({ isNumber }, i) => (isNumber ? 0 : (widths[i] as number)));
    const most = Math.max(...texts);
    if (most <= leastTextWidth) break;
    widths[texts.indexOf(most)] = most - 1;
  }
  return widths;
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** Lines of names may break after these characters, lines of prose at spaces. */
const nameBreaks = /^[\s/_+,;:-]$/;
const wordBreaks = /^\s$/;

/** A space between two digits groups the digits of one number. */
const isGroup = (before = '', character: string, after: string) =>
  character === ' ' && /^\d$/.test(before) && /^\d$/.test(after);

/**
 * Lines of at most `width` terminal columns, broken after a character that matches `breaks`, or
 * else between any two characters.
 */
export function wrap(text: string, width: number, breaks = nameBreaks): readonly string[] {
  if (stringWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line: string[] = [];
  for (const { segment } of segmenter.segment(text)) {
    while (line.length > 0 && stringWidth(line.join('') + segment.trimEnd()) > width) {
      const mayBreak = (character: string, i: number) =>
        breaks.test(character) && !isGroup(line[i - 1], character, line[i + 1] ?? segment);
      const end = line.findLastIndex(mayBreak) + 1 || line.length;
      lines.push(line.slice(0, end).join('').trimEnd());
      line = line.slice(end);
    }
    if (line.length > 0 || lines.length === 0 || segment !== ' ') line.push(segment);
  }
  return [...lines, line.join('').trimEnd()];
}

/** A sentence wrapped to `width`, with all lines but the first indented. */
export function prose(text: string, width: number, indent: number): string {
  const [first = '', ...rest] = wrap(text, width, wordBreaks);
  if (rest.length === 0) return first;
  const below = text.slice(first.length).trimStart();
  const lines = wrap(below, Math.max(1, width - indent), wordBreaks);
  return [first, ...lines.map((line) => ' '.repeat(indent) + line)].join('\n');
}

/** The end of a long name, in `width` terminal columns including the leading '…'. */
export function shorten(name: string, width: number): string {
  if (stringWidth(name) <= width) return name;
  const characters = [...segmenter.segment(name)].map(({ segment }) => segment);
  while (stringWidth(characters.join('')) > width - 1) characters.shift();
  return `…${characters.join('')}`;
}
