/** Which operators of a model bonsaic supports, and the way round for the others: one table. */
import type { BonsaiError } from '../errors.js';
import { textTable } from './text-table.js';

/** An operator of a model's file, and why it is refused. */
export interface JudgedOperator {
  /** Its name in the file's format. */
  readonly name: string;
  readonly types: string;
  readonly refusal: BonsaiError | null;
}

/** Operators of the same kind, types and outcome. */
export interface SupportRow {
  readonly operator: string;
  readonly types: string;
  readonly count: number;
  readonly supported: boolean;
  /** The first of those that are refused: where, why, and what to do. null: supported. */
  readonly where: string | null;
  readonly reason: string | null;
  readonly hint: string | null;
}

/** One row for operators of the same name, types and outcome, in the order of the file. */
export function supportRows(operators: readonly JudgedOperator[]): readonly SupportRow[] {
  const rows = new Map<string, SupportRow>();
  for (const { name: operator, types, refusal } of operators) {
    const key = JSON.stringify([operator, types, refusal?.code, refusal?.hint]);
    const { where = null, message: reason = null, hint = null } = refusal ?? {};
    const first = { operator, types, count: 0, supported: refusal === null, where, reason, hint };
    const row = rows.get(key) ?? first;
    rows.set(key, { ...row, count: row.count + 1 });
  }
  return [...rows.values()];
}

/** Names of tensors are as long as the file's maker likes. */
const longName = /"[^"]{24,}"/g;

/**
 * One table: a refused row has the reason, and what to do unless a row above says the same.
 *
 * @param width columns of the terminal
 */
export function supportText(rows: readonly SupportRow[], width: number): string {
  const told = new Set<string>();
  const outcome = ({ reason, hint }: SupportRow) => {
    if (reason === null) return 'yes';
    const what = `no: ${reason.replace(longName, (name) => `${name.slice(0, 22)}…"`)}`;
    if (hint === null || hint === '') return what;
    const next = told.has(hint) ? 'as above' : hint;
    told.add(hint);
    return `${what} → ${next}`;
  };
  const cells = rows.map((row) => [row.operator, row.types, String(row.count), outcome(row)]);
  const header = ['operator', 'types', 'count', 'supported'];
  return textTable(header, cells, { right: new Set(['count']), width });
}
