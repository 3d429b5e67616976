/** Tables: a row for each sample, its elements in row-major order, and a column of labels. */
import { readInput } from '../../files.js';
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
  const rows = await rowsOf(path);
  const [first = []] = rows;
  const size = elementCount(options.shape);
  const isNumber = (cell: string) => cell.trim() !== '' && !Number.isNaN(Number(cell));
  const isLabelled = first.length === size + 1;
  const names = first.filter((cell) => !isNumber(cell)).map((cell) => cell.trim().toLowerCase());
  // One name alone may be the label of the first sample.
  const isLabel = isLabelled && names.length === 1 && !isLabelName(names[0] ?? '', options);
  const hasHeader = names.length > 0 && !isLabel;
  const header = hasHeader ? first.map((cell) => cell.trim().toLowerCase()) : null;
  if (rows.length > 0 && !isLabelled && first.length !== size) {
    const wanted = `${size} columns, or ${size + 1} with labels`;
    const error = misfit(path, [first.length], options);
    throw badData(path, `${error.message}: ${wanted}`, error.hint);
  }
  const column = isLabelled ? labelColumn(path, header, options, size) : -1;
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
      if (c === column) labels.push(cell.trim());
      else if (isNumber(cell)) x[at++] = Number(cell);
      else {
        const place = `row ${row + from + 1}, column ${c + 1}`;
        const message = `holds "${printableLine(cell, 40)}", which is no number`;
        throw badData(`${path}, ${place}`, message, 'remove or repair the row');
      }
    }
  }
  const integers = labels.every((label) => /^-?\d+$/.test(String(label)));
  const classes = integers ? labels.map(Number) : labels;
  return { where: path, count, x, labels: isLabelled ? classes : null };
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
