/** One model on several boards: a row for each, as `bonsaic compare` prints it. */

import type { Target } from '../boards/target/index.js';
import type { CountUnit } from '../compiler/ir/op.js';
import { estimatedCount, type Plan } from '../compiler/plan/types.js';
import { BonsaiError } from '../errors.js';
import { type Budgets, ramWithoutStack } from './budgets.js';
import { milliseconds, thousands } from './text.js';
import { prose, textTable } from './text-table.js';
import type { Report } from './types.js';

/**
 * How the figures of a row are known. simulated: the firmware ran on the board's simulator. built:
 * sizes are those of the linked image, time is estimated. estimated: nothing was built.
 */
export type Basis = 'simulated' | 'built' | 'estimated';

/** What a model takes on one board. */
export interface ComparedBoard {
  readonly target: string;
  /** For display: 'Cortex-M4F'. */
  readonly core: string;
  readonly clockHz: number;
  /** The board's; null: unlimited. */
  readonly boardFlashBytes: number | null;
  readonly boardRamBytes: number | null;
  /** null if the board refuses the model; `refused` has the reason. */
  readonly basis: Basis | null;
  /** Why nothing was built or run although a simulator is known; otherwise null. */
  readonly note: string | null;
  /** Of the count: what the simulator counts, or what an estimate is in. */
  readonly unit: CountUnit;
  /** Count of one inference. */
  readonly count: number | null;
  /** count at the board's clock; an instruction counts as a cycle. */
  readonly ms: number | null;
  /** The whole image; before a build the most that it is. */
  readonly flashBytes: number | null;
  /** As `run` measures it; before a run the most that it is. */
  readonly ramBytes: number | null;
  readonly arenaBytes: number | null;
  /** Vectors that ran, and how many differed; null if none ran. */
  readonly verify: { readonly vectors: number; readonly mismatches: number } | null;
  /** The budgets that these figures exceed: '--max-ms'. */
  readonly over: readonly string[];
  /** Why the board refuses the model. */
  readonly refused: Pick<BonsaiError, 'code' | 'where' | 'message' | 'hint'> | null;
}

/** A board that takes the model, or would if it had more memory. */
export type TakenBoard = ComparedBoard & {
  readonly basis: Basis;
  readonly ms: number;
  readonly flashBytes: number;
  readonly ramBytes: number;
};

/** Fields that are the same in every row of a board. */
function boardFields({ name, coreName, clockHz, flashBytes, ramBytes, costUnit }: Target) {
  return {
    ...{ target: name, core: coreName, clockHz, unit: costUnit },
    ...{ boardFlashBytes: flashBytes, boardRamBytes: ramBytes },
  };
}

/** The row of a board that refuses the model. */
export function refusingBoard(
  target: Target,
  { code, where, message, hint }: BonsaiError,
): ComparedBoard {
  return {
    ...boardFields(target),
    ...{ basis: null, note: null, count: null, ms: null, over: [], verify: null },
    ...{ flashBytes: null, ramBytes: null, arenaBytes: null },
    refused: { code, where, message, hint },
  };
}

/**
 * The row of a board that takes the model.
 *
 * @param report as far as the model was built and run
 * @param note   why it got no further
 */
export function comparedBoard(
  target: Target,
  plan: Plan,
  { memory, latency, verify, toolchain }: Report,
  note: string | null,
  budgets: Budgets,
): TakenBoard {
  const basis = latency !== null ? 'simulated' : toolchain === null ? 'estimated' : 'built';
  const count = latency?.count ?? estimatedCount(plan);
  const figures = {
    ...{ count, ms: latency?.ms ?? (1000 * count) / target.clockHz },
    flashBytes: memory.flashMostBytes,
    ramBytes: memory.ramMostBytes ?? ramWithoutStack(memory),
  };
  return {
    ...boardFields(target),
    // A simulator of instructions counts those, whatever the costs are measured in.
    unit: latency?.unit ?? target.costUnit,
    ...{ basis, note, ...figures, arenaBytes: memory.arenaBytes, refused: null },
    over: exceeded(figures, budgets),
    verify: verify && { vectors: verify.vectors, mismatches: verify.mismatches },
  };
}

interface Figures {
  readonly ms: number;
  readonly flashBytes: number;
  readonly ramBytes: number;
}

/** The flags of the budgets that a board's figures exceed. */
function exceeded(
  { ms, flashBytes, ramBytes }: Figures,
  { maxMs = Infinity, maxFlash = Infinity, maxRam = Infinity }: Budgets,
): readonly string[] {
  return [
    ...(ms > maxMs ? ['--max-ms'] : []),
    ...(flashBytes > maxFlash ? ['--max-flash'] : []),
    ...(ramBytes > maxRam ? ['--max-ram'] : []),
  ];
}

/** Whether an error means that this board refuses the model. Other errors end the command. */
export function isRefusal({ code, exitStatus }: BonsaiError): boolean {
  return code !== 'bad-vectors' && (exitStatus === 2 || exitStatus === 3);
}

/**
 * The fault that sets the exit status: outputs that differ, or no usable board.
 *
 * @param boards in the order in which they were tried
 * @returns 'outputs-differ'; the first refusal, if every board refuses; 'over-budget'; otherwise
 *   null
 */
export function boardsFault(path: string, boards: readonly ComparedBoard[]): BonsaiError | null {
  const wrong = boards.find(({ verify }) => verify !== null && verify.mismatches > 0);
  if (wrong !== undefined) {
    const hint = `bonsaic run --target ${wrong.target} --port sim shows the layer`;
    return new BonsaiError('outputs-differ', path, `outputs differ on ${wrong.target}`, hint);
  }
  const taken = boards.filter(({ basis }) => basis !== null);
  const [first] = boards;
  if (taken.length === 0 && first !== undefined && first.refused !== null) {
    const { code, where, message, hint } = first.refused;
    return new BonsaiError(code, where, message, hint);
  }
  if (taken.every(({ over }) => over.length > 0)) {
    const hint = 'prune more, use a smaller model, or name other boards by --targets';
    return new BonsaiError('over-budget', path, 'no board keeps the budgets', hint);
  }
  return null;
}

const notMeasured = '~';

/** Fastest first, then boards over a budget, then boards that refuse. */
export function ranked(boards: readonly ComparedBoard[]): readonly ComparedBoard[] {
  const group = ({ basis, over }: ComparedBoard) => (basis === null ? 2 : Math.min(1, over.length));
  return [...boards].sort((a, b) => group(a) - group(b) || (a.ms ?? 0) - (b.ms ?? 0));
}

/** The table for a terminal of `width` columns, and a line for each board that refuses. */
export function compareText(boards: readonly ComparedBoard[], width: number): string {
  const taken = boards.filter(({ basis }) => basis !== null);
  const header = ['target', 'core', 'MHz', 'ms', 'flash B', '%', 'RAM B', '%', 'counted'];
  const right = new Set(header.filter((title) => !/target|core|counted/.test(title)));
  const rows = taken.map((board) => {
    const mark = board.basis === 'simulated' ? '' : notMeasured;
    return [
      ...[board.target, board.core, String(Math.round(board.clockHz / 1e6))],
      `${mark}${milliseconds(board.ms ?? 0)}`,
      `${board.basis === 'estimated' ? notMeasured : ''}${thousands(board.flashBytes ?? 0)}`,
      shareText(board.flashBytes, board.boardFlashBytes),
      `${mark}${thousands(board.ramBytes ?? 0)}`,
      shareText(board.ramBytes, board.boardRamBytes),
      `${mark}${board.unit}`,
    ];
  });
  return [
    textTable(header, rows, { right, width }),
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

/** Notes on the table, as far as they apply. */
function legend(boards: readonly ComparedBoard[]): readonly string[] {
  const shown = (board: (one: ComparedBoard) => boolean, line: string) =>
    boards.some(board) ? [line] : [];
  const simulated = ({ basis }: ComparedBoard) => basis === 'simulated';
  return [
    ...shown(simulated, '% of the board. Simulated: no figure is from a real board.'),
    ...shown(
      (board) => board.unit === 'instructions',
      'ms of instructions: if each took one cycle; a chip differs.',
    ),
    ...shown(
      (board) => !simulated(board),
      `${notMeasured} estimated, bytes at most: no simulator ran it.`,
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

/** '<1', '42' per cent; '' if the board has no limit. */
function shareText(bytes: number | null, of: number | null): string {
  if (bytes === null || of === null) return '';
  const percent = (100 * bytes) / of;
  return percent < 1 ? '<1' : String(Math.round(percent));
}
