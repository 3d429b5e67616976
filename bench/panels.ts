/** Line plots side by side, as SVG. */

export interface Line {
  readonly name: string;
  /** By x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

export interface Axes {
  readonly title: string;
  /** From 0 to 1, both ends included. */
  readonly x: string;
  readonly most: number;
}

const plotWidth = 220;
const plotHeight = 130;
const gap = { left: 44, right: 16, top: 34, bottom: 24 };
const cell = {
  width: plotWidth + gap.left + gap.right,
  height: plotHeight + gap.top + gap.bottom,
};
const headHeight = 52;
const colours = ['#1b6ca8', '#d1702a', '#2f7d4f', '#8a4fa3', '#777777'];

/**
 * Rows of panels that share their axes: x from 0 to 1, y from 0 to `most`, a line at y = 1. Lines of
 * the same name have the same colour.
 */
export function panels(rows: readonly (readonly Panel[])[], axes: Axes): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const names = [...new Set(rows.flat().flatMap(({ lines }) => lines.map(({ name }) => name)))];
  const width = columns * cell.width;
  const height = headHeight + rows.length * cell.height;
  const legend = names.map((name, i) => {
    const x = gap.left + i * 130;
    return `<line x1="${x}" y1="34" x2="${x + 22}" y2="34" stroke="${colourOf(names, name)}" class="line"/><text x="${x + 28}" y="38">${name}</text>`;
  });
  const cells = rows.flatMap((row, r) =>
    row.map((panel, c) => {
      const at = `translate(${c * cell.width + gap.left} ${headHeight + r * cell.height + gap.top})`;
      return `<g transform="${at}">\n${draw(panel, axes, names)}\n</g>`;
    }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<style>text { fill: #333 } .grid { stroke: #e4e4e4 } .one { stroke: #888; stroke-dasharray: 4 3 } .line { stroke-width: 1.8; fill: none }</style>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${gap.left}" y="18" font-size="13">${axes.title}</text>
${[...legend, ...cells].join('\n')}
</svg>
`;
}

function colourOf(names: readonly string[], name: string): string {
  return colours[names.indexOf(name) % colours.length] ?? '#000';
}

function draw({ title, lines }: Panel, axes: Axes, names: readonly string[]): string {
  const x = (value: number) => (value * plotWidth).toFixed(1);
  const y = (value: number) =>
    (plotHeight * (1 - Math.min(value, axes.most) / axes.most)).toFixed(1);
  const across = [0, 0.25, 0.5, 0.75, 1].map(
    (value) =>
      `<line x1="${x(value)}" y1="0" x2="${x(value)}" y2="${plotHeight}" class="grid"/><text x="${x(value)}" y="${plotHeight + 13}" text-anchor="middle">${value * 100}</text>`,
  );
  const up = [0, 0.5, 1].map(
    (value) =>
      `<line x1="0" y1="${y(value)}" x2="${plotWidth}" y2="${y(value)}" class="${value === 1 ? 'one' : 'grid'}"/><text x="-5" y="${Number(y(value)) + 4}" text-anchor="end">${value}</text>`,
  );
  const drawn = lines.map(({ name, points }) => {
    const path = points.map(([px, py]) => `${x(px)},${y(py)}`).join(' ');
    return `<polyline points="${path}" stroke="${colourOf(names, name)}" class="line"/>`;
  });
  const labels = [
    `<text x="0" y="-8" font-weight="bold">${title}</text>`,
    `<text x="${plotWidth}" y="${plotHeight + 23}" text-anchor="end">${axes.x}</text>`,
  ];
  return [...across, ...up, ...drawn, ...labels].join('\n');
}
