/** Faults of the line while a board is flashed: every kind with many seeds, in virtual time. */
import { expect } from 'chai';
import type { Chip } from '../../src/boards/device/chips/chip.js';
import { BonsaiError } from '../../src/errors.js';
import { type FaultKind, faultKinds, makeFaults } from './faults.js';
import { HostKilled, Wire } from './wire.js';

/** What is flashed, and by what. */
export interface FlashedBoard {
  readonly makeChip: () => Chip;
  readonly flash: (wire: Wire) => Promise<unknown>;
  /** Whether the chip holds the image. */
  readonly holds: (chip: Chip) => boolean;
  /** The protocol's bytes for yes and no. */
  readonly answers: { readonly yes: number; readonly no: number };
  /** No attempt may take longer on the virtual clock. */
  readonly longestMs: number;
}

/** Outcomes of the attempts under a fault. After each of them the next attempt succeeded. */
export interface FaultOutcome {
  readonly kind: FaultKind;
  readonly done: number;
  /** Ended by an error with a hint. */
  readonly failed: number;
  /** The host was killed. */
  readonly killed: number;
  /** The longest attempt. */
  readonly longestMs: number;
}

export const seeds = 200;

/** @throws AssertionError that names the seed */
export async function outcomeOf(board: FlashedBoard, kind: FaultKind): Promise<FaultOutcome> {
  const clean = new Wire(board.makeChip());
  await board.flash(clean);
  const bytes = clean.bytes['to chip'] + clean.bytes['to host'];
  const count = { done: 0, failed: 0, killed: 0 };
  let longestMs = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const what = `${kind}, seed ${seed}`;
    const wire = new Wire(board.makeChip(), makeFaults(kind, seed, bytes, board.answers));
    const result = await resultOf(board, wire, what);
    count[result]++;
    longestMs = Math.max(longestMs, wire.nowMs);
    // The user plugs it in again, and has it in its boot loader.
    wire.reconnect();
    wire.chip.restart();
    const begin = wire.nowMs;
    expect(await resultOf(board, wire, what), `${what}: the next attempt`).to.equal('done');
    expect(wire.nowMs - begin, what).to.be.below(board.longestMs);
  }
  expect(longestMs, kind).to.be.below(board.longestMs);
  return { kind, ...count, longestMs };
}

async function resultOf(
  board: FlashedBoard,
  wire: Wire,
  what: string,
): Promise<'done' | 'failed' | 'killed'> {
  try {
    await board.flash(wire);
  } catch (error) {
    if (error instanceof HostKilled) return 'killed';
    if (!(error instanceof BonsaiError)) throw error;
    expect(error.exitStatus, what).to.equal(5);
    expect(error.hint, `${what}: ${error.message}`).not.to.equal('');
    return 'failed';
  }
  expect(board.holds(wire.chip), `${what}: what it holds`).to.equal(true);
  expect(wire.chip.started, `${what}: started`).not.to.equal(null);
  return 'done';
}

/** All kinds, as rows of a table in docs/reliability.md (see checkTable). */
export async function faultRows(
  name: string,
  board: FlashedBoard,
): Promise<readonly (readonly (string | number)[])[]> {
  const rows: (string | number)[][] = [];
  for (const kind of faultKinds) {
    const { done, failed, killed, longestMs } = await outcomeOf(board, kind);
    rows.push([name, kind, done, failed, killed, seeds, `${Math.ceil(longestMs / 1000)} s`]);
  }
  return rows;
}
