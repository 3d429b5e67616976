/** Figures of docs/tables/models.md that follow from its tables of models. */
import { rowsOf } from './document.js';

/** Columns of the tables of models (models.ts, `header`). */
const columns = { model: 0, speed: 2, balanced: 3, size: 4, tflm: 5, estimates: [7, 8], flash: 13 };

export interface DocumentedModel {
  /** Millions of cycles or instructions, as they are written, for each goal. */
  readonly speed: string;
  readonly balanced: string;
  /** TFLM's, or ''. */
  readonly tflm: string;
  /** Millions of modelled cycles with `speed` and `balanced`, or ''. */
  readonly estimates: readonly string[];
  /** With `balanced`. */
  readonly flashBytes: string;
}

/** What the tables of models say, by target and model. */
export function documentedModels(
  document: string,
): ReadonlyMap<string, ReadonlyMap<string, DocumentedModel>> {
  const parts = rowsOf(document, 'models');
  return new Map(
    [...parts].map(([heading, rows]) => [
      heading.split(' ')[0] ?? '',
      new Map(rows.map((cells) => [cells[columns.model] ?? '', modelOf(cells)])),
    ]),
  );
}

const modelOf = (cells: readonly string[]): DocumentedModel => ({
  speed: cells[columns.speed] ?? '',
  balanced: cells[columns.balanced] ?? '',
  tflm: cells[columns.tflm] ?? '',
  estimates: columns.estimates.map((column) => cells[column] ?? ''),
  flashBytes: cells[columns.flash] ?? '',
});

/** The boards of the table of modelled cycles, in the order of its columns. */
const modelledBoards = ['stm32f405', 'mps2-an505', 'mps2-an500'];

/** The document whose table of modelled cycles beside others' measurements has the figures of the tables of models. */
export function withModelledCycles(document: string): string {
  const models = documentedModels(document);
  const start = document.indexOf('| model | M4 (stm32f405) |');
  const end = document.indexOf('\n\n', start);
  const lines = document.slice(start, end).split('\n');
  const updated = lines.map((line, i) => {
    if (i < 2) return line;
    const cells = line.split('|').map((cell) => cell.trim());
    for (const [j, board] of modelledBoards.entries()) {
      const { estimates = [] } = models.get(board)?.get(cells[1] ?? '') ?? {};
      const [least] = [...estimates].sort((a, b) => Number(a) - Number(b));
      cells[2 + 2 * j] = least ?? '';
    }
    return cells.join(' | ').trim();
  });
  return `${document.slice(0, start)}${updated.join('\n')}${document.slice(end)}`;
}
