/** The plot of docs/tables/models.md: the speed-up over TFLM with CMSIS-NN. */
import { svgOf, textWidth } from './chart.js';

export interface Bar {
  /** 'rp2040 kws' */
  readonly group: string;
  /** Cycles or instructions of one inference. */
  readonly ours: number;
  readonly theirs: number;
}

const width = 860;
const barPixels = 26;
const labelFont = 12;
/** Pixels above and below the bars, for title and scale. */
const restPixels = 84;

const title =
  'Times fewer cycles (rp2040) or instructions than TFLM with CMSIS-NN, --optimize speed';

/** Horizontal bars of theirs / ours on a linear scale, the first bar on top, with a line at 1. */
export function plot(bars: readonly Bar[]): string {
  const label = ({ ours, theirs }: Bar) =>
    `${(theirs / ours).toFixed(1)}x (${mega(ours)} M, not ${mega(theirs)} M)`;
  // The longest bar may end at the end of the scale, so leave room for its label.
  const labelPixels = Math.max(0, ...bars.map((bar) => textWidth(label(bar), labelFont)));
  return svgOf(
    {
      title: { text: title, left: 8, top: 4, textStyle: { fontSize: 13, fontWeight: 'normal' } },
      grid: { left: 8, right: labelPixels + 16, top: 52, bottom: 8, containLabel: true },
      xAxis: { type: 'value', position: 'top', min: 0, axisLabel: { formatter: '{value}x' } },
      yAxis: {
        type: 'category',
        inverse: true,
        axisTick: { show: false },
        data: bars.map(({ group }) => group),
      },
      series: [
        {
          type: 'bar',
          barWidth: '70%',
          itemStyle: { color: '#2f7d4f' },
          label: { show: true, position: 'right', fontSize: labelFont },
          data: bars.map((bar) => ({
            value: bar.theirs / bar.ours,
            label: { formatter: label(bar) },
          })),
          markLine: {
            silent: true,
            symbol: 'none',
            label: { show: false },
            lineStyle: { color: '#888', type: 'solid' },
            data: [{ xAxis: 1 }],
          },
        },
      ],
    },
    width,
    restPixels + bars.length * barPixels,
  );
}

const mega = (count: number) => (count / 1e6).toFixed(count < 1e6 ? 3 : 2);
