/** What the program loads before it knows the command: modules cost a millisecond each. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { entries, makeProgram } from '../../src/cli/program.js';
import { runHere } from '../support/command.js';

/** Modules and packages that `import … from` of a source file brings, and of what it brings. */
function loadedBy(url: URL, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(url.href)) return seen;
  seen.add(url.href);
  const text = readFileSync(fileURLToPath(url), 'utf8');
  for (const [, name = ''] of text.matchAll(
    /^(?:import|export) (?!type\b)[^;]*?from '([^']+)';/gm,
  )) {
    if (name.startsWith('.')) loadedBy(new URL(name.replace(/\.js$/, '.ts'), url), seen);
    else if (!name.startsWith('node:')) seen.add(name);
  }
  return seen;
}

const loaded = (path: string) =>
  [...loadedBy(new URL(`../../src/${path}`, import.meta.url))].map((name) =>
    name.replace(/^.*\/src\//, ''),
  );

describe('start-up', () => {
  it('help and --version load the command line, and no command', () => {
    const names = loaded('cli/program.ts');
    expect(names.filter((name) => !name.endsWith('.ts'))).to.deep.equal(['commander']);
    expect(
      names.filter((name) => /^(compiler|boards|compress|pipeline|report)\b/.test(name)),
    ).to.deep.equal([]);
    expect(names).to.have.lengthOf.below(16);
  });

  it('no command loads TensorFlow.js before it trains', () => {
    const names = entries.flatMap(({ name }) =>
      name === 'targets' || name === 'operators' ? [] : loaded(`cli/${name}.ts`),
    );
    expect(names.filter((name) => name.startsWith('@tensorflow'))).to.deep.equal([]);
  });

  it('a command has its options where its name is among the words', async () => {
    const { commands } = await makeProgram(['--config', 'run', 'inspect']);
    const complete = commands.filter(({ options }) => options.length > 0);
    expect(complete.map((command) => command.name())).to.deep.equal(['run', 'inspect']);
  });

  it('the list of commands is that of the help', async () => {
    const { stdout, status } = await runHere(['--help']);
    expect(status).to.equal(0);
    const listed = [...stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name);
    expect(listed).to.deep.equal(entries.map(({ name }) => name));
  });
});
