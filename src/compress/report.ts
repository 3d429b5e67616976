/** What compression tells people: tables that fit the terminal. */
import { prose, textTable } from '../report/text-table.js';
import type { QuantizeReport } from './quantize-model.js';

const decibels = (value: number) => (Number.isFinite(value) ? value.toFixed(1) : 'exact');
const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

/** Layers that lose most, at most this many. */
const shownLayers = 8;

export function quantizeText(report: QuantizeReport, width: number): string {
  const { data, accuracy, agreement, snrDb, steps, layers } = report;
  const facts: readonly string[][] = [
    ['model', `${report.model.bytes} bytes`],
    [
      'samples',
      `${data.calibration} for ranges, ${data.validation} to choose, ${data.test} to test`,
    ],
    ...(accuracy === null
      ? []
      : [['accuracy', `${percent(accuracy.float)} in float, ${percent(accuracy.int8)} in int8`]]),
    ...(agreement === null ? [] : [['same class', percent(agreement)]]),
    ['output SNR', `${decibels(snrDb)} dB`],
  ];
  const right = new Set(['SNR dB']);
  const tried = steps.map(({ step, snrDb: db, kept }) => [step, decibels(db), kept ? 'kept' : '']);
  const worst = [...layers].sort((a, b) => a.snrDb - b.snrDb).slice(0, shownLayers);
  const lossy = worst.map(({ index, name, op, snrDb: db }) => [`${index}`, op, decibels(db), name]);
  return [
    facts
      .map(([name = '', text = '']) => prose(`${name.padEnd(11)} ${text}`, width, 12))
      .join('\n'),
    textTable(['tried', 'SNR dB', ''], tried, { right, width }),
    textTable(['layer', 'operator', 'SNR dB', 'name'], lossy, { right, width }),
    classText(report, width),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}

/** The share of right answers by class, so that a class that quantization sacrifices is seen. */
function classText({ confusion, classes }: QuantizeReport, width: number): string {
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
  const right = new Set(['samples', 'right in int8']);
  return textTable(['class', 'samples', 'right in int8'], rows, { right, width });
}
