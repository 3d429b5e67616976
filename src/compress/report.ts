/** What compression tells people: tables that fit the terminal. */
import { milliseconds, thousands } from '../report/text.js';
import { prose, textTable } from '../report/text-table.js';
import type { CompressReport } from './compress-model.js';
import { explainText } from './explain/text.js';
import { bareRam } from './goals.js';
import { titleOf } from './recipe.js';
import type { StepReport } from './workshop.js';

type Behind = Pick<StepReport, 'validation' | 'cost'>;

const decibels = (value: number) => (Number.isFinite(value) ? value.toFixed(1) : 'exact');
const percent = (share: number | null) => (share === null ? '' : `${(100 * share).toFixed(2)} %`);

/** Layers that lose most, at most this many. */
const shownLayers = 8;

export function compressText(report: CompressReport, width: number): string {
  return [
    factsText(report, width),
    report.warnings.map((text) => prose(`warning: ${text}`, width, 2)).join('\n'),
    stepsText(report, width),
    notesText(report, width),
    report.explanation === null ? layersText(report, width) : '',
    report.explanation === null ? classText(report, width) : explainText(report.explanation, width),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}

function factsText(report: CompressReport, width: number): string {
  const { data, accuracy, agreement, snrDb, cost } = report;
  const facts: readonly (readonly [name: string, text: string])[] = [
    ['model', `${thousands(report.model.bytes)} bytes`],
    [
      'samples',
      `${data.train} to train, of them ${data.calibration} for ranges, ${data.validation} to choose, ${data.test} to test`,
    ],
    ...(accuracy === null
      ? []
      : [
          [
            'accuracy',
            `${percent(accuracy.float)} in float, ${percent(accuracy.int8)} quantized`,
          ] as const,
        ]),
    ...(agreement === null ? [] : [['same class', percent(agreement)] as const]),
    ['output SNR', `${decibels(snrDb)} dB`],
    ...(cost === null
      ? []
      : [
          [
            'time',
            `${milliseconds(cost.before.ms)} → ${milliseconds(cost.after.ms)} ms by estimate`,
          ] as const,
          [
            'flash',
            `${thousands(cost.before.flashBytes)} → ${thousands(cost.after.flashBytes)} bytes`,
          ] as const,
          [
            'RAM',
            `${thousands(cost.before.ramBytes)} → ${thousands(cost.after.ramBytes)} bytes ${bareRam}`,
          ] as const,
        ]),
  ];
  return facts.map(([name, text]) => prose(`${name.padEnd(11)} ${text}`, width, 12)).join('\n');
}

/** What each step cost in accuracy and gained on the target, on validation samples. */
function stepsText({ steps, cost, original }: CompressReport, width: number): string {
  const right = new Set(['accuracy', 'same class', 'SNR dB', 'ms', 'flash']);
  const row = (title: string, { validation, cost: after }: Behind, kept: boolean) => [
    title,
    percent(validation.accuracy),
    percent(validation.agreement),
    decibels(validation.snrDb),
    ...(cost === null || after === null
      ? []
      : [milliseconds(after.ms), thousands(after.flashBytes)]),
    kept ? 'kept' : '',
  ];
  const rows = [
    row('original', { validation: original, cost: cost?.before ?? null }, false),
    ...steps.map((step) => row(titleOf(step.settings), step, step.kept)),
  ];
  const titles = [
    'step',
    'accuracy',
    'same class',
    'SNR dB',
    ...(cost === null ? [] : ['ms', 'flash']),
    '',
  ];
  return textTable(titles, rows, { right, width });
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
  const right = new Set(['samples', 'right']);
  return textTable(['class', 'samples', 'right'], rows, { right, width });
}
