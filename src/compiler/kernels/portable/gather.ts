/** Movements whose rows or columns come from anywhere: tables of places, one copy per place. */
import type { Loop, Move } from '../../ops/shape/movement.js';
import type { KernelCall, Table } from '../variant.js';
import { coalesce } from './loops.js';

/** Fewer bytes are faster to copy one by one than by memcpy. */
const narrowRun = 5;

/**
 * portable/gather: for each row and column a run of neighbours.
 *
 * @param move in bytes
 */
export function gatherCall(move: Move): KernelCall {
  const { rows, columns, run } = placesOf(coalesce(move.loops));
  const listed = rows.places !== undefined;
  const [byRow, byColumn] = [inSteps(placesIn(rows)), inSteps(columns)];
  const first = move.inOffset + byRow.least + byColumn.least;
  return {
    inputs: [move.input],
    outputs: [move.output],
    bytes: true,
    flags: {
      single: run === 1,
      narrow: run > 1 && run < narrowRun,
      listed,
      offset: first > 0,
      wide_rows: listed && byRow.isWide,
      wide_columns: byColumn.isWide,
    },
    words: {
      ...{ row_type: ctype(byRow.isWide), column_type: ctype(byColumn.isWide) },
      ...{ names: listed ? '`rows` and `columns`' : '`columns`', row: listed ? 'rows[r]' : 'r' },
    },
    numbers: {
      row_count: rows.extent,
      row_step: listed ? byRow.step : rows.inStride,
      column_count: columns.length,
      column_step: byColumn.step,
      ...(run === 1 ? {} : { run }),
      ...(first === 0 ? {} : { first }),
    },
    tables: { ...(listed ? { rows: byRow.table } : {}), columns: byColumn.table },
  };
}

const ctype = (isWide: boolean) => (isWide ? 'int32_t' : 'uint16_t');

interface Places {
  /** Each begins where this loop reads. */
  readonly rows: Loop;
  /** Where the columns of a row begin in it, in elements. */
  readonly columns: readonly number[];
  /** Neighbouring elements at each place. */
  readonly run: number;
}

const once: Loop = { extent: 1, inStride: 0, outStride: 0 };

/** @param loops coalesced; the output is written in order */
function placesOf(loops: readonly Loop[]): Places {
  const innermost = loops.at(-1) ?? once;
  const hasRun = innermost.places === undefined && innermost.inStride === 1;
  const around = hasRun ? loops.slice(0, -1) : loops;
  const outer = around.slice(0, -1);
  const [rows = once] = outer;
  return {
    // Rows that go forward by one step need no table; a pointer before the tensor is not allowed.
    rows: outer.length <= 1 && rows.inStride >= 0 ? rows : listOf(outer),
    columns: placesIn(around.at(-1) ?? once),
    run: hasRun ? innermost.extent : 1,
  };
}

/** Nested loops as one. */
function listOf(loops: readonly Loop[]): Loop {
  const places = loops.reduce<readonly number[]>(
    (outer, loop) => outer.flatMap((place) => placesIn(loop).map((inner) => place + inner)),
    [0],
  );
  return { extent: places.length, inStride: 0, outStride: 0, places };
}

/** Where the iterations read. */
function placesIn({ extent, inStride, places }: Loop): readonly number[] {
  return places ?? Array.from({ length: extent }, (_, i) => i * inStride);
}

/** Places from the least one on as multiples of their largest step, in 16 bits if they fit. */
function inSteps(places: readonly number[]) {
  const least = places.reduce((a, b) => Math.min(a, b), places[0] ?? 0);
  const step = places.reduce((divisor, place) => commonDivisor(divisor, place - least), 0) || 1;
  const multiples = places.map((place) => (place - least) / step);
  const isWide = multiples.some((multiple) => multiple >= 65536);
  const data = isWide ? Int32Array.from(multiples) : Uint16Array.from(multiples);
  const table: Table = { data, role: 'table' };
  return { least, step, isWide, table };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : commonDivisor(b, a % b);
}
