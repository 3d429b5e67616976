/** docs/operators.md lists the operators that there are: `UPDATE_GOLDEN=1` writes its table. */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  kernelText,
  type SupportedOperator,
  supportedOperators,
  typeText,
} from '../../src/report/operators.js';

const page = new URL('../../docs/operators.md', import.meta.url);
const [begin, end] = ['<!-- operators -->\n', '<!-- end -->\n'];

function lineOf(operator: SupportedOperator): string {
  const { tflite, op, computed, operands, types, rounds } = operator;
  const data = operands === 'all' ? operands : operands.join(', ');
  const here = [
    [op ?? operator.becomes, computed].filter((name) => name !== undefined).join(', '),
    data,
    typeText(types),
    kernelText(operator),
    rounds ? 'yes' : '',
  ];
  return `| ${[tflite, ...here].join(' | ')} |`;
}

function table(): string {
  const header =
    '| TFLite | here | inputs that are data | types | kernels | bits depend on `--rounding` |';
  const lines = supportedOperators().map(lineOf);
  return [header, '|---|---|---|---|---|---|', ...lines, ''].join('\n');
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
