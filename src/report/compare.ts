/** One model on several boards: a row for each, as `bonsaic compare` prints it. */
import type { BonsaiError } from '../errors.js';
import type { CountUnit } from '../ir/op.js';
import { prose, table } from './table.js';
import { thousands } from './text.js';

/**
 * How the figures of a row are known. simulated: the firmware ran on the board's simulator. built:
 * sizes are those of the linked image, time is estimated. estimated: nothing was built.
 */
export type Basis = 'simulated' | 'built' | 'estimated';

/** What a model takes on one board. */
export interface ComparedBoard {
  readonly target: string;
  /** For people: 'Cortex-M4F'. */
  readonly core: string;
  readonly clockHz: number;
  /** Of the board, null: unlimited. */
  readonly boardFlashBytes: number | null;
  readonly boardRamBytes: number | null;
  /** null: the board does not take the model, `refused` says why. */
  readonly basis: Basis | null;
  /** Why nothing was built or nothing ran, where a simulator is known; otherwise null. */
  readonly note: string | null;
  readonly unit: CountUnit;
  /** Of one inference. */
  readonly count: number | null;
  /** count at the board's clock; an instruction counts as a cycle. */
  readonly ms: number | null;
  /** The whole image. */
  readonly flashBytes: number | null;
  /** Arena, static data and copies of weights, and the stack where it was measured. */
  readonly ramBytes: number | null;
  readonly arenaBytes: number | null;
  /** Vectors that ran, and how many of them differed; null: none ran. */
  readonly verify: { readonly vectors: number; readonly mismatches: number } | null;
  /** The budgets that these figures exceed: '--max-ms'. */
  readonly over: readonly string[];
  /** Why the board does not take the model. */
  readonly refused: Pick<BonsaiError, 'code' | 'where' | 'message' | 'hint'> | null;
}

const notMeasured = '~';

/** Fastest first, boards over a budget after those within, and those that refuse last. */
export function ranked(boards: readonly ComparedBoard[]): readonly ComparedBoard[] {
  const group = ({ basis, over }: ComparedBoard) => (basis === null ? 2 : Math.min(1, over.length));
  return [...boards].sort((a, b) => group(a) - group(b) || (a.ms ?? 0) - (b.ms ?? 0));
}

/** The table for a terminal of so many columns, and a line for each board that refuses. */
export function compareText(boards: readonly ComparedBoard[], width: number): string {
  const taken = boards.filter(({ basis }) => basis !== null);
  const header = ['target', 'core', 'MHz', 'ms', 'flash B', '%', 'RAM B', '%', 'counted'];
  const right = new Set(header.filter((title) => !/target|core|counted/.test(title)));
  const rows = taken.map((board) => {
    const mark = board.basis === 'simulated' ? '' : notMeasured;
    return [
      ...[board.target, board.core, String(Math.round(board.clockHz / 1e6))],
      `${mark}${msText(board.ms ?? 0)}`,
      `${board.basis === 'estimated' ? notMeasured : ''}${thousands(board.flashBytes ?? 0)}`,
      shareText(board.flashBytes, board.boardFlashBytes),
      `${mark}${thousands(board.ramBytes ?? 0)}`,
      shareText(board.ramBytes, board.boardRamBytes),
      board.basis === 'simulated' ? board.unit : '',
    ];
  });
  return [
    table(header, rows, { right, width }),
    ...legend(taken).map((line) => prose(line, width, 2)),
    ...taken.flatMap(({ target, over }) =>
      over.length === 0 ? [] : [prose(`${target}: over ${over.join(', ')}`, width, 2)],
    ),
    ...taken.flatMap(({ target, verify }) =>
      verify === null || verify.mismatches === 0 ? [] : [`${target}: OUTPUTS DIFFER`],
    ),
    ...boards.flatMap(({ target, refused }) =>
      refused === null ? [] : [refusedText(target, refused, width)],
    ),
  ]
    .filter((text) => text !== '')
    .join('\n');
}

/** What the table needs said, as far as it applies. */
function legend(boards: readonly ComparedBoard[]): readonly string[] {
  const shown = (board: (one: ComparedBoard) => boolean, line: string) =>
    boards.some(board) ? [line] : [];
  const simulated = ({ basis }: ComparedBoard) => basis === 'simulated';
  return [
    ...shown(simulated, '% of the board. Simulated: no figure is from a real board.'),
    ...shown(
      (board) => simulated(board) && board.unit === 'instructions',
      'ms of instructions: if each took one cycle; a chip differs.',
    ),
    ...shown(
      (board) => !simulated(board),
      `${notMeasured} estimated, and without a stack: no simulator ran it.`,
    ),
    ...new Set(boards.flatMap(({ note }) => note ?? [])),
  ];
}

function refusedText(
  target: string,
  { message, hint }: NonNullable<ComparedBoard['refused']>,
  width: number,
): string {
  const why = prose(`${target}: does not take it: ${message}`, width, 2);
  const [next = ''] = hint.split('\n').slice(-1);
  return next === '' ? why : `${why}\n${prose(`  → ${next}`, width, 4)}`;
}

/** '0.83', '12.4', '105' */
function msText(ms: number): string {
  return ms < 10 ? ms.toFixed(2) : ms.toFixed(ms < 100 ? 1 : 0);
}

/** '<1', '42' per cent; '' if the board has no limit. */
function shareText(bytes: number | null, of: number | null): string {
  if (bytes === null || of === null) return '';
  const percent = (100 * bytes) / of;
  return percent < 1 ? '<1' : String(Math.round(percent));
}
