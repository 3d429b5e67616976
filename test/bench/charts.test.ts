/** Pictures of the documentation: no text leaves the view box, every bar and line is there. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { textWidth } from '../../bench/chart.js';
import { panels } from '../../bench/panels.js';
import { plot } from '../../bench/plot.js';

interface Text {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function textsOf(svg: string): readonly Text[] {
  const entities: readonly (readonly [RegExp, string])[] = [
    [/&lt;/g, '<'],
    [/&gt;/g, '>'],
    [/&amp;/g, '&'],
  ];
  return [...svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(
    ([, attributes = '', body = '']) => {
      const text = entities.reduce((all, [entity, plain]) => all.replace(entity, plain), body);
      const number = (pattern: RegExp) => Number(pattern.exec(attributes)?.[1] ?? 0);
      const fontPixels = number(/font-size:([\d.]+)px/) || 12;
      const moved = /translate\(([-\d.]+) ([-\d.]+)\)/.exec(attributes);
      const x = number(/ x="([-\d.]+)"/) + Number(moved?.[1] ?? 0);
      const y = number(/ y="([-\d.]+)"/) + Number(moved?.[2] ?? 0);
      const width = textWidth(text, fontPixels);
      const share = { start: 0, middle: 0.5, end: 1 }[
        /text-anchor="(\w+)"/.exec(attributes)?.[1] ?? 'start'
      ] as number;
      const left = x - share * width;
      return { text, left, right: left + width, top: y - fontPixels, bottom: y + fontPixels };
    },
  );
}

function outside(svg: string): readonly string[] {
  const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []).map(Number);
  return textsOf(svg)
    .filter(
      ({ left, right, top, bottom }) => left < 0 || top < 0 || right > width || bottom > height,
    )
    .map(({ text }) => text);
}

const bars = (ours: number, theirs: number) => [
  { group: 'mps2-an500 a_long_name_of_a_model', ours, theirs },
  { group: 'rp2040 ad', ours: 711_000, theirs: 2_360_000 },
];
const line = {
  name: 'unstructured',
  points: [
    [0, 1],
    [0.5, 0.6],
    [0.95, 0.1],
  ] as const,
};
const panel = { title: 'stm32f405, fully connected, 256 to 64: bytes', lines: [line] };
const grid = Array.from({ length: 6 }, () => [panel, panel, panel]);

const charts: readonly { edge: string; svg: string; texts: readonly string[] }[] = [
  { edge: 'bars far apart', svg: plot(bars(1e6, 19.94e6)), texts: ['19.9x (1.00 M, not 19.94 M)'] },
  { edge: 'bars shorter than 1', svg: plot(bars(3e6, 1e6)), texts: ['0.3x (3.00 M, not 1.00 M)'] },
  { edge: 'a bar just below a tick', svg: plot(bars(1e8, 9.99e8)), texts: ['rp2040 ad'] },
  {
    edge: 'eighteen panels',
    svg: panels(grid, { title: 'Weights at zero', x: '% zeros', most: 1.1 }),
    texts: ['Weights at zero', panel.title, '% zeros', '75', 'unstructured'],
  },
  ...['performance', 'sparsity'].map((name) => ({
    edge: `docs/${name}.svg`,
    svg: readFileSync(new URL(`../../docs/${name}.svg`, import.meta.url), 'utf8'),
    texts: [],
  })),
];

describe('charts', () => {
  for (const { edge, svg, texts } of charts) {
    it(`${edge}: its texts are inside`, () => {
      expect(textsOf(svg).map(({ text }) => text)).to.include.members([...texts]);
      expect(textsOf(svg).length).to.be.above(8);
      expect(outside(svg)).to.deep.equal([]);
    });
  }

  it('the longest bar is as many times longer as its ratio says', () => {
    const paths = [...plot(bars(1e6, 8e6)).matchAll(/<path d="M([\d.]+) [\d.]+l([\d.]+) 0/g)];
    const [first, second] = paths.map(([, , length]) => Number(length));
    expect((first ?? 0) / (second ?? 1)).to.be.closeTo(8 / (2.36 / 0.711), 0.01);
  });
});
