/**
 * Figures of README.md and docs/tables/models.md are those of today, as far as that is cheap to tell; `npm run bench --
 * --models DIR --check` measures all.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { documentedModels, withModelledCycles } from '../../bench/derived.js';
import { mergedRows, sectionOf, staleLines, withSection } from '../../bench/document.js';
import {
  alike,
  type Benchmark,
  benchModel,
  benchmarkOf,
  buildModel,
  example,
  measureRow,
  picoRow,
  referenceOf,
} from '../../bench/models.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { needs, skip } from '../support/skip.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');
const page = read('docs/tables/models.md');
const readme = read('README.md');
const models = documentedModels(page);
const shared = `${root}../shared/models`;

const again = 'stale: npm run bench -- --models ../shared/models --write';

describe('figures: measured now', () => {
  it('docs/tables/models.md: the example on the simulated RP2040, each goal', async function () {
    needs(this, loadTarget('rp2040').compiler);
    const { text } = await measureRow('rp2040', example);
    expect(page.split('\n'), again).to.include(text);
  });

  /** Cells of README's row: of a run, or of a build alone, which says nothing of time. */
  const rows = [
    ['ad', async (model: Benchmark) => (await benchModel('rp2040', model, alike)).report, 1],
    ['kws', (model: Benchmark) => buildModel('rp2040', model, alike), 4],
  ] as const;
  for (const [name, reportOf, firstCell] of rows) {
    it(`README.md: ${name} beside TFLM${firstCell > 1 ? ', bytes' : ''}`, async function () {
      if (!existsSync(shared)) skip(this, '../shared/models is missing');
      needs(this, loadTarget('rp2040').compiler);
      const reference = referenceOf('rp2040', name);
      if (reference === undefined) throw new Error(`no figures of TFLM for ${name}`);
      const measured = picoRow(await reportOf(benchmarkOf(shared, `${name}.tflite`)), reference);
      const written = readme.split('\n').find((line) => line.startsWith(`| ${name} | `)) ?? '';
      const cellsOf = (row: string) => row.split(' | ').slice(firstCell);
      expect(cellsOf(written), again).to.deep.equal(cellsOf(measured));
    });
  }
});

describe('figures: those that follow from others', () => {
  it("README's sentence about misses has the figures of docs/tables/models.md", () => {
    const sentence =
      /`(\w+)` takes ([\d.]+) M cycles in ([\d ]+) bytes/.exec(sectionOf(readme, 'pico')) ?? [];
    const [, name = '', cycles, bytes = ''] = sentence;
    const row = models.get('rp2040')?.get(name);
    expect([row?.balanced, row?.flashBytes]).to.deep.equal([cycles, bytes.replaceAll(' ', '')]);
  });

  it("README's table has the models that TFLM was measured with, and its figures", () => {
    const rows = sectionOf(readme, 'pico').matchAll(/^\| (\w+) \| [\d.]+ \| ([\d.]+) \|/gm);
    for (const [, name = '', tflm] of rows) {
      expect(tflm, name).to.equal(models.get('rp2040')?.get(name)?.tflm);
    }
  });

  it('docs/performance.svg has the counts of the tables, for every row with figures of TFLM', () => {
    const picture = read('docs/performance.svg');
    const bars = [...picture.matchAll(/\(([\d.]+) M, not ([\d.]+) M\)/g)];
    const groups = [...picture.matchAll(/>([a-z][\w-]*) (\w+)<\/text>/g)];
    const compared = [...models].flatMap(([target, rows]) =>
      [...rows].flatMap(([name, { tflm }]) => (tflm === '' ? [] : [`${target} ${name}`])),
    );
    const shown = groups.map(([, target, name]) => `${target} ${name}`);
    expect(shown).to.have.members(compared);
    for (const [i, [, target = '', name = '']] of groups.entries()) {
      const row = models.get(target)?.get(name);
      expect(bars[i]?.slice(1), `${target} ${name}: ${again}`).to.deep.equal([
        row?.speed,
        row?.tflm,
      ]);
    }
  });

  it('modelled cycles beside measurements of others are those of the tables', () => {
    expect(staleLines(page, withModelledCycles(page)), again).to.deep.equal([]);
  });

  it('--rounding tflm in the table of --rounding xnnpack is balanced', () => {
    const start = page.indexOf('| model | board | `tflm` |');
    const rows = page.slice(start, page.indexOf('\n\n', start)).split('\n').slice(2);
    expect(rows).not.to.be.empty;
    for (const row of rows) {
      const [, name = '', board = '', thousands = ''] = row.split('|').map((cell) => cell.trim());
      const millions = Number(thousands.replaceAll(' ', '')) / 1000;
      const balanced = models.get(board)?.get(name)?.balanced ?? '';
      const digits = balanced.split('.')[1]?.length;
      expect(millions.toFixed(digits), `${name} on ${board}`).to.equal(balanced);
    }
  });
});

describe('bench --check', () => {
  const document = '<!-- t: x -->\n| a |\n|---|\n| 1 |\n<!-- end of t -->\n';

  it('finds a changed line, an added one and one that is gone', () => {
    const [changed, more, less] = ['| 2 |', '| 1 |\n| 2 |', ''].map((rows) =>
      withSection(document, 't', `| a |\n|---|\n${rows}`),
    );
    expect(staleLines(document, document)).to.deep.equal([]);
    expect(staleLines(document, changed ?? '')).to.deep.equal(['| 2 |']);
    expect(staleLines(document, more ?? '')).to.deep.equal(['| 2 |']);
    expect(staleLines('a\nb', 'a')).to.deep.equal(['(lines that are no longer there)']);
    expect(staleLines(document, less ?? '')).not.to.be.empty;
  });

  it('a row replaces that of its name, and the others stay', () => {
    const part = '<!-- m: x -->\n### r\n\n| m |\n|---|\n| a | 1 |\n| b | 2 |\n<!-- end of m -->';
    const rows = mergedRows(part, 'm', '### r', ['| b | 3 |', '| c | 4 |']);
    expect(rows).to.deep.equal(['| a | 1 |', '| b | 3 |', '| c | 4 |']);
    expect(mergedRows(part, 'm', '### other', ['| b | 3 |'])).to.deep.equal(['| b | 3 |']);
  });
});
