/** One model on several boards of a kind, as `bonsaic profile` with several ports prints it. */
import type { BonsaiError } from '../errors.js';
import { milliseconds, thousands } from './text.js';
import { textTable } from './text-table.js';
import type { Report } from './types.js';

/** A board's report, or why there is none. */
export interface ProfiledBoard {
  readonly port: string;
  readonly report: Report | null;
  readonly fault: BonsaiError | null;
}

/** The fault with the highest exit status; null if there is none. */
export function worstFault(faults: readonly (BonsaiError | null)[]): BonsaiError | null {
  const worse = (worst: BonsaiError | null, fault: BonsaiError | null) =>
    fault !== null && (worst === null || fault.exitStatus > worst.exitStatus) ? fault : worst;
  return faults.reduce(worse, null);
}

/** A row per board, one for all if they shared the vectors, and the hints for those that failed. */
export function boardsText(
  boards: readonly ProfiledBoard[],
  merged: Report | null,
  width: number,
): string {
  const rows = boards.map(({ port, report, fault }) => rowOf(port, report, fault));
  if (merged !== null) rows.push(rowOf('all', merged, null));
  const unit = boards.find(({ report }) => report !== null)?.report?.latency?.unit ?? 'count';
  const header = ['board', 'vectors', unit, 'least', 'most', 'ms', 'stack', 'result'];
  const right = new Set(header.slice(1, -1));
  const hints = boards.flatMap(({ port, fault }) =>
    fault === null || fault.hint === '' ? [] : [`${port}: ${fault.hint}`],
  );
  return [textTable(header, rows, { right, width }), ...hints].join('\n');
}

function rowOf(port: string, report: Report | null, fault: BonsaiError | null): string[] {
  const { latency = null, verify = null, memory } = report ?? {};
  const counts = latency === null ? [] : [latency.count, latency.min, latency.max].map(thousands);
  const [count = '', least = '', most = ''] = counts;
  const result = fault?.message ?? (report === null ? 'had no vectors' : 'exact');
  return [
    port,
    verify === null ? '' : String(verify.vectors),
    ...[count, least, most],
    latency === null ? '' : milliseconds(latency.ms),
    memory?.stackBytes ? thousands(memory.stackBytes) : '',
    result,
  ];
}
