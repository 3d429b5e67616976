/** The command line under other versions of Node than the one that the tests run on. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cliPath } from '../support/cli.js';
import { skip } from '../support/skip.js';

const model = fileURLToPath(new URL('../corpus/control-flow/branches.tflite', import.meta.url));

/** What scripts/setup.sh --tests installs. */
const pathOf = (version: number) =>
  fileURLToPath(new URL(`../../build/node${version}/node_modules/node/bin/node`, import.meta.url));

function run(node: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(node, [cliPath, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const rows: readonly [what: string, args: readonly string[]][] = [
  ['a line', ['--version']],
  ['a document', ['inspect', model, '--json']],
  ['an error', ['inspect', 'nothing.tflite']],
];

for (const version of [22, 24]) {
  describe(`Node ${version}`, () => {
    for (const [what, args] of rows) {
      it(`${what}: status and output as here`, function () {
        const node = pathOf(version);
        if (!existsSync(node)) skip(this, `Node ${version} is missing: scripts/setup.sh --tests`);
        expect(run(node, args)).to.deep.equal(run(process.execPath, args));
      });
    }
  });
}
