/** docs/operators.md lists the operators that there are: `UPDATE_GOLDEN=1` writes its table. */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { rows } from '../../src/import/tflite/ops.js';
import { kernelsOf } from '../../src/kernels/index.js';

const page = new URL('../../docs/operators.md', import.meta.url);
const [begin, end] = ['<!-- operators -->\n', '<!-- end -->\n'];

function table(): string {
  const lines = [...rows].map(([name, { op, operands, rounding }]) => {
    const folders = kernelsOf({ op }).variants.map(({ template }) => template.split('/')[0]) ?? [];
    const differs = Object.keys(rounding.tflm).some(
      (attr) => rounding.tflm[attr] !== rounding.tflite[attr],
    );
    const data = operands === 'all' ? 'all' : operands.join(', ');
    const own = ['CONV_2D', 'MEAN'].includes(name) || differs;
    return `| ${name} | ${op} | ${data} | ${[...new Set(folders)].join(', ')} | ${own ? 'yes' : ''} |`;
  });
  const header = '| TFLite | here | inputs that are data | kernels | bits depend on `--rounding` |';
  return [header, '|---|---|---|---|---|', ...lines, ''].join('\n');
}

describe('docs: operators', () => {
  it('the page lists those that there are', () => {
    const text = readFileSync(page, 'utf8');
    const [head, rest] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))];
    const wanted = `${head}${begin}${table()}${rest}`;
    if (process.env.UPDATE_GOLDEN !== undefined) writeFileSync(page, wanted);
    expect(readFileSync(page, 'utf8')).to.equal(wanted);
  });
});
