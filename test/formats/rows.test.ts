/**
 * What files say of each operator: what the schema numbers, and the versions that runtimes ask for.
 * No reader of ours can tell that a number is wrong where the writer has the same one.
 */
import { rows } from '../../src/compiler/formats/tflite/ops.js';
import type { Row } from '../../src/compiler/formats/tflite/rows.js';
import { expectGolden } from '../support/golden.js';

function lineOf([name, row]: [name: string, row: Row]): string {
  const { op, optionsType, options, versions, operands, optional, states = [], parts } = row;
  const fields = Object.entries(options).map(
    ([field, { slot, kind, ...rest }]) =>
      `${field} ${slot} ${kind}${'of' in rest ? ` ${rest.of}` : ''}${'default' in rest ? ` = ${rest.default}` : ''}`,
  );
  const constants = parts.flatMap((part) => part.constants ?? []).map(({ position }) => position);
  const facts: [word: string, values: readonly unknown[]][] = [
    ['versions', versions],
    ['operands', [operands].flat()],
    ['optional', optional],
    ['constants', constants],
    ['states', states],
    ['fields', fields],
  ];
  const told = facts.flatMap(([word, values]) =>
    values.length === 0 ? [] : [`    ${word}: ${values.join(', ')}`],
  );
  return [`${name}: ${op}, options ${optionsType}`, ...told].join('\n');
}

describe('import: TFLite rows', () => {
  it('are as in test/golden/formats/tflite-rows.txt', () => {
    expectGolden(`${[...rows].map(lineOf).join('\n')}\n`, 'formats/tflite-rows.txt');
  });
});
