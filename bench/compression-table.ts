/** Table and plot of docs/compression.md: mean and spread over seeds. */
import { writeFileSync } from 'node:fs';
import { svgOf } from './chart.js';
import { replaceSection } from './document.js';

export interface BoardFigures {
  readonly count: number;
  readonly unit: string;
  readonly ms: number;
  readonly flashBytes: number;
  readonly ramBytes: number;
}

/** One variant from one seed. */
export interface Result {
  readonly row: string;
  readonly seed: number;
  /** Share of the test samples that are right. */
  readonly accuracy: number;
  readonly weights: { readonly all: number; readonly used: number };
  /** All layers' outputs over all test samples, and those where trained graph and int8 graph differ. */
  readonly elements?: number;
  readonly differing?: number;
  /** By target. */
  readonly boards?: Readonly<Record<string, BoardFigures>>;
}

/** Float models lose nothing, and int8 ones that nothing else was done to are what others are compared with. */
const original = 'float';
const twin = 'int8, not trained';

const boards = ['rp2040', 'stm32f405'];

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** '1.02 (0.95 to 1.10)' */
function spread(values: readonly number[], digits: number): string {
  const text = (value: number) => value.toFixed(digits).replace('-', '−');
  if (values.length === 0) return '';
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const range = values.length > 1 ? ` (${text(least)} to ${text(most)})` : '';
  return `${text(mean(values))}${range}`;
}

/** A variant's figures, each by seed. */
interface Row {
  readonly name: string;
  readonly results: readonly Result[];
  /** Points of accuracy less than the same seed's float model. */
  readonly lost: readonly number[];
  /** By board: how many times less than the same seed's int8 model without more. */
  readonly faster: Readonly<Record<string, readonly number[]>>;
}

function rowsOf(results: readonly Result[]): readonly Row[] {
  const found = (row: string, seed: number) =>
    results.find((result) => result.row === row && result.seed === seed);
  return [...new Set(results.map(({ row }) => row))].map((name) => {
    const own = results.filter(({ row }) => row === name);
    const isStudent = name.startsWith('student');
    const lost = own.map(
      ({ accuracy, seed }) => 100 * ((found(original, seed)?.accuracy ?? Number.NaN) - accuracy),
    );
    const faster = (board: string) =>
      own.flatMap(({ boards: mine, seed }) => {
        const before = found(twin, seed)?.boards?.[board];
        const after = mine?.[board];
        return before === undefined || after === undefined ? [] : [before.count / after.count];
      });
    return {
      ...{ name, results: own, lost: name === original || isStudent ? [] : lost },
      faster: Object.fromEntries(boards.map((board) => [board, faster(board)])),
    };
  });
}

export function tableOf(results: readonly Result[]): string {
  const head = ['', 'seeds', 'right, %', 'points lost', 'weights, thousands'];
  const titles = [
    ...head,
    ...boards.flatMap((board) => [`${board}, ms`, 'times faster', 'flash, KB']),
  ];
  const lines = rowsOf(results).map(({ name, results: own, lost, faster }) => [
    name,
    `${own.length}`,
    spread(
      own.map(({ accuracy }) => 100 * accuracy),
      2,
    ),
    spread(lost, 2),
    mean(own.map(({ weights }) => weights.used / 1000)).toFixed(0),
    ...boards.flatMap((board) => {
      const figures = own.flatMap((result) => result.boards?.[board] ?? []);
      if (figures.length === 0) return ['', '', ''];
      return [
        mean(figures.map(({ ms }) => ms)).toPrecision(3),
        spread(faster[board] ?? [], 2),
        mean(figures.map(({ flashBytes }) => flashBytes / 1000)).toFixed(0),
      ];
    }),
  ]);
  const text = [titles, titles.map(() => '---'), ...lines];
  return `${text.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${agreementText(results)}`;
}

function agreementText(results: readonly Result[]): string {
  const compared = results.filter(({ elements }) => elements !== undefined);
  const total = (of: (result: Result) => number | undefined) =>
    compared.reduce((sum, result) => sum + (of(result) ?? 0), 0);
  const elements = (total((result) => result.elements) / 1e9).toFixed(2);
  const differing = total((result) => result.differing);
  return `Of ${elements} billion elements (all layers of ${compared.length} models over all test images) the trained graph and the int8 graph differ in ${differing}. Both boards gave the bits of \`evaluate\`.`;
}

/** Points lost against times faster on the first board, a dot for each seed. */
function plotOf(results: readonly Result[]): string {
  const [board = ''] = boards;
  const rows = rowsOf(results).filter(({ faster }) => (faster[board] ?? []).length > 0);
  return svgOf(
    {
      title: {
        ...{ text: `Points of accuracy lost, and times faster on ${board} than plain int8` },
        ...{ left: 8, top: 4, textStyle: { fontSize: 13, fontWeight: 'normal' } },
      },
      legend: { left: 8, top: 28 },
      grid: { left: 8, right: 24, top: 84, bottom: 24, containLabel: true },
      xAxis: { type: 'value', name: 'times faster', nameLocation: 'middle', nameGap: 24, min: 0 },
      yAxis: { type: 'value', name: 'points lost', nameLocation: 'middle', nameGap: 32 },
      series: rows.map(({ name, lost, faster }) => ({
        ...{ type: 'scatter' as const, name, symbolSize: 9 },
        data: (faster[board] ?? []).map((times, i) => [times, lost[i]]),
      })),
    },
    760,
    420,
  );
}

export function writeDocument(results: readonly Result[]): void {
  replaceSection('variants', tableOf(results), 'docs/compression.md');
  writeFileSync('docs/compression.svg', plotOf(results));
}
