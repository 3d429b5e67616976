/**
 * The command line compiled to JavaScript in a copy of the package, which starts three times as
 * fast.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));
const copy = join(root, 'build/test-cli');
const beside = ['package.json', 'node_modules', 'templates', 'targets', 'firmware'];
const compilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
};

/** Compiles sources that are newer than their copy; several processes may do so at once. */
function refresh(): void {
  mkdirSync(copy, { recursive: true });
  for (const name of beside) {
    try {
      symlinkSync(join(root, name), join(copy, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  for (const path of sources.filter((name) => name.endsWith('.ts'))) {
    const source = join(root, 'src', path);
    const script = join(copy, 'dist', path.replace(/ts$/, 'js'));
    if (existsSync(script) && statSync(script).mtimeMs > statSync(source).mtimeMs) continue;
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions });
    mkdirSync(dirname(script), { recursive: true });
    writeFileSync(`${script}.${process.pid}`, outputText);
    renameSync(`${script}.${process.pid}`, script);
  }
}

refresh();

/** Path of the script that Node runs. */
export const cliPath = join(copy, 'dist/cli.js');
