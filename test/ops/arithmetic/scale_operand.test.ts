import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { packageTemplates } from '../../../src/boards/project/templates.js';
import { Composition } from '../../../src/compiler/codegen/templates.js';
import { multiplyByQuantizedMultiplier } from '../../../src/compiler/ops/arithmetic/quant.js';
import { execute } from '../../support/execute.js';
import { Random } from '../../support/module.js';
import { inTemporaryDirectory, warnings } from '../../support/native.js';

const main = `
int main(void)
{
    int32_t values[3];
    while (fread(values, sizeof values, 1, stdin) == 1) {
        const int32_t y = scale_operand(values[0], values[1], values[2]);
        fwrite(&y, sizeof y, 1, stdout);
    }
    return 0;
}
`;

describe('scale_operand in C', () => {
  it('rounds as two roundings of a 64-bit product do, for every 9-bit operand', async () => {
    const random = new Random(1);
    const shifts = Array.from({ length: 32 }, (_, shift) => shift);
    // The ends of the range of multipliers, and some whose products are ties.
    const multipliers = [2 ** 30, 2 ** 31 - 1, 2 ** 30 + 1024, 2 ** 30 + 512];
    const rows = shifts.flatMap((shift) =>
      [...multipliers, random.integer(2 ** 30, 2 ** 31 - 1)].flatMap((multiplier) =>
        Array.from({ length: 511 }, (_, i) => [i - 255, multiplier, shift] as const),
      ),
    );
    const composition = new Composition(packageTemplates());
    composition.use('portable/scale_operand');
    const text = `#include <stdint.h>\n#include <stdio.h>\n${composition.helpers.join('\n')}${main}`;
    const output = await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'main');
      writeFileSync(`${path}.c`, text);
      const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover'];
      await execute('gcc', ['-std=c99', ...warnings, ...sanitizers, `${path}.c`, '-o', path]);
      return execute(path, [], { input: Buffer.from(Int32Array.from(rows.flat()).buffer) });
    });
    const actual = rows.map((_, i) => output.readInt32LE(4 * i));
    const expected = rows.map(([x, multiplier, shift]) =>
      multiplyByQuantizedMultiplier(x * 2 ** 20, { multiplier, shift: -shift }, 'double'),
    );
    expect(actual.findIndex((y, i) => y !== expected[i])).to.equal(-1);
    expect(actual).to.have.length(rows.length);
  });
});
