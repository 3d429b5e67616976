/** How a training goes, as text: a line, and a chart for terminals that redraw. */
import type { EpochReport } from './options.js';

/** '40 s', '3 min 20 s', '2 h 05 min' */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.ceil(whole / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

const two = (value: number) => `${value}`.padStart(2, '0');

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** 'epoch 3/10, loss 0.412, validation 91.2 %, 20 s left' */
export function epochLine({ epoch, epochs, loss, validation, secondsLeft }: EpochReport): string {
  const parts = [`epoch ${epoch}/${epochs}`, `loss ${loss.toPrecision(3)}`];
  if (validation !== null) parts.push(`validation ${scoreText(validation)}`);
  if (epoch < epochs) parts.push(`${durationText(secondsLeft)} left`);
  return parts.join(', ');
}

/** '91.2 %', or the loss where there are no classes. */
export function scoreText({ accuracy, loss }: NonNullable<EpochReport['validation']>): string {
  return accuracy === null ? `loss ${loss.toPrecision(3)}` : percent(accuracy);
}

/** One character for each point: of the loss, of the validation, of both. */
const [lossMark, validationMark, bothMark] = ['●', '○', '◉'];

const height = 8;
const labelColumns = 8;

/**
 * The losses and validations of all epochs, from left to right, in at most `columns` columns: losses
 * by the scale on the left, right answers by the one on the right (validations without classes by
 * the left one too), and the line of the last epoch. Where an epoch has less than a column, a column
 * has the last of several.
 */
export function learningCurve(history: readonly EpochReport[], columns = 78): string {
  const last = history.at(-1);
  if (last === undefined) return '';
  const width = Math.max(1, columns - 2 * labelColumns - 2);
  const rows = Array.from({ length: height }, () => new Array<string>(width).fill(' '));
  const losses = history.map(({ loss }) => loss);
  const checks = history.map(({ validation }) => validation);
  const isShare = checks.some((check) => check !== null && check.accuracy !== null);
  const scores = checks.map((check) => (isShare ? check?.accuracy : check?.loss) ?? null);
  const left = rangeOf(isShare ? losses : [...losses, ...scores]);
  const right = isShare ? rangeOf(scores) : left;
  const columnOf = (epoch: number) => Math.floor(((epoch + 0.5) * width) / last.epochs);
  plot(rows, losses, left, columnOf, lossMark);
  plot(rows, scores, right, columnOf, validationMark);
  const lines = rows.map((row, i) => {
    const at = (range: Range) => range.high - ((range.high - range.low) * i) / (height - 1);
    const isLabelled = i === 0 || i === height - 1;
    const loss = isLabelled ? at(left).toPrecision(3) : '';
    const share = isLabelled && isShare ? percent(at(right)) : '';
    return `${loss.padStart(labelColumns)}┤${row.join('')}├${share}`.trimEnd();
  });
  const key = `${lossMark} loss${checks.some((check) => check !== null) ? `  ${validationMark} validation` : ''}`;
  return [...lines, `${' '.repeat(labelColumns + 1)}${key}`, epochLine(last)].join('\n');
}

interface Range {
  readonly low: number;
  readonly high: number;
}

function rangeOf(values: readonly (number | null)[]): Range {
  const known = values.filter((value) => value !== null);
  return { low: Math.min(...known), high: Math.max(...known) };
}

function plot(
  rows: string[][],
  values: readonly (number | null)[],
  { low, high }: Range,
  columnOf: (epoch: number) => number,
  mark: string,
): void {
  const byColumn = new Map<number, number>();
  values.forEach((value, epoch) => {
    if (value !== null) byColumn.set(columnOf(epoch), value);
  });
  for (const [column, value] of byColumn) {
    const share = high > low ? (high - value) / (high - low) : 0.5;
    const row = rows[Math.round(share * (height - 1))];
    if (row !== undefined) row[column] = row[column] === ' ' ? mark : bothMark;
  }
}
