/** Tables of faults × outcomes in docs/reliability.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { BonsaiError } from '../../src/errors.js';

const page = new URL('../../docs/reliability.md', import.meta.url);

/** Each fault is tried with so many seeds. */
export const seeds = 200;

/** Compares the table behind `<!-- name -->` with `rows`; `UPDATE_GOLDEN=1` writes it. */
export function checkTable(name: string, rows: readonly (readonly (string | number)[])[]): void {
  const header = ['board', 'fault', 'done', 'error', 'host killed', 'seeds', 'longest attempt'];
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |\n`;
  const table = [line(header), `|${'---|'.repeat(header.length)}\n`, ...rows.map(line)].join('');
  const text = readFileSync(page, 'utf8');
  const begin = text.indexOf(`<!-- ${name} -->\n`);
  const end = text.indexOf('<!-- end -->', begin);
  const wanted = `${text.slice(0, begin)}<!-- ${name} -->\n${table}${text.slice(end)}`;
  if (process.env.UPDATE_GOLDEN) writeFileSync(page, wanted);
  else expect(text).to.equal(wanted);
}

/** Thrown where the host process ends. */
export class Killed extends Error {}

export type Result = 'done' | 'failed' | 'killed';

/** How an attempt ends. @throws AssertionError unless it is done, killed, or an error with a hint */
export async function resultOf(attempt: () => Promise<unknown>, what: string): Promise<Result> {
  try {
    await attempt();
    return 'done';
  } catch (error) {
    if (error instanceof Killed) return 'killed';
    if (!(error instanceof BonsaiError)) throw error;
    expect(error.exitStatus, `${what}: ${error.message}`).to.equal(5);
    expect(error.hint, `${what}: ${error.message}`).not.to.equal('');
    return 'failed';
  }
}

/** Counts results, and the longest attempt. */
export class Outcomes {
  private readonly count = { done: 0, failed: 0, killed: 0 };
  private longestMs = 0;

  add(result: Result, ms: number): void {
    this.count[result]++;
    this.longestMs = Math.max(this.longestMs, ms);
  }

  row(board: string, fault: string): readonly (string | number)[] {
    const { done, failed, killed } = this.count;
    return [board, fault, done, failed, killed, seeds, `${Math.ceil(this.longestMs / 1000)} s`];
  }
}
