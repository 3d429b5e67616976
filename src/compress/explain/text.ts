/** An explanation as tables that fit the terminal. */
import { thousands } from '../../report/text.js';
import { prose, textTable } from '../../report/text-table.js';
import type { Explanation } from './index.js';

const decibels = (value: number) => (Number.isFinite(value) ? value.toFixed(1) : 'exact');
const percent = (share: number | null) => (share === null ? '' : `${(100 * share).toFixed(1)} %`);
const signed = (value: number, text: string) => `${value >= 0 ? '+' : ''}${text}`;

/** Tables of classes have at most this many rows. */
const mostClasses = 20;

export function explainText(explanation: Explanation, width: number): string {
  return [
    layersText(explanation, width),
    remediesText(explanation, width),
    robustnessText(explanation, width),
    classesText(explanation, width),
    confusionText(explanation, width),
    reliabilityText(explanation, width),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}

/** Signal to noise in dB: of the layer alone, with all before it, and what it costs the scores. */
function layersText({ layers }: Explanation, width: number): string {
  const rows = layers.map((layer) => [
    `${layer.index}`,
    decibels(layer.ownDb),
    decibels(layer.accumulatedDb),
    decibels(layer.scoresDb),
    layer.gain === null ? '' : signed(layer.gain, percent(layer.gain)),
    layer.op,
    layer.name,
  ]);
  const numbers = ['layer', 'own dB', 'so far dB', 'scores dB', 'in float'];
  return textTable([...numbers, 'operator', 'name'], rows, { right: new Set(numbers), width });
}

function remediesText(explanation: Explanation, width: number): string {
  const { remedies } = explanation;
  const rows = remedies.map(({ layer, remedy, gainDb, wholeDb, added, name }) => [
    `${layer}`,
    signed(gainDb, gainDb.toFixed(1)),
    signed(wholeDb, wholeDb.toFixed(1)),
    added === null ? '' : signed(added.count, thousands(Math.round(added.count))),
    addedBytes(added?.flashBytes),
    addedBytes(added?.ramBytes),
    remedy,
    name,
  ]);
  const unit = remedies[0]?.added?.unit ?? '';
  const numbers = ['layer', 'alone dB', 'whole dB', unit, 'flash B', 'RAM B'];
  const table = textTable([...numbers, 'remedy', 'name'], rows, {
    right: new Set(numbers),
    width,
  });
  if (table === '') return '';
  const head = 'Remedies: dB that the scores gain, with this layer alone in integers, and with all';
  return [`${prose(head, width, 2)}\n\n${table}`, stepsText(explanation)].join('\n\n');
}

/** Empty where nothing changes: most remedies only change numbers. */
function addedBytes(bytes = 0): string {
  return bytes === 0 ? '' : signed(bytes, thousands(bytes));
}

/** The best remedy of each layer as a step of a recipe, each on one line: people copy them. */
function stepsText({ remedies }: Explanation): string {
  const best = remedies.filter(({ layer }, i) => remedies[i - 1]?.layer !== layer);
  const steps = new Set(best.map(({ step }) => JSON.stringify(step)));
  return [...steps].map((step) => `in a recipe: ${step}`).join('\n');
}

function robustnessText({ robustness }: Explanation, width: number): string {
  const rows = robustness.map((row) => [
    row.disturbance,
    percent(row.original),
    percent(row.compressed),
    percent(row.agreement),
    decibels(row.snrDb),
  ]);
  const numbers = ['original', 'compressed', 'same class', 'SNR dB'];
  return textTable(['disturbance', ...numbers], rows, { right: new Set(numbers), width });
}

/** The share of right answers by class: as they are, and the mean over all disturbances. */
function classesText({ robustness, classes, confusion }: Explanation, width: number): string {
  if (classes === null || confusion === null || classes.length > mostClasses) return '';
  const [clean, ...disturbed] = robustness;
  const rows = classes.map((name, label) => {
    const own = clean?.classes[label];
    const mean = (key: 'original' | 'compressed') => {
      const shares = disturbed.map((row) => row.classes[label]?.[key] ?? 0);
      return shares.reduce((a, b) => a + b, 0) / Math.max(1, shares.length);
    };
    return [
      name,
      percent(own?.original ?? null),
      percent(own?.compressed ?? null),
      percent(mean('original')),
      percent(mean('compressed')),
    ];
  });
  const numbers = ['original', 'compressed', 'original disturbed', 'compressed disturbed'];
  return textTable(['class', ...numbers], rows, { right: new Set(numbers), width });
}

function confusionText({ confusion, classes }: Explanation, width: number): string {
  if (classes === null || confusion === null || classes.length > mostClasses) return '';
  const rows = confusion.compressed.map((row, label) => [
    classes[label] ?? `${label}`,
    ...row.map((count) => (count === 0 ? '·' : `${count}`)),
  ]);
  // The model may have more outputs than the data has classes.
  const columns = (confusion.compressed[0] ?? []).map((_, i) => classes[i] ?? `${i}`);
  const right = new Set(columns);
  return textTable(['class, answered as', ...columns], rows, { right, width });
}

/** Of answers by their probability, the share that is right. */
function reliabilityText({ probabilities }: Explanation, width: number): string {
  if (probabilities === null) return '';
  const { original, compressed } = probabilities;
  const rows = original.bins.flatMap((bin, i) => {
    const other = compressed.bins[i];
    if (bin.samples === 0 && (other?.samples ?? 0) === 0) return [];
    const cells = (one: typeof bin | undefined) =>
      one === undefined || one.samples === 0 ? ['', ''] : [`${one.samples}`, percent(one.accuracy)];
    return [[`from ${percent(bin.from)}`, ...cells(bin), ...cells(other)]];
  });
  const end = ['calibration error', '', percent(original.error), '', percent(compressed.error)];
  const numbers = ['original', 'right', 'compressed', 'are right'];
  const right = new Set(numbers);
  return textTable(['probability', ...numbers], [...rows, end], { right, width });
}
