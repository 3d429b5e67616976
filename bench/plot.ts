/** The plot of docs/performance.md: how many times fewer cycles than TFLM with CMSIS-NN. */

export interface Bar {
  /** 'rp2040 kws' */
  readonly group: string;
  /** Cycles or instructions of one inference. */
  readonly ours: number;
  readonly theirs: number;
}

const barHeight = 18;
const gap = 8;
const left = 150;
const width = 760;
const top = 46;

/** Horizontal bars on a linear scale: theirs / ours, with a line at 1. */
export function plot(bars: readonly Bar[]): string {
  const ratios = bars.map(({ ours, theirs }) => theirs / ours);
  const most = Math.max(2, Math.ceil(Math.max(0, ...ratios)));
  const x = (ratio: number) => left + ((width - left - 150) * ratio) / most;
  const height = top + bars.length * (barHeight + gap) + 16;
  const ticks = Array.from({ length: most + 1 }, (_, ratio) =>
    [
      `<line x1="${fix(x(ratio))}" y1="${top - 6}" x2="${fix(x(ratio))}" y2="${height - 12}" class="${ratio === 1 ? 'one' : 'tick'}"/>`,
      `<text x="${fix(x(ratio))}" y="${top - 10}" text-anchor="middle">${ratio}x</text>`,
    ].join('\n'),
  );
  const rows = bars.map(({ group, ours, theirs }, i) => {
    const y = top + i * (barHeight + gap);
    const ratio = theirs / ours;
    const label = `${ratio.toFixed(1)}x (${mega(ours)} M, not ${mega(theirs)} M)`;
    return [
      `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${group}</text>`,
      `<rect x="${left}" y="${y}" width="${fix(x(ratio) - left)}" height="${barHeight}"/>`,
      `<text x="${fix(x(ratio) + 6)}" y="${y + 13}">${label}</text>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<style>rect { fill: #2f7d4f } text { fill: #333 } .tick { stroke: #ddd } .one { stroke: #888 }</style>
<rect x="0" y="0" width="${width}" height="${height}" style="fill: #fff"/>
<text x="${left}" y="18">Times fewer cycles (rp2040) or instructions than TFLM with CMSIS-NN, --optimize speed</text>
${[...ticks, ...rows].join('\n')}
</svg>
`;
}

const fix = (value: number) => value.toFixed(1);
const mega = (count: number) => (count / 1e6).toFixed(count < 1e6 ? 3 : 2);
