/** Tables: a row for each sample, its elements in row-major order, and a column of labels. */
import { readInput } from '../../files.js';
import { elementCount } from '../../ir/graph.js';
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
  const rows = await rowsOf(path);
  const [first = []] = rows;
  const size = elementCount(options.shape);
  const isNumber = (cell: string) => cell.trim() !== '' && !Number.isNaN(Number(cell));
  const values = valueColumns(first.length - size, options);
  const isLabelled = first.length === size + 1;
  const names = first.filter((cell) => !isNumber(cell)).map((cell) => cell.trim().toLowerCase());
  // One name alone may be the label of the first sample.
  const isLabel = isLabelled && names.length === 1 && !isLabelName(names[0] ?? '', options);
  const hasHeader = names.length > 0 && !isLabel;
  const header = hasHeader ? first.map((cell) => cell.trim().toLowerCase()) : null;
  if (rows.length > 0 && !isLabelled && values === 0 && first.length !== size) {
    const wanted = `${size} columns, or ${size + 1} with labels`;
    const error = misfit(path, [first.length], options);
    throw badData(path, `${error.message}: ${wanted}`, error.hint);
  }
  const columns = new Set(
    values > 1
      ? targetColumns(path, header, options, first.length, values)
      : isLabelled
        ? [labelColumn(path, header, options, size)]
        : [],
  );
  const from = hasHeader ? 1 : 0;
  const count = rows.length - from;
  checkRoom(path, count, options.shape);
  const x = new Float32Array(count * size);
  const labels: (number | string)[] = [];
  for (let row = 0; row < count; row += 1) {
    const cells = rows[row + from] as readonly string[];
    let at = row * size;
    for (let c = 0; c < cells.length; c += 1) {
      const cell = cells[c] as string;
      if (columns.has(c)) labels.push(cell.trim());
      else if (isNumber(cell)) x[at++] = Number(cell);
      else {
        const place = `row ${row + from + 1}, column ${c + 1}`;
        const message = `holds "${printableLine(cell, 40)}", which is no number`;
        throw badData(`${path}, ${place}`, message, 'remove or repair the row');
      }
    }
  }
  if (labels.length > 0 && labels.every((label) => isNumber(String(label)))) {
    const isReal = !labels.every((label) => /^-?\d+$/.test(String(label)));
    const found = describedNumbers(labels.map(Number), columns.size, isReal);
    if (wantedOf(path, found, options) === 'values') {
      return { where: path, count, x, labels: null, targets: Float32Array.from(labels, Number) };
    }
  } else if (columns.size > 1) {
    const message = `the ${columns.size} columns behind the samples hold text`;
    throw badData(path, message, 'give numbers for each output');
  }
  const integers = labels.every((label) => /^-?\d+$/.test(String(label)));
  const classes = integers ? labels.map(Number) : labels;
  return { where: path, count, x, labels: isLabelled ? classes : null };
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

async function rowsOf(path: string): Promise<readonly (readonly string[])[]> {
  const { parse } = await import('csv-parse/sync');
  const bytes = Buffer.from(readInput(path, 'table'));
  return parsed(path, 'table', 'give each row as many columns as the first', () =>
    parse(bytes, {
      bom: true,
      delimiter: [',', ';', '\t'],
      max_record_size: 2 ** 24,
      skip_empty_lines: true,
    }),
  );
}
