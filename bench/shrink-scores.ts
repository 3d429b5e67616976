/**
 * What scores of channels are worth: a float model without the channels that each score finds least
 * important, not trained again, on validation samples.
 *
 *     npx tsx bench/shrink-scores.ts MODEL --data DATA [--macs 0.5,0.35] [--seed 1] [--least 4]
 *
 * `taylor²` and `taylor² per layer` are what was tried beside `taylor` (docs/compression.md).
 */
import { parseArgs } from 'node:util';
import { assessor } from '../src/compress/assess.js';
import { prepare } from '../src/compress/prepare.js';
import { couplingOf } from '../src/compress/shrink/coupling.js';
import { familyMembers } from '../src/compress/shrink/families.js';
import { normScores, taylorGroupScores } from '../src/compress/shrink/scores.js';
import { shrinkTo } from '../src/compress/shrink/shrink-to.js';
import { readInput } from '../src/files.js';
import { textTable } from '../src/report/text-table.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    macs: { type: 'string', default: '0.5,0.35' },
    seed: { type: 'string', default: '1' },
    least: { type: 'string', default: '4' },
  },
});
const [path] = positionals;
const { data, macs } = values;
if (path === undefined || data === undefined) throw new Error('give MODEL and --data');
const [seed, least] = [Number(values.seed), Number(values.least)];

const given = { bytes: readInput(path, 'model'), path, data, reading: {}, costs: null };
const { surroundings } = await prepare({ ...given, samples: 256, seed }, async (_title, work) =>
  work(() => {}),
);
const { tf, original: graph, data: parts } = surroundings;
const start = { graph, masks: new Map(), quantization: null };
const { groups } = couplingOf(graph);
const compare = assessor(surroundings, parts.validation);

const taylor = taylorGroupScores(tf, start, groups, parts.calibration, seed);
const squares = taylor.map((score) => score ** 2);
const relative = squares.slice();
for (const members of familyMembers(groups)) {
  const mean = members.reduce((sum, i) => sum + (squares[i] ?? 0), 0) / members.length;
  for (const i of members) relative[i] = (squares[i] ?? 0) / mean;
}
const scores = {
  ...{ taylor, 'taylor²': squares, 'taylor² per layer': relative },
  ...{ l2: normScores(graph, groups, 'l2'), l1: normScores(graph, groups, 'l1') },
};

const percent = (share: number | null) => (share === null ? '' : `${(100 * share).toFixed(2)} %`);
const rowOf = (share: string, name: string, own: Float64Array) => {
  const options = { scores: own, least, multiple: 'auto' } as const;
  const { candidate, families } = shrinkTo(start, { macs: Number(share) }, options);
  const { accuracy, agreement, snrDb } = compare.of(candidate);
  const channels = families.map(({ after }) => after).join(', ');
  const decibels = snrDb === null ? '' : snrDb.toFixed(1);
  return [share, name, percent(accuracy), percent(agreement), decibels, channels];
};
const { accuracy } = compare.standard.original;
console.log(`validation: ${parts.validation.count} samples, ${percent(accuracy)} of them right`);
const titles = ['MACs', 'scores', 'accuracy', 'same class', 'SNR dB', 'channels left'];
const rows = macs
  .split(',')
  .flatMap((share) => Object.entries(scores).map(([name, own]) => rowOf(share, name, own)));
console.log(textTable(titles, rows, { right: new Set(titles.slice(2, 5)) }));
