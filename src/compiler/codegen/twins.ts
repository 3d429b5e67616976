/** Weights that are code, as C for machines that cannot run the assembly. */
import type { PixelsTwin, RowTwin, StageTwin } from '../kernels/variant.js';
import { integer, rows } from './c.js';
import type { TablePool } from './tables.js';
import type { Templates } from './templates.js';

/** Text of <model>_weights.c. */
export function twinsText(
  templates: Templates,
  model: string,
  routines: ReturnType<TablePool['routines']>,
): string {
  const all = routines.map(({ symbol, twin }) => ({ symbol, twin: twin() }));
  const stages = all.flatMap(({ twin }) => twin.stages ?? []);
  const hasTies = stages.some(({ ties }) => ties !== null);
  return templates.render('project/twins.c', {
    model,
    pixels: all.some(({ twin }) => twin.kind === 'pixels'),
    outputs: stages.length > 0,
    ties: hasTies,
    routines: all.map(({ symbol, twin }) => ({
      symbol,
      row: twin.kind === 'row',
      weights: rows(twin.weights).trimEnd(),
      ...(twin.kind === 'row' ? rowTwin(twin, hasTies) : pixelsTwin(twin, hasTies)),
    })),
  });
}

function rowTwin({ depth, channels, stages }: RowTwin, hasTies: boolean): object {
  return {
    ...{ depth: integer(depth), channels: integer(channels), makes_outputs: stages !== null },
    stages: stagesText(stages ?? [], hasTies),
  };
}

function pixelsTwin({ words, second, stages }: PixelsTwin, hasTies: boolean): object {
  return {
    four_pixels: second !== null,
    second: integer(second ?? 0),
    words: rows(words).trimEnd(),
    stages: stagesText(stages, hasTies),
    taps: integer(words.length),
    channels: integer(stages.length),
  };
}

/** Rows of `struct stage`. */
function stagesText(stages: readonly StageTwin[], hasTies: boolean): string {
  const list = (values: Iterable<number>) => [...values].map(integer).join(', ');
  const noTies = { bits: -1, lowered: [0] };
  const rowOf = ({ fields, ties }: StageTwin) => {
    const { bits, lowered } = ties ?? noTies;
    return hasTies ? `${list(fields)}, ${integer(bits)}, { ${list(lowered)} }` : list(fields);
  };
  return stages.map((stage) => `    { ${rowOf(stage)} },`).join('\n');
}
