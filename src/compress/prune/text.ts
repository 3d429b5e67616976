/** The sensitivity of layers as a table and as bars that fit the terminal. */
import { prose, shorten, textTable } from '../../report/text-table.js';
import type { Sensitivity, SensitivityPoint } from './sensitivity.js';

/** What the numbers of a table mean, and how far they fell. */
interface Measure {
  readonly title: string;
  fell(point: SensitivityPoint): number;
}

function measureOf({ accuracy, values, layers }: Sensitivity): Measure {
  if (accuracy !== null) {
    const title = 'points of accuracy that are lost';
    return { title, fell: (point) => 100 * (accuracy - (point.accuracy ?? 0)) };
  }
  if (values?.from === 'targets') {
    const title = "points of the targets' variance that are no longer explained (R²)";
    const { explained } = values;
    return { title, fell: (point) => 100 * (explained - (point.error?.explained ?? 0)) };
  }
  const hasClasses = layers.some(({ points }) => points.some((point) => point.agreement !== null));
  if (hasClasses) {
    const title = 'percent of the samples in another class';
    return { title, fell: (point) => 100 * (1 - (point.agreement ?? 0)) };
  }
  const title = "noise in percent of the outputs' power";
  return { title, fell: ({ snrDb }) => 100 * 10 ** (-snrDb / 10) };
}

/** @param width columns of the terminal */
export function sensitivityText(sensitivity: Sensitivity, width: number): string {
  const { layers, samples, accuracy, values } = sensitivity;
  const measure = measureOf(sensitivity);
  const own = accuracy ?? (values?.from === 'targets' ? values.explained : null);
  const dense = own === null ? '' : `; dense ${(100 * own).toFixed(2)} %`;
  const head = `Each layer pruned alone, ${samples} samples: ${measure.title}${dense}`;
  const points = layers.flatMap((layer) => layer.points);
  const patterns = [...new Set(points.map(({ pattern }) => pattern))];
  const tables = patterns.map((pattern) => patternTable(sensitivity, pattern, measure, width));
  return [prose(head, width, 2), ...tables, bars(sensitivity, measure, width)]
    .filter((text) => text !== '')
    .join('\n\n');
}

const shareTitle = (share: number) => `${Number((100 * share).toFixed(1))} %`;

function patternTable(
  { layers }: Sensitivity,
  pattern: string,
  { fell }: Measure,
  width: number,
): string {
  const pointsOf = layers.map(({ points }) => points.filter((point) => point.pattern === pattern));
  const shares = [...new Set(pointsOf.flat().map(({ share }) => share))].sort((a, b) => a - b);
  const most = Math.max(...pointsOf.flat().map(fell));
  const rows = layers.map(({ index, op, name, count }, i) => {
    const drops = shares.map((share) => {
      const point = pointsOf[i]?.find((one) => one.share === share);
      return point === undefined ? null : fell(point);
    });
    const curve = drops.map((drop) => (drop === null ? ' ' : level(drop, most))).join('');
    const numbers = drops.map((drop) => drop?.toFixed(2) ?? '');
    return [`${index}`, op, `${count}`, ...numbers, curve, name];
  });
  const titles = shares.map(shareTitle);
  const right = new Set(['layer', 'weights', ...titles]);
  const header = ['layer', pattern, 'weights', ...titles, 'curve', 'name'];
  return textTable(header, rows, { right, width });
}

const levels = '▁▂▃▄▅▆▇█';

function level(drop: number, most: number): string {
  const share = most > 0 ? Math.max(0, drop) / most : 0;
  return levels[Math.min(levels.length - 1, Math.floor(share * levels.length))] ?? ' ';
}

/** A bar for each layer, at the point where it loses most. */
function bars({ layers }: Sensitivity, { fell }: Measure, width: number): string {
  const worst = layers.map(({ index, name, points }) => {
    const drops = points.map(fell);
    const drop = Math.max(0, ...drops);
    const point = points[drops.indexOf(drop)];
    const at = point === undefined ? '' : `${point.pattern} ${shareTitle(point.share)}`;
    return { label: `${index} ${name}`, drop, text: `${drop.toFixed(2)}  ${at}` };
  });
  const most = Math.max(...worst.map(({ drop }) => drop));
  if (!(most > 0)) return '';
  const textColumns = Math.max(...worst.map(({ text }) => text.length));
  const labelColumns = Math.min(24, Math.max(...worst.map(({ label }) => label.length)));
  const room = Math.max(4, width - labelColumns - textColumns - 4);
  const ordered = [...worst].sort((a, b) => b.drop - a.drop);
  return ordered
    .map(({ label, drop, text }) => {
      const bar = '█'.repeat(Math.round((room * drop) / most));
      return `${shorten(label, labelColumns).padEnd(labelColumns)}  ${bar.padEnd(room)}  ${text}`;
    })
    .join('\n');
}
