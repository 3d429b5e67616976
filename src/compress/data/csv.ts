/** Tables: a row for each sample, its elements in row-major order, and a column of labels. */

import { pipeline } from 'node:stream';
import { elementCount } from '../../compiler/ir/graph.js';
import type { BonsaiError } from '../../errors.js';
import { readPieces } from '../../files.js';
import { optional } from '../../optional.js';
import { printableLine } from '../../printable.js';
import { badData } from './dataset.js';
import { elementsOfAll } from './ports.js';
import { checkRoom, type LoadOptions, misfit, parsed, type Samples } from './samples.js';
import { describedNumbers, wantedOf } from './wanted.js';

const labelNames = ['label', 'class', 'target', 'y'];

/**
 * The first row is a header where the others are numbers and it is not. One column more than the
 * sample has elements holds labels: `options.label`, else 'label', 'class', 'target' or 'y', else the
 * last. As many more as the outputs have elements hold what these shall be: the columns that
 * `options.label` names, else the last. Elements of several inputs or outputs stand side by side.
 */
export async function readCsv(path: string, options: LoadOptions): Promise<Samples> {
  const size = elementCount(options.shape);
  let table: Table | null = null;
  for await (const cells of recordsOf(path, size, options)) {
    if (table === null) table = new Table(path, cells, options);
    else table.add(cells);
  }
  return table?.samples() ?? { where: path, count: 0, x: new Float32Array(0), labels: null };
}

const isNumber = (cell: string) => cell.trim() !== '' && !Number.isNaN(Number(cell));

/** Rows as they come: the elements of samples, and what the columns beside them hold. */
class Table {
  private readonly size: number;
  /** Of labels, or of numbers for the outputs. */
  private readonly columns: ReadonlySet<number>;
  private readonly isLabelled: boolean;
  private readonly hasHeader: boolean;
  private readonly labels: string[] = [];
  private x = new Float32Array(0);
  private count = 0;

  constructor(
    private readonly path: string,
    first: readonly string[],
    private readonly options: LoadOptions,
  ) {
    this.size = elementCount(options.shape);
    const values = valueColumns(first.length - this.size, options);
    this.isLabelled = first.length === this.size + 1;
    if (!this.isLabelled && values === 0 && first.length !== this.size) {
      throw wrongColumns(path, first.length, options);
    }
    const names = first.filter((cell) => !isNumber(cell)).map((cell) => cell.trim().toLowerCase());
    // One name alone may be the label of the first sample.
    const isLabel = this.isLabelled && names.length === 1 && !isLabelName(names[0] ?? '', options);
    this.hasHeader = names.length > 0 && !isLabel;
    const header = this.hasHeader ? first.map((cell) => cell.trim().toLowerCase()) : null;
    this.columns = new Set(
      values > 1
        ? targetColumns(path, header, options, first.length, values)
        : this.isLabelled
          ? [labelColumn(path, header, options, this.size)]
          : [],
    );
    if (!this.hasHeader) this.add(first);
  }

  add(cells: readonly string[]): void {
    const { path, size, count } = this;
    checkRoom(path, count + 1, this.options.shape);
    if ((count + 1) * size > this.x.length) this.grow();
    let at = count * size;
    for (let c = 0; c < cells.length; c += 1) {
      const cell = cells[c] as string;
      if (this.columns.has(c)) this.labels.push(cell.trim());
      else if (isNumber(cell)) this.x[at++] = Number(cell);
      else {
        const place = `row ${count + (this.hasHeader ? 2 : 1)}, column ${c + 1}`;
        const message = `holds "${printableLine(cell, 40)}", which is no number`;
        throw badData(`${path}, ${place}`, message, 'remove or repair the row');
      }
    }
    this.count += 1;
  }

  /** Room for twice as many rows. */
  private grow(): void {
    const larger = new Float32Array(this.size * Math.max(64, 2 * this.count));
    larger.set(this.x);
    this.x = larger;
  }

  samples(): Samples {
    const { labels, count, path: where, columns, options } = this;
    const x = this.x.slice(0, count * this.size);
    const areIntegers = labels.every((label) => /^-?\d+$/.test(label));
    if (labels.length > 0 && labels.every(isNumber)) {
      const found = describedNumbers(labels.map(Number), columns.size, !areIntegers);
      if (wantedOf(where, found, options) === 'values') {
        return { where, count, x, labels: null, targets: Float32Array.from(labels, Number) };
      }
    } else if (columns.size > 1) {
      const message = `the ${columns.size} columns behind the samples hold text`;
      throw badData(where, message, 'give numbers for each output');
    }
    const classes = areIntegers ? labels.map(Number) : labels;
    return { where, count, x, labels: this.isLabelled ? classes : null };
  }
}

function wrongColumns(path: string, columns: number | string, options: LoadOptions): BonsaiError {
  const size = elementCount(options.shape);
  const wanted = `${size} columns, or ${size + 1} with labels`;
  const error = misfit(path, [], options);
  const message = error.message.replace('[]', `[${columns}]`);
  return badData(path, `${message}: ${wanted}`, error.hint);
}

/** How many of the columns beside a sample's elements hold values of the outputs; 0: none do. */
function valueColumns(more: number, { ports }: LoadOptions): number {
  return ports !== undefined && more > 0 && more === elementsOfAll(ports.outputs) ? more : 0;
}

/** The columns that `label` names, else the last. */
function targetColumns(
  path: string,
  header: readonly string[] | null,
  options: LoadOptions,
  width: number,
  count: number,
): readonly number[] {
  const { label } = options;
  if (label === undefined) return Array.from({ length: count }, (_, i) => width - count + i);
  const names = label.split(',').map((name) => name.trim());
  const found = names.map((name) =>
    labelColumn(path, header, { ...options, label: name }, width - 1),
  );
  if (new Set(found).size === count) return found;
  const message = `--label names ${new Set(found).size} columns; the model gives ${count} numbers`;
  throw badData(path, message, 'name a column for each, or leave it out: the last are taken');
}

function isLabelName(name: string, { label }: LoadOptions): boolean {
  return label === undefined ? labelNames.includes(name) : name === label.toLowerCase();
}

/** @param last index of the last column */
function labelColumn(
  path: string,
  header: readonly string[] | null,
  options: LoadOptions,
  last: number,
): number {
  const { label } = options;
  const named = header?.findIndex((name) => isLabelName(name, options)) ?? -1;
  if (named >= 0) return named;
  if (label === undefined) return last;
  const index = Number(label);
  if (/^\d+$/.test(label) && index <= last) return index;
  const hint = 'give a name of the first row, or an index from 0';
  throw badData(path, `has no column "${printableLine(label)}"`, hint);
}

/** What a cell may take, with its delimiter: a number as any program prints it. */
const cellBytes = 64;
/** What a label may take besides. */
const labelBytes = 2 ** 16;

/** Records of the file, read piece by piece. */
async function* recordsOf(
  path: string,
  size: number,
  options: LoadOptions,
): AsyncGenerator<readonly string[]> {
  const { parse } = await optional(['csv-parse'], () => import('csv-parse'));
  const records = parse({ bom: true, delimiter: [',', ';', '\t'], skip_empty_lines: true });
  // Whoever reads the records hears of an error. `compose` would emit one more, which nothing hears, where the
  // reader leaves before the end.
  pipeline(boundedPieces(path, size, options), records, () => {});
  try {
    yield* records as AsyncIterable<readonly string[]>;
  } catch (error) {
    parsed(path, 'table', 'give each row as many columns as the first', () => {
      throw error;
    });
  }
}

/**
 * The pieces of a file none of whose records is longer, or has more cells, than one of the model's
 * samples: else a line without an end would be held in memory.
 */
function* boundedPieces(path: string, size: number, options: LoadOptions): Generator<Uint8Array> {
  // Numbers for the outputs, or one label.
  const mostCells = size + Math.max(1, elementsOfAll(options.ports?.outputs ?? []));
  const most = mostCells * cellBytes + labelBytes;
  let [cells, length, isQuoted] = [1, 0, false];
  for (const piece of readPieces(path, 'table')) {
    for (const byte of piece) {
      length += 1;
      if (byte === quote) isQuoted = !isQuoted;
      else if (!isQuoted && (byte === newline || byte === carriageReturn)) [cells, length] = [1, 0];
      else if (!isQuoted && (byte === comma || byte === semicolon || byte === tab)) cells += 1;
      if (cells > mostCells) throw wrongColumns(path, `${mostCells + 1} or more`, options);
      if (length > most) {
        const message = `has a row of more than ${most} bytes; ${size} numbers and a label take less`;
        throw badData(path, message, 'end each row with a line break, and close each quote');
      }
    }
    yield piece;
  }
}

const [quote, comma, semicolon, tab] = [0x22, 0x2c, 0x3b, 0x09];
const [newline, carriageReturn] = [0x0a, 0x0d];
