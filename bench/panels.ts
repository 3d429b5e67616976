/** Line plots side by side, as SVG. */
import { svgOf } from './chart.js';

export interface Line {
  readonly name: string;
  /** Sorted by x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

export interface Axes {
  readonly title: string;
  /** Title of the x axis, which runs from 0 to 1 and is labelled in per cent. */
  readonly x: string;
  readonly most: number;
}

const cell = { width: 330, height: 200 };
const margin = { left: 40, right: 24, top: 34, bottom: 40 };
const headPixels = 64;

/**
 * Rows of panels with the same axes: x from 0 to 1, y from 0 to `most`, with a line at y = 1. Lines
 * of the same name have the same colour.
 */
export function panels(rows: readonly (readonly Panel[])[], axes: Axes): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const cells = rows.flatMap((row, r) =>
    row.map((panel, c) => ({ panel, left: c * cell.width, top: headPixels + r * cell.height })),
  );
  const text = (value: string, left: number, top: number, fontSize: number) => ({
    text: value,
    left,
    top,
    textStyle: { fontSize, fontWeight: 'normal' as const },
  });
  return svgOf(
    {
      color: ['#1b6ca8', '#d1702a', '#2f7d4f', '#8a4fa3', '#777777'],
      title: [
        text(axes.title, 8, 4, 13),
        ...cells.map(({ panel, left, top }) => text(panel.title, left, top + 6, 11)),
      ],
      legend: { left: 8, top: 30, icon: 'roundRect' },
      grid: cells.map(({ left, top }) => ({
        left: left + margin.left,
        top: top + margin.top,
        width: cell.width - margin.left - margin.right,
        height: cell.height - margin.top - margin.bottom,
      })),
      xAxis: cells.map((_, gridIndex) => ({
        gridIndex,
        type: 'value' as const,
        name: axes.x,
        nameLocation: 'middle' as const,
        nameGap: 20,
        nameTextStyle: { fontSize: 10 },
        min: 0,
        max: 1,
        interval: 0.25,
        axisLabel: { fontSize: 10, formatter: (share: number) => String(100 * share) },
      })),
      yAxis: cells.map((_, gridIndex) => ({
        gridIndex,
        type: 'value' as const,
        min: 0,
        max: axes.most,
        interval: 0.5,
        axisLabel: { fontSize: 10, showMaxLabel: false },
      })),
      series: cells.flatMap(({ panel }, index) =>
        panel.lines.map(({ name, points }, line) => ({
          type: 'line' as const,
          name,
          xAxisIndex: index,
          yAxisIndex: index,
          showSymbol: false,
          data: points.map(([x, y]) => [x, Math.min(y, axes.most)]),
          ...(line > 0
            ? {}
            : {
                markLine: {
                  silent: true,
                  symbol: 'none',
                  label: { show: false },
                  lineStyle: { color: '#888', type: 'dashed' as const },
                  data: [{ yAxis: 1 }],
                },
              }),
        })),
      ),
    },
    columns * cell.width,
    headPixels + rows.length * cell.height,
  );
}
