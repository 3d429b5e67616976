/** docs/misra.md lists the rules of MISRA C:2012 from which the generated C departs: these, and no others. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { packageFile } from '../../src/package.js';
import { compile } from '../../src/pipeline.js';
import { inTemporaryDirectory } from '../support/native.js';
import { defaults } from '../support/plan.js';
import { needs } from '../support/skip.js';

const path = packageFile('examples/activity/activity.tflite');
const listed = new Set(
  [...readFileSync(packageFile('docs/misra.md'), 'utf8').matchAll(/^\| ([\d., ]+) \|/gm)].flatMap(
    ([, rules = '']) => rules.split(', '),
  ),
);

/** Rules that the C of the example breaks on a board. */
async function rulesOn(name: string): Promise<ReadonlySet<string>> {
  const bytes = readFileSync(path);
  const { emission } = compile({ bytes, path, target: loadTarget(name), options: defaults });
  const found = new Set<string>();
  await inTemporaryDirectory(async (cwd) => {
    for (const file of ['activity.c', 'activity.h']) {
      writeFileSync(join(cwd, file), emission.files.get(file) ?? '');
    }
    const how = ['--addon=misra', '--std=c99', '--platform=unix32', '--enable=style', '-q'];
    const form = ['--template={id}', 'activity.c', '--output-file=said'];
    execFileSync('cppcheck', [...how, ...form], { cwd, stdio: 'ignore' });
    const said = readFileSync(join(cwd, 'said'), 'utf8');
    for (const [, rule = ''] of said.matchAll(/misra-c2012-([\d.]+)/g)) found.add(rule);
  });
  return found;
}

describe('MISRA C:2012', () => {
  // Two boards see all rules but one: assembly with C beside it, and a vector instruction set.
  it('the C breaks the rules that docs/misra.md lists, and no others', async function () {
    needs(this, 'cppcheck');
    const broken = (await Promise.all(['rp2040', 'mps3-an547'].map(rulesOn))).flatMap((rules) => [
      ...rules,
    ]);
    expect([...new Set(broken)].sort()).to.deep.equal([...listed].sort());
  });
});
