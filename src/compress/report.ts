/** What compression tells people: tables that fit the terminal. */
import { rounded } from '../report/budgets.js';
import { milliseconds, thousands } from '../report/text.js';
import { prose, textTable } from '../report/text-table.js';
import type { Assessment } from './assess.js';
import type { CompressReport } from './compress-model.js';
import { explainText } from './explain/text.js';
import type { Linked } from './goals.js';
import { titleOf } from './recipe.js';
import type { ValueError } from './score.js';
import type { CostFigures } from './workshop.js';

const decibels = (value: number) => (Number.isFinite(value) ? value.toFixed(1) : 'exact');
const percent = (share: number | null) => (share === null ? '' : `${(100 * share).toFixed(2)} %`);

/** R², to two digits; what is far below 0 says no more. */
const share = (explained: number) => (explained < -9 ? '< −9' : explained.toFixed(2));

/** Layers that lose most, at most this many. */
const shownLayers = 8;

export function compressText(report: CompressReport, width: number): string {
  return [
    factsText(report, width),
    report.warnings.map((text) => prose(`warning: ${text}`, width, 2)).join('\n'),
    stepsText(report, width),
    nearestText(report, width),
    notesText(report, width),
    report.explanation === null ? layersText(report, width) : '',
    report.explanation === null ? classText(report, width) : explainText(report.explanation, width),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}

function factsText(report: CompressReport, width: number): string {
  const { data } = report;
  const samples = `${data.train} to train, of them ${data.calibration} for ranges, ${data.validation} to choose, ${data.test} to test`;
  const facts: readonly Fact[] = [
    ['model', `${thousands(report.model.bytes)} bytes`],
    ['samples', samples],
    ...qualityFacts(report),
    ...costFacts(report),
  ];
  return facts.map(([name, text]) => prose(`${name.padEnd(11)} ${text}`, width, 12)).join('\n');
}

function linkedText({ basis, ms, flashBytes, ramBytes, note }: Linked): string {
  const bytes = `${thousands(flashBytes)} bytes of flash, ${thousands(ramBytes)} of RAM`;
  const how = {
    simulated: `built, and run on the simulator: ${milliseconds(ms)} ms, ${bytes}`,
    built: `built: ${bytes} at most`,
    estimated: `not built: ${bytes} at most by estimate`,
  }[basis];
  return note === null ? how : `${how} (${note})`;
}

type Fact = readonly [name: string, text: string];

/** Each with the samples that it is of. */
function qualityFacts({ data, accuracy, agreement, snrDb, values, outputs }: CompressReport) {
  const of = `of ${data.test} test samples`;
  const facts: Fact[] = [];
  if (accuracy !== null) {
    const both = `${percent(accuracy.float)} in float, ${percent(accuracy.int8)} quantized`;
    facts.push(['accuracy', `${both}, ${of}`]);
  }
  if (agreement !== null) facts.push(['same class', `${percent(agreement)} ${of}`]);
  if (values !== null) facts.push(...errorFacts(values, of));
  facts.push(['output SNR', `${decibels(snrDb)} dB, ${of}`]);
  for (const one of outputs ?? []) {
    const own = one.error === null ? '' : `, MAE ${rounded(one.error.mae)}`;
    facts.push([`  ${one.name}`, `${decibels(one.snrDb)} dB${own}`]);
  }
  return facts;
}

function errorFacts({ float, int8 }: NonNullable<CompressReport['values']>, of: string): Fact[] {
  const text = (one: (error: ValueError) => string) =>
    float === null
      ? `${one(int8)} from the float model's outputs, ${of}`
      : `${one(float)} in float, ${one(int8)} quantized, from the targets ${of}`;
  return [
    ['MSE', text(({ mse }) => rounded(mse))],
    ['MAE', text(({ mae }) => rounded(mae))],
    ['R²', text(({ explained }) => share(explained))],
  ];
}

/** Of the original in float and as int8, and of the result. */
function costFacts({ cost, linked }: CompressReport): readonly Fact[] {
  if (cost === null) return [];
  const { float, before, after } = cost;
  const row = (figure: (one: CostFigures) => string, unit: string) => {
    const own = float === null ? 'float does not compile' : `${figure(float)} in float`;
    return `${own}, ${figure(before)} as plain int8 → ${figure(after)} ${unit}`;
  };
  return [
    ['time', row(({ ms }) => milliseconds(ms), 'ms by estimate')],
    ['flash', row(({ flashBytes }) => thousands(flashBytes), 'bytes at most by estimate')],
    ['RAM', row(({ ramBytes }) => thousands(ramBytes), 'bytes at most by estimate')],
    ...(linked === null ? [] : [['the image', linkedText(linked)] as const]),
  ];
}

const qualityTitles = ['accuracy', 'same class', 'R²', 'MAE', 'SNR dB'];
const costTitles = ['ms', 'flash', 'RAM'];
const numbers = new Set([...qualityTitles, ...costTitles]);

/** Cells of `qualityTitles`. */
function qualityCells({ accuracy, agreement, error, snrDb }: Assessment): readonly string[] {
  const own = error === null ? ['', ''] : [share(error.explained), rounded(error.mae, 3)];
  return [percent(accuracy), percent(agreement), ...own, decibels(snrDb)];
}

/** Cells of `costTitles`. */
function costCells(cost: CostFigures | null, none = ''): readonly string[] {
  if (cost === null) return costTitles.map(() => none);
  const { ms, flashBytes, ramBytes } = cost;
  return [milliseconds(ms), thousands(flashBytes), thousands(ramBytes)];
}

/** What each step cost in accuracy and gained on the target. */
function stepsText({ steps, cost, original, data }: CompressReport, width: number): string {
  const rows = [
    ['original, float', ...qualityCells(original), ...floatCells(cost), ''],
    ...(cost === null
      ? []
      : [['original, int8', ...qualityTitles.map(() => ''), ...costCells(cost.before), '']]),
    ...steps.map(({ settings, validation, cost: after, kept }) => [
      titleOf(settings),
      ...qualityCells(validation),
      ...costCells(after),
      kept ? 'kept' : '',
    ]),
  ];
  const titles = ['step', ...qualityTitles, ...costTitles, ''];
  const head = `Behind each step, on the ${data.validation} validation samples:`;
  return `${prose(head, width, 0)}\n\n${textTable(titles, rows, { right: numbers, width })}`;
}

/** A dash where a target is named and the float model does not compile for it. */
const floatCells = (cost: CompressReport['cost']) =>
  costCells(cost?.float ?? null, cost ? '–' : '');

/** Where a goal is missed: what else there is. */
function nearestText({ nearest, data }: CompressReport, width: number): string {
  if (nearest.length === 0) return '';
  const rows = nearest.map(({ steps, validation, cost, isUseful, isWritten }) => [
    steps.join(', '),
    ...qualityCells(validation),
    ...costCells(cost),
    isWritten ? 'written' : isUseful ? '' : 'too inaccurate',
  ]);
  const head = `Nearest to the goals, on the ${data.validation} validation samples:`;
  const titles = ['steps', ...qualityTitles, ...costTitles, ''];
  return `${prose(head, width, 0)}\n\n${textTable(titles, rows, { right: numbers, width })}`;
}

function notesText({ steps }: CompressReport, width: number): string {
  return steps
    .flatMap(({ settings, notes }) =>
      notes.map((note) => prose(`${titleOf(settings)}: ${note}`, width, 2)),
    )
    .join('\n');
}

function layersText({ layers }: CompressReport, width: number): string {
  const worst = [...layers].sort((a, b) => a.snrDb - b.snrDb).slice(0, shownLayers);
  const rows = worst.map(({ index, name, op, snrDb }) => [`${index}`, op, decibels(snrDb), name]);
  const right = new Set(['SNR dB']);
  return textTable(['layer', 'operator', 'SNR dB', 'name'], rows, { right, width });
}

/** The share of right answers by class, so that a class that compression sacrifices is seen. */
function classText({ confusion, classes }: CompressReport, width: number): string {
  if (confusion === null || classes === null || classes.length > 20) return '';
  const rows = confusion.map((row, label) => {
    const samples = row.reduce((a, b) => a + b, 0);
    const right = row[label] ?? 0;
    return [
      classes[label] ?? `${label}`,
      `${samples}`,
      samples === 0 ? '' : percent(right / samples),
    ];
  });
  const right = new Set(['test samples', 'right']);
  return textTable(['class', 'test samples', 'right'], rows, { right, width });
}
