/** Tables: a row for each sample, its elements in row-major order, and a column of labels. */
import { Readable } from 'node:stream';
import type { BonsaiError } from '../../errors.js';
import { readPieces } from '../../files.js';
import { elementCount } from '../../ir/graph.js';
import { printableLine } from '../../printable.js';
import { badData } from './dataset.js';
import { checkRoom, type LoadOptions, misfit, parsed, type Samples } from './samples.js';

const labelNames = ['label', 'class', 'target', 'y'];

/**
 * The first row is a header where the others are numbers and it is not. One column more than the
 * sample has elements holds labels: `options.label`, else 'label', 'class', 'target' or 'y', else the
 * last.
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

/** Rows as they come: numbers, and labels. */
class Table {
  private readonly size: number;
  private readonly column: number;
  private readonly hasHeader: boolean;
  private readonly labels: (number | string)[] = [];
  private x = new Float32Array(0);
  private count = 0;

  constructor(
    private readonly path: string,
    first: readonly string[],
    private readonly options: LoadOptions,
  ) {
    this.size = elementCount(options.shape);
    const isLabelled = first.length === this.size + 1;
    if (!isLabelled && first.length !== this.size) throw wrongColumns(path, first.length, options);
    const names = first.filter((cell) => !isNumber(cell)).map((cell) => cell.trim().toLowerCase());
    // One name alone may be the label of the first sample.
    const isLabel = isLabelled && names.length === 1 && !isLabelName(names[0] ?? '', options);
    this.hasHeader = names.length > 0 && !isLabel;
    const header = this.hasHeader ? first.map((cell) => cell.trim().toLowerCase()) : null;
    this.column = isLabelled ? labelColumn(path, header, options, this.size) : -1;
    if (!this.hasHeader) this.add(first);
  }

  add(cells: readonly string[]): void {
    const { path, size, count } = this;
    checkRoom(path, count + 1, this.options.shape);
    if ((count + 1) * size > this.x.length) this.grow();
    let at = count * size;
    for (let c = 0; c < cells.length; c += 1) {
      const cell = cells[c] as string;
      if (c === this.column) this.labels.push(cell.trim());
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
    const { labels, count, path: where } = this;
    const integers = labels.every((label) => /^-?\d+$/.test(String(label)));
    const classes = integers ? labels.map(Number) : labels;
    const x = this.x.slice(0, count * this.size);
    return { where, count, x, labels: this.column >= 0 ? classes : null };
  }
}

function wrongColumns(path: string, columns: number | string, options: LoadOptions): BonsaiError {
  const size = elementCount(options.shape);
  const wanted = `${size} columns, or ${size + 1} with labels`;
  const error = misfit(path, [], options);
  const message = error.message.replace('[]', `[${columns}]`);
  return badData(path, `${message}: ${wanted}`, error.hint);
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
  const { parse } = await import('csv-parse');
  const records = Readable.from(boundedPieces(path, size, options)).compose(
    parse({ bom: true, delimiter: [',', ';', '\t'], skip_empty_lines: true }),
  ) as AsyncIterable<readonly string[]>;
  try {
    yield* records;
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
  const most = (size + 1) * cellBytes + labelBytes;
  let [cells, length, isQuoted] = [1, 0, false];
  for (const piece of readPieces(path, 'table')) {
    for (const byte of piece) {
      length += 1;
      if (byte === quote) isQuoted = !isQuoted;
      else if (!isQuoted && (byte === newline || byte === carriageReturn)) [cells, length] = [1, 0];
      else if (!isQuoted && (byte === comma || byte === semicolon || byte === tab)) cells += 1;
      if (cells > size + 1) throw wrongColumns(path, `${size + 2} or more`, options);
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
