/** Each kernel variant has what makes it known: a row of the corpus, its C as text, and a cost. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { kernelsOf } from '../../src/compiler/kernels/index.js';
import { operators } from '../../src/compiler/ops/index.js';
import { packageFile } from '../../src/package.js';

const templates = [
  ...new Set(
    [...operators.keys()].flatMap((op) => kernelsOf({ op }).variants).map((one) => one.template),
  ),
];

const read = (path: string) => readFileSync(packageFile(path), 'utf8');
const rows = new Set(
  [...read('docs/tables/variants.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name),
);
/** Templates that some core has measured, with any goal. */
const measured = new Set(
  readdirSync(packageFile('targets/cores'))
    .map((core) => `targets/cores/${core}/costs.json`)
    .filter((path) => existsSync(packageFile(path)))
    .flatMap((path) => Object.values(JSON.parse(read(path)) as Record<string, object>))
    .flatMap(Object.keys),
);

/**
 * Variants that nothing else competes with need no cost: the definition's own kernels. dsp/lstm has the
 * estimate of portable/lstm, and applies wherever its instructions are.
 */
const needsCost = (template: string) =>
  !template.startsWith('portable/') && template !== 'dsp/lstm';

describe('kernel variants', () => {
  for (const template of templates) {
    it(`${template} has a row in docs/tables/variants.md, a golden and a cost`, () => {
      const has = {
        row: rows.has(template),
        golden: existsSync(packageFile(`test/golden/c/${template}.c`)),
        cost: !needsCost(template) || measured.has(template),
      };
      expect(has).to.deep.equal({ row: true, golden: true, cost: true });
    });
  }

  it('there is no row, and no cost, of a variant that is gone', () => {
    const known = [...rows, ...measured].map((name) => name ?? '');
    expect(known.filter((name) => !templates.includes(name))).to.deep.equal([]);
  });
});
