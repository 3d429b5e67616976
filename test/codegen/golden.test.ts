/**
 * The C of every kernel variant as a user sees it, without its tables; what several variants print
 * stands once, in shared.c. UPDATE_GOLDEN=1 rewrites: the diff is what a reviewer reads.
 */
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { emitProgram } from '../../src/compiler/codegen/program.js';
import type { Module } from '../../src/compiler/ir/graph.js';
import { packageFile } from '../../src/package.js';
import { readGolden, writeGolden } from '../support/golden.js';
import { folded, includesOf, readShared, unfolded } from '../support/golden-c.js';
import { once } from '../support/once.js';
import { simplePlan } from '../support/plan.js';
import { repeatedComments, unreadFields } from '../support/residue.js';
import { variantModule, variantRows } from '../support/variant-rows.js';

const onlyForSpeed: ReadonlySet<string> = new Set([
  'dsp/fully_connected_packed',
  'thumb1/row_planes_8',
  'thumb1/row_planes_7',
  'thumb1/row_planes_6',
]);

/** The source from the helpers to the steps, without the declarations of the tables. */
function withoutTables(module: Module, kernel: string): string {
  const optimize = onlyForSpeed.has(kernel) ? 'speed' : 'balanced';
  const planned = simplePlan(module, { kernel, optimize });
  const { plan } = planned;
  const kernels = new Set(plan.steps.map((step) => step.kernel));
  expect([...kernels], 'the row is for this kernel').to.deep.equal([kernel]);
  const { source } = emitProgram(module, planned, packageTemplates());
  const table = /^static const \w+ \w+\[\d+\] BONSAI_FLASH;\n/gm;
  const begin = source.indexOf('#endif\n') + '#endif\n'.length;
  const end = source.indexOf(`void ${module.name}_run_hooked(`);
  return `${source.slice(begin, end).replace(table, '').trim()}\n`;
}

/** A table that is not read as what it is declared; bytes of any type go by way of void *. */
const castTable = /\((?:const )?(?!void)\w+ \*\)model_\w+/g;

/** The text of each row; only what is asked for is made. */
const texts = new Map(
  Object.entries(variantRows).map(([kernel, fill]) => [
    kernel,
    once(() => withoutTables(variantModule(fill), kernel)),
  ]),
);

const shared = once(() => readShared(readGolden('c/shared.c')));

describe('golden C', () => {
  before(() => {
    if (process.env.UPDATE_GOLDEN !== '1') return;
    const { shared, files } = folded(new Map([...texts].map(([kernel, text]) => [kernel, text()])));
    writeGolden(shared, 'c/shared.c');
    for (const [kernel, file] of files) writeGolden(file, `c/${kernel}.c`);
  });

  for (const [kernel, textOf] of texts) {
    it(kernel, () => {
      const text = textOf();
      // Helpers of special instruction sets come with C in their place; those of the DSP extension,
      // of Helium, Armv6-M and RV32IM are assembly.
      const most =
        { portable: 320, swar: 440, dsp: 510, mve: 580, thumb1: 560, rv32: 720 }[
          kernel.split('/')[0] ?? ''
        ] ?? 420;
      expect(text.split('\n').length, 'lines').to.be.lessThan(most);
      expect(text.split('\n').filter((line) => line.length > 100)).to.deep.equal([]);
      const braced = /^( *)(for|if|while) .*\) \{\n {4}\1[^\n{}/]*;\n\1\}\n/gm;
      expect(text.match(braced), 'braces around one line').to.equal(null);
      expect(repeatedComments(text), 'comments said before').to.deep.equal([]);
      expect(unreadFields(text), 'fields that nothing reads').to.deep.equal([]);
      expect(text.match(castTable), 'tables of another type than their reader').to.equal(null);
      expect(text).to.equal(unfolded(readGolden(`c/${kernel}.c`), shared()));
    });
  }

  it('has no file without a kernel', () => {
    const files = readdirSync(packageFile('test/golden/c'), { recursive: true })
      .map(String)
      .filter((path) => path.endsWith('.c'));
    expect(files.sort()).to.deep.equal(
      [...Object.keys(variantRows), 'shared'].map((kernel) => `${kernel}.c`).sort(),
    );
  });

  it('has shared texts that several files include, each another', () => {
    const users = new Map([...shared().keys()].map((name) => [name, 0]));
    for (const kernel of texts.keys()) {
      for (const name of new Set(includesOf(readGolden(`c/${kernel}.c`))))
        users.set(name, (users.get(name) ?? 0) + 1);
    }
    expect([...users].filter(([, count]) => count < 2)).to.deep.equal([]);
    expect(new Set(shared().values()).size).to.equal(shared().size);
  });
});
